"""The columns that a run writes only if asked, read with pyarrow and with Hugging Face datasets."""

import subprocess

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT

NANO_WIDTH = 64


@pytest.fixture(scope="module")
def data_file(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("extras") / "out"
    settings = [f"output.path={folder}", "output.features=merged_f16", "output.reconstruction=true"]
    arguments = [argument for setting in settings for argument in ("--set", setting)]
    config = ROOT / "configs/quickstart.toml"
    run = subprocess.run(
        [program, "run", config, "--limit", "64", *arguments], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return next(folder.glob("data/part-*.parquet"))


def test_pyarrow_reads_a_row_of_halves_for_every_code(data_file):
    table = pq.read_table(data_file)
    assert table.schema.field("image_features").type == pa.list_(pa.list_(pa.float16(), NANO_WIDTH))
    assert table.num_rows > 20
    for features, codes in zip(table["image_features"], table["image_codes"].to_pylist()):
        assert len(features) == len(codes)
        numbers = features.values.flatten().to_numpy(zero_copy_only=False).reshape(-1, NANO_WIDTH)
        assert numbers.dtype == np.float16 and np.isfinite(numbers).all()
        # The merger ends in a LayerNorm: a row's numbers are spread, not all the same.
        assert (numbers.astype(np.float32).std(axis=1) > 0.1).all()


def test_datasets_reads_them_by_the_features_in_the_metadata(data_file, tmp_path):
    data = datasets.load_dataset("parquet", data_files=str(data_file), split="train", cache_dir=str(tmp_path))
    first = data[0]
    assert np.array(first["image_features"]).shape == (len(first["image_codes"]), NANO_WIDTH)
    assert -1 <= first["reconstruction_cosine"] <= 1


def test_features_are_not_dictionary_encoded(data_file):
    group = pq.ParquetFile(data_file).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    (features,) = [column for column in columns if column.path_in_schema.startswith("image_features.")]
    assert not any("DICTIONARY" in encoding for encoding in features.encodings), features.encodings
