"""What a run leaves, read as each training stack reads it: the order and the ids of every sequence.

    readers.py READER FOLDER       prints a JSON line a sequence: {"order", "input_ids"}

FOLDER is a run's output for `datasets` and `pyarrow`, else what `img2tokens export` made of it: `megatron` for `memmap` and
`megatron-core`, `mds` for `mosaicml-streaming`, `datatrove` for `datatrove`, `olmo` for `olmo-core` and `olmo-core-bounds`.
"""

import json
import os
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

Sequences = Iterator[tuple[str, np.ndarray]]


def read_pyarrow(output: Path) -> Sequences:
    import pyarrow.parquet as pq

    for file in sorted(output.glob("data/*.parquet")):
        for batch in pq.ParquetFile(file).iter_batches(columns=["order", "input_ids"]):
            for order, ids in zip(batch["order"], batch["input_ids"], strict=True):
                yield order.as_py(), ids.values.to_numpy()


def read_datasets(output: Path) -> Sequences:
    os.environ["HF_HUB_OFFLINE"] = "1"
    from datasets import load_dataset

    files = [str(file) for file in sorted(output.glob("data/*.parquet"))]
    with tempfile.TemporaryDirectory() as cache:
        rows = load_dataset("parquet", data_files=files, split="train", cache_dir=cache).with_format("numpy")
        for row in rows:
            yield row["order"], row["input_ids"]


def read_memmap(folder: Path) -> Sequences:
    """Megatron-LM's format with NumPy alone, as docs/spec/sequences.md describes it."""
    for index_file in sorted(folder.glob("*.idx")):
        index = index_file.read_bytes()
        magic, version, code, count, _ = struct.unpack_from("<9sQBQQ", index)
        if (magic, version) != (b"MMIDIDX\0\0", 1):
            raise ValueError(f"{index_file} is no index of Megatron-LM")
        dtype = np.dtype({4: "<i4", 8: "<u2"}[code])
        header = struct.calcsize("<9sQBQQ")
        lengths = np.frombuffer(index, "<i4", count, header)
        starts = np.frombuffer(index, "<i8", count, header + lengths.nbytes) // dtype.itemsize
        ids = np.memmap(index_file.with_suffix(".bin"), dtype, "r")
        for start, length in zip(starts, lengths, strict=True):
            yield index_file.stem, ids[start : start + length]


def read_megatron_core(folder: Path) -> Sequences:
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    for index_file in sorted(folder.glob("*.idx")):
        dataset = IndexedDataset(str(index_file.with_suffix("")), mmap=True)
        assert dataset.document_indices.tolist() == list(range(len(dataset) + 1)), "a sequence is a document"
        for ids in dataset:
            # A copy: the library unmaps the file when the data set goes away, whoever still looks at it.
            yield index_file.stem, ids.copy()


def read_mosaicml_streaming(folder: Path) -> Sequences:
    from streaming import StreamingDataset

    # One canonical node: the order of the rows, not that of sixty-four readers taking turns.
    dataset = StreamingDataset(local=str(folder), batch_size=1, num_canonical_nodes=1, shuffle=False)
    for sample in dataset:
        yield sample["order"], sample["input_ids"]


def read_datatrove(folder: Path) -> Sequences:
    """The data set that nanotron trains on gives windows and each id's place in its document: a window of the whole file,
    cut where a document begins."""
    from datatrove.utils.dataset import DatatroveFileDataset

    for file in sorted(folder.glob("*.ds")):
        total = file.stat().st_size // 2
        window = DatatroveFileDataset(str(file), seq_len=total - 1, token_size=2, return_positions=True)[0]
        starts = (window["positions"] == 0).nonzero().flatten().tolist()
        for ids in np.split(window["input_ids"].numpy(), starts[1:]):
            yield file.stem, ids


def read_olmo_core(folder: Path) -> Sequences:
    """The data set of a document an instance, padded. It finds documents by the id that ends them."""
    from olmo_core.data import NumpyPaddedFSLDatasetConfig, TokenizerConfig
    from olmo_core.data.utils import iter_document_indices

    for file in sorted(folder.glob("*.npy")):
        end = int(np.memmap(file, np.uint16, "r")[-1])
        longest = max(stop - start for start, stop in iter_document_indices(file))
        with tempfile.TemporaryDirectory() as work:
            # The type of ids is taken from the vocabulary's size, like that of the export.
            dataset = NumpyPaddedFSLDatasetConfig(
                tokenizer=TokenizerConfig(vocab_size=1 << 16, eos_token_id=end, pad_token_id=end),
                paths=[str(file)],
                sequence_length=longest,
                work_dir=work,
            ).build()
            dataset.prepare()
            for at in range(len(dataset)):
                instance = dataset[at]
                yield file.stem, instance["input_ids"][instance["label_mask"]].numpy()


def read_olmo_core_bounds(folder: Path) -> Sequences:
    """Documents where the .csv.gz says that they are, as OLMo-core reads them from a store."""
    from olmo_core.data.utils import iter_document_indices, load_array_slice

    for file in sorted(folder.glob("*.npy")):
        for start, stop in iter_document_indices(file, use_array_if_local=False):
            yield file.stem, load_array_slice(file, start, stop, np.uint16)


READERS = {
    "pyarrow": read_pyarrow,
    "datasets": read_datasets,
    "memmap": read_memmap,
    "megatron-core": read_megatron_core,
    "mosaicml-streaming": read_mosaicml_streaming,
    "datatrove": read_datatrove,
    "olmo-core": read_olmo_core,
    "olmo-core-bounds": read_olmo_core_bounds,
}


def main(reader: str, folder: str) -> None:
    for order, ids in READERS[reader](Path(folder)):
        print(json.dumps({"order": order, "input_ids": ids.tolist()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
