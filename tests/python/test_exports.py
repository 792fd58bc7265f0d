"""Every export, read with NumPy as the format's description has it, against the Parquet: each field, and what readers
never look at. test_readers.py reads them with the trainers' own readers.
"""

import csv
import gzip
import json
import pathlib
import struct

import numpy as np

ORDERS = ["image_text", "text_image"]


def sequences(output, order: str) -> list[list[int]]:
    return [row["input_ids"] for row in output.rows if row["order"] == order]


def as_lists(arrays) -> list[list[int]]:
    return [array.tolist() for array in arrays]


def names(folder: pathlib.Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def read_megatron(prefix: pathlib.Path) -> list[np.ndarray]:
    index = prefix.with_suffix(".idx").read_bytes()
    magic, version, dtype, count, documents = struct.unpack_from("<9sQBQQ", index)
    assert (magic, version) == (b"MMIDIDX\0\0", 1)
    dtype = np.dtype({4: np.int32, 8: np.uint16}[dtype])
    at = 34
    lengths = np.frombuffer(index, np.int32, count, at)
    pointers = np.frombuffer(index, np.int64, count, at + 4 * count)
    starts = np.frombuffer(index, np.int64, documents, at + 12 * count)
    assert at + 12 * count + 8 * documents == len(index)
    assert starts.tolist() == list(range(count + 1)), "each sequence is a document"
    data = np.memmap(prefix.with_suffix(".bin"), mode="r", order="C")
    assert data.size == lengths.sum() * dtype.itemsize
    return [np.frombuffer(data, dtype, *where) for where in zip(lengths, pointers, strict=True)]


def read_mds(folder: pathlib.Path) -> list[dict]:
    index = json.loads((folder / "index.json").read_text())
    assert index["version"] == 2
    return [sample for shard in index["shards"] for sample in read_mds_shard(folder, shard)]


def read_mds_shard(folder: pathlib.Path, shard: dict):
    fields = {"column_encodings", "column_names", "column_sizes", "compression", "format", "hashes"}
    fields |= {"raw_data", "samples", "size_limit", "version", "zip_data"}
    assert set(shard) == fields, "MDSReader takes exactly these"
    assert (shard["version"], shard["format"], shard["compression"], shard["zip_data"]) == (2, "mds", None, None)
    assert set(shard["raw_data"]) == {"basename", "bytes", "hashes"}
    data = (folder / shard["raw_data"]["basename"]).read_bytes()
    assert len(data) == shard["raw_data"]["bytes"] <= shard["size_limit"] < 2**32
    (count,) = struct.unpack_from("<I", data)
    assert count == shard["samples"]
    offsets = np.frombuffer(data, np.uint32, count + 1, 4)
    assert shard["column_names"] == sorted(shard["column_names"])
    for begin, end in zip(offsets[:-1], offsets[1:], strict=True):
        yield read_mds_sample(data[begin:end], shard)


def read_mds_sample(data: bytes, shard: dict) -> dict:
    assert shard["column_sizes"] == [None] * len(shard["column_names"])
    sizes = np.frombuffer(data, np.uint32, len(shard["column_names"]))
    at, sample = sizes.nbytes, {}
    for name, encoding, size in zip(shard["column_names"], shard["column_encodings"], sizes, strict=True):
        sample[name] = decode_mds(encoding, data[at : at + size])
        at += size
    assert at == len(data)
    return sample


def decode_mds(encoding: str, data: bytes):
    if encoding == "str":
        return data.decode()
    kind, dtype = encoding.split(":")
    assert kind == "ndarray"
    dimensions, shape_dtype = data[0] >> 2, np.dtype(f"<u{1 << data[0] % 4}")
    shape = np.frombuffer(data, shape_dtype, dimensions, 1)
    return np.frombuffer(data, dtype, offset=1 + shape.nbytes).reshape(shape)


def test_the_megatron_reader_agrees_with_the_specifications_vector(tmp_path):
    vector = """4d4d49444944580000 0100000000000000 08 0200000000000000 0300000000000000 07000000 06000000
        0000000000000000 0e00000000000000 0000000000000000 0100000000000000 0200000000000000"""
    documents = [[1, 32000, 32002, 48385, 32001, 306, 2], [1, 306, 32000, 32002, 32001, 2]]
    (tmp_path / "vector.idx").write_bytes(bytes.fromhex(vector))
    np.array(sum(documents, []), "<u2").tofile(tmp_path / "vector.bin")
    assert as_lists(read_megatron(tmp_path / "vector")) == documents


def test_megatron_reads_the_sequences_of_each_order(output, export):
    folder = export("megatron")
    assert names(folder) == {f"{order}.{suffix}" for order in ORDERS for suffix in ("bin", "idx")}
    for order in ORDERS:
        assert as_lists(read_megatron(folder / order)) == sequences(output, order)


def test_datatrove_reads_the_sequences_of_each_order(output, export):
    folder = export("datatrove")
    assert names(folder) == {f"{order}.{suffix}" for order in ORDERS for suffix in ("ds", "ds.index")}
    for order in ORDERS:
        tokens = np.fromfile(folder / f"{order}.ds", "<u2")
        ends = np.fromfile(folder / f"{order}.ds.index", "<u8")
        assert ends[-1] == len(tokens)
        assert as_lists(np.split(tokens, ends[:-1])) == sequences(output, order)


def test_olmo_reads_the_sequences_of_each_order(output, export):
    folder = export("olmo")
    assert names(folder) == {f"{order}.{suffix}" for order in ORDERS for suffix in ("npy", "csv.gz")}
    for order in ORDERS:
        tokens = np.memmap(folder / f"{order}.npy", mode="r", dtype=np.uint16)
        with gzip.open(folder / f"{order}.csv.gz", "rt") as lines:
            bounds = [(int(start), int(end)) for start, end in csv.reader(lines)]
        assert bounds[-1][1] == len(tokens)
        assert as_lists(tokens[start:end] for start, end in bounds) == sequences(output, order)


def test_documents_end_where_olmo_looks_for_the_end_of_sequence_id(output, export):
    """On local files OLMo-core finds documents by the id alone and never opens the .csv.gz."""
    for order in ORDERS:
        tokens = np.memmap(export("olmo") / f"{order}.npy", mode="r", dtype=np.uint16)
        ends = (tokens == output.vocabulary["eos"]).nonzero()[0] + 1
        assert as_lists(np.split(tokens, ends[:-1])) == sequences(output, order)


def test_mosaic_streaming_reads_ids_key_and_order_of_every_row(output, export):
    samples = read_mds(export("mds"))
    found = [(sample["key"], sample["order"], sample["input_ids"].tolist()) for sample in samples]
    assert found == [(row["key"], row["order"], row["input_ids"]) for row in output.rows]
