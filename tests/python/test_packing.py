"""Packed contexts, read with pyarrow: cut at their segments they are the sequences of the data files."""

import collections
import json
import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

COLUMNS = {
    "input_ids": pa.list_(pa.int32()),
    "num_tokens": pa.int32(),
    "segment_starts": pa.list_(pa.int32()),
    "segment_offsets": pa.list_(pa.int32()),
    "keys": pa.list_(pa.string()),
    "orders": pa.list_(pa.string()),
}


@pytest.fixture(scope="module", params=["best_fit", "concat"])
def packed(request, program, output, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed") / request.param
    command = [program, "export", "packed", output.folder, folder, "--context-length", "512"]
    done = subprocess.run(
        [*command, "--packing", request.param], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return request.param, folder, done.stdout


def test_columns_and_metadata_say_what_the_contexts_are(packed, output):
    method, folder, _ = packed
    schema = pq.read_schema(folder / "part-00000.parquet")
    types = {
        field.name: pa.list_(field.type.value_type) if pa.types.is_list(field.type) else field.type
        for field in schema
    }
    assert types == COLUMNS
    assert json.loads(schema.metadata[b"img2tokens.packing"]) == {"method": method, "length": 512}
    assert json.loads(schema.metadata[b"img2tokens.vocabulary"]) == output.vocabulary
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert set(features) == set(COLUMNS)


def test_segments_put_together_are_the_sequences(packed, output):
    _, folder, _ = packed
    pieces = collections.defaultdict(list)
    for context in pq.read_table(folder).to_pylist():
        assert len(context["input_ids"]) == context["num_tokens"] <= 512
        cut = np.split(context["input_ids"], context["segment_starts"][1:])
        for key, order, offset, ids in zip(
            context["keys"], context["orders"], context["segment_offsets"], cut, strict=True
        ):
            pieces[key, order].append((offset, ids.tolist()))
    sequences = {}
    for name, parts in pieces.items():
        sequences[name] = []
        for offset, ids in sorted(parts):
            assert offset == len(sequences[name])
            sequences[name] += ids
    assert sequences == {(row["key"], row["order"]): row["input_ids"] for row in output.rows}


def test_the_fill_rate_is_told_and_concat_leaves_room_in_the_last_context_only(packed):
    method, folder, said = packed
    lengths = pq.read_table(folder)["num_tokens"].to_numpy()
    assert f"{len(lengths)} contexts of 512 ids, {100 * lengths.sum() / (512 * len(lengths)):.2f} % full" in said
    if method == "concat":
        assert (lengths[:-1] == 512).all()
