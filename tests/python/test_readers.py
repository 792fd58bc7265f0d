"""Every export for which a reader exists that nobody here wrote, read with it: the Parquet's ids, in its order.

The readers import torch, so they live in an environment of their own, which is made where it is missing. With
IMG2TOKENS_TRAINERS=0 these tests are skipped.
"""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

SCRIPTS = ROOT / "scripts"


@pytest.fixture(scope="module")
def trainers_python() -> str:
    if os.environ.get("IMG2TOKENS_TRAINERS") == "0":
        pytest.skip("the trainers' readers are left out: IMG2TOKENS_TRAINERS=0")
    made = subprocess.run([sys.executable, SCRIPTS / "trainers/environment.py"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture(scope="module")
def read(trainers_python, output, export):
    """What a reader makes of the quickstart: in its own form, or in that of an export."""

    def read(reader: str, form: str | None = None) -> list[tuple[str, list[int]]]:
        folder = export(form) if form else output.folder
        command = [trainers_python, SCRIPTS / "trainers/readers.py", reader, folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return [(row["order"], row["input_ids"]) for row in rows]

    return read


@pytest.fixture(scope="module")
def rows(output) -> list[tuple[str, list[int]]]:
    return [(row["order"], row["input_ids"]) for row in output.rows]


@pytest.fixture(scope="module")
def rows_by_order(rows) -> list[tuple[str, list[int]]]:
    return sorted(rows, key=lambda row: row[0])


@pytest.mark.parametrize("reader", ["pyarrow", "datasets"])
def test_parquet_is_read_in_the_order_of_its_rows(reader, read, rows):
    assert read(reader) == rows


def test_megatron_core_reads_the_sequences_of_each_order(read, rows_by_order):
    assert read("megatron-core", "megatron") == rows_by_order


def test_the_memmap_of_train_smoke_reads_what_megatron_core_reads(read, rows_by_order):
    assert read("memmap", "megatron") == rows_by_order


def test_mosaicml_streaming_reads_the_rows_in_their_order(read, rows):
    assert read("mosaicml-streaming", "mds") == rows


def test_datatrove_reads_the_sequences_of_each_order(read, rows_by_order):
    assert read("datatrove", "datatrove") == rows_by_order


@pytest.mark.parametrize("reader", ["olmo-core", "olmo-core-bounds"])
def test_olmo_core_reads_the_sequences_of_each_order(reader, read, rows_by_order):
    """Documents are found by the id that ends them, as on local files, and by the .csv.gz, as in a store."""
    assert read(reader, "olmo") == rows_by_order


def test_a_small_gpt_learns_from_every_reader(trainers_python, output, export):
    exports = {export(form).parent for form in ("megatron", "mds", "datatrove", "olmo")}
    train = [trainers_python, SCRIPTS / "trainers/train.py", "--steps", "6", "--output", output.folder]
    done = subprocess.run([*train, "--exports", *exports], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 8
