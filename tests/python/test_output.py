"""What a run leaves, read as a trainer's data loader reads it: with pyarrow and with Hugging Face datasets."""

import collections
import re

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

# The columns of spec/program.md, "Output". The kept input columns follow.
COLUMNS = {
    "key": pa.string(),
    "order": pa.string(),
    "input_ids": pa.list_(pa.int32()),
    "num_tokens": pa.int32(),
    "image_start": pa.int32(),
    "image_len": pa.int32(),
    "text_ids": pa.list_(pa.int32()),
    "image_codes": pa.list_(pa.uint16()),
    "kept_patches": pa.binary(),
    "caption": pa.string(),
    "url": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "sha256": pa.string(),
}

FAILURE_COLUMNS = {
    "key": pa.string(),
    "url": pa.string(),
    "reason": pa.string(),
    "detail": pa.string(),
    "http_status": pa.uint16(),
    "attempts": pa.uint32(),
}

# What is wrong with sample i of the embedded set, by i % 64 (pipeline/src/samples/sample.rs), and what that leads to.
BROKEN_SAMPLES = {
    7: "http_status",
    23: "http_status",
    19: "corrupt_image",
    31: "not_an_image",
    43: "not_an_image",
    55: "not_an_image",
}


def types_of(schema: pa.Schema) -> dict:
    """Name to type; the name of a list's item is not compared."""
    return {
        field.name: pa.list_(field.type.value_type) if pa.types.is_list(field.type) else field.type
        for field in schema
    }


def sample_index(url: str) -> int:
    return int(re.search(r"/pictures/(\d+)\.", url).group(1))


def test_data_files_have_the_columns_and_types_of_the_contract(output):
    for file in output.data_files:
        types = types_of(pq.read_schema(file))
        assert list(types.items())[: len(COLUMNS)] == list(COLUMNS.items())


def test_failure_files_have_the_columns_and_types_of_the_contract(output):
    for file in output.failure_files:
        assert types_of(pq.read_schema(file)) == FAILURE_COLUMNS


def test_every_input_row_is_a_pair_or_a_failure(output, pairs):
    assert len(pairs) >= 200
    sequences = {row["key"] for row in output.rows}
    failed = {row["key"] for row in output.failures}
    assert not sequences & failed
    assert sequences | failed == {str(pair["hash"]) for pair in pairs}


def test_stats_count_what_the_files_hold(output, pairs):
    assert sum(stats["rows_read"] for stats in output.stats) == len(pairs)
    assert len(output.stats) == len(output.data_files) == len(output.failure_files)
    for stats, data, failures in zip(output.stats, output.data_files, output.failure_files, strict=True):
        assert stats["rows_read"] == stats["filtered"] + stats["pairs"] + sum(stats["failures"].values())
        table = pq.read_table(data)
        assert stats["sequences"] == table.num_rows
        assert stats["pairs"] == len(set(table["key"].to_pylist()))
        reasons = collections.Counter(pq.read_table(failures)["reason"].to_pylist())
        assert stats["failures"] == reasons
        assert stats["data_file"]["size"] == data.stat().st_size
        assert stats["failures_file"]["size"] == failures.stat().st_size
        assert stats["image_codes"]["sum"] == sum(table["image_len"].to_pylist())
        assert stats["input_ids"]["sum"] == sum(table["num_tokens"].to_pylist())


def test_rows_stand_in_the_order_of_the_input(output, pairs):
    place = {str(pair["hash"]): number for number, pair in enumerate(pairs)}
    for rows in (output.rows, output.failures):
        places = [place[row["key"]] for row in rows]
        assert places == sorted(places)


def test_sequences_are_laid_out_as_their_order_says(output):
    vocabulary = output.vocabulary
    image_start_id = vocabulary["text_size"]
    first_code = image_start_id + 2
    for row in output.rows:
        image = [image_start_id, *(first_code + code for code in row["image_codes"]), image_start_id + 1]
        halves = [image, row["text_ids"]] if row["order"] == "image_text" else [row["text_ids"], image]
        assert row["input_ids"] == [*halves[0], *halves[1], vocabulary["eos"]], row["key"]
        start, length = row["image_start"], row["image_len"]
        assert row["input_ids"][start : start + length] == image[1:-1]
        assert row["num_tokens"] == len(row["input_ids"])
    assert {row["order"] for row in output.rows} == {"image_text", "text_image"}


def test_ids_lie_within_their_ranges(output):
    vocabulary = output.vocabulary
    total = vocabulary["text_size"] + 2 + vocabulary["codebook_size"]
    for row in output.rows:
        assert all(0 <= token < total for token in row["input_ids"])
        assert all(0 <= token < vocabulary["text_size"] for token in row["text_ids"])
        assert row["image_codes"] and all(code < vocabulary["codebook_size"] for code in row["image_codes"])


def test_the_mask_keeps_a_patch_for_every_code(output):
    model = output.metadata("img2tokens.provenance")["identity"]["model"]["config"]
    patches = (model["image_size"] // model["patch_size"]) ** 2
    for row in output.rows:
        bits = np.unpackbits(np.frombuffer(row["kept_patches"], np.uint8), bitorder="little")
        assert len(bits) == 8 * -(-patches // 8)
        assert not bits[patches:].any()
        assert bits.sum() == row["image_len"] == len(row["image_codes"])


def test_rows_carry_what_the_input_said(output, pairs):
    by_key = {str(pair["hash"]): pair for pair in pairs}
    kept = [name for name in pq.read_schema(output.data_files[0]).names if name not in COLUMNS]
    assert kept, "the quickstart keeps some input columns"
    for row in output.rows:
        pair = by_key[row["key"]]
        assert (row["url"], row["caption"]) == (pair["URL"], pair["TEXT"])
        assert (row["width"], row["height"]) == (pair["WIDTH"], pair["HEIGHT"])
        assert {name: row[name] for name in kept} == {name: pair[name] for name in kept}
        assert re.fullmatch("[0-9a-f]{64}", row["sha256"])


def test_text_ids_of_the_byte_tokenizer_spell_the_caption(output):
    for row in output.rows:
        assert bytes(token - 3 for token in row["text_ids"]).decode() == row["caption"]


def test_broken_samples_fail_for_their_reason_and_whole_ones_do_not(output, pairs):
    expected = {
        pair["URL"]: BROKEN_SAMPLES[sample_index(pair["URL"]) % 64]
        for pair in pairs
        if sample_index(pair["URL"]) % 64 in BROKEN_SAMPLES
    }
    found = {row["url"]: row["reason"] for row in output.failures}
    # A selector may keep no patch of a whole picture; nothing else may go wrong with one.
    assert {url: reason for url, reason in found.items() if reason != "no_visual_tokens"} == expected
    for row in output.failures:
        assert row["detail"]
        if row["reason"] == "http_status":
            assert row["http_status"] == 404


@pytest.fixture(scope="module")
def dataset(output, tmp_path_factory):
    files = [str(file) for file in output.data_files]
    cache = tmp_path_factory.mktemp("datasets")
    return datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(cache))


def test_datasets_loads_the_shards_with_their_types(output, dataset):
    assert types_of(dataset.features.arrow_schema) == types_of(pq.read_schema(output.data_files[0]))


def test_datasets_and_pyarrow_read_the_same_rows(output, dataset):
    assert dataset.to_list() == output.rows


def test_datasets_streams_the_shards(output):
    files = [str(file) for file in output.data_files]
    stream = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)
    assert [row["key"] for row in stream] == [row["key"] for row in output.rows]
