"""What a takedown leaves, read with pyarrow: all other rows and the metadata as they were."""

import subprocess

import pyarrow.parquet as pq
import pytest

from conftest import Output


@pytest.fixture(scope="module")
def taken(output, program, tmp_path_factory) -> tuple[set[str], Output]:
    """Keys that were taken down of a copy of the quickstart's output, and what it holds then."""
    keys = {row["key"] for row in output.rows[::50]}
    folder = tmp_path_factory.mktemp("takedown")
    copy = folder / "out"
    subprocess.run(["cp", "-r", output.folder, copy], check=True)
    listed = folder / "list.txt"
    listed.write_text("".join(f"key:{key}\n" for key in keys))
    subprocess.run([program, "takedown", copy, "--list", listed], check=True, timeout=300)
    subprocess.run([program, "verify", copy], check=True, timeout=300)
    return keys, Output(copy)


def test_other_rows_keep_content_order_and_types(output, taken):
    keys, left = taken
    assert left.rows == [row for row in output.rows if row["key"] not in keys]
    for before, after in zip(output.data_files, left.data_files, strict=True):
        assert pq.read_schema(after).equals(pq.read_schema(before), check_metadata=True)


def test_pairs_taken_down_are_failures_with_nothing_but_a_key(output, taken):
    keys, left = taken
    gone = [row for row in left.failures if row["reason"] == "taken_down"]
    assert {row["key"] for row in gone} == keys
    assert all(row["url"] is None and row["http_status"] is None for row in gone)
    assert [row for row in left.failures if row not in gone] == output.failures
