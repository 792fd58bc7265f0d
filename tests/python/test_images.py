"""The archives of kept pictures, read by tarfile and zstandard as WebDataset's users do."""

import hashlib
import json
import os
import subprocess
import tarfile

import pytest
import zstandard

from conftest import ROOT, Output


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Output:
    program = ROOT / os.environ.get("IMG2TOKENS_BIN", "target/release/img2tokens")
    folder = tmp_path_factory.mktemp("kept") / "out"
    settings = [f"output.path={folder}", "output.images=original"]
    sets = [argument for setting in settings for argument in ("--set", setting)]
    run = subprocess.run(
        [program, "run", ROOT / "configs/quickstart.toml", *sets], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return Output(folder)


def samples(folder) -> list[dict]:
    """Members grouped by their name's stem, as webdataset groups them, in their order."""
    found = []
    for archive in sorted(folder.glob("images/part-*.tar.zst")):
        with archive.open("rb") as file:
            stream = zstandard.ZstdDecompressor().stream_reader(file)
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for member in tar:
                    stem, extension = member.name.split(".", 1)
                    if not found or found[-1]["__key__"] != stem:
                        found.append({"__key__": stem})
                    assert extension not in found[-1]
                    found[-1][extension] = tar.extractfile(member).read()
    return found


def test_every_pair_with_a_sequence_has_its_sample(kept):
    rows = {row["key"]: row for row in kept.rows}
    read = samples(kept.folder)
    assert [json.loads(sample["json"])["key"] for sample in read] == list(rows)
    for sample in read:
        fields = json.loads(sample["json"])
        row = rows[fields["key"]]
        (extension,) = set(sample) - {"__key__", "txt", "json"}
        assert hashlib.sha256(sample[extension]).hexdigest() == row["sha256"] == fields["sha256"]
        assert sample["txt"].decode() == fields["caption"] == row["caption"]
        assert (fields["url"], fields["status"]) == (row["url"], "success")
        assert (fields["original_width"], fields["original_height"]) == (row["width"], row["height"])
        assert fields["similarity"] == pytest.approx(row["similarity"])


def test_the_stats_know_the_archive(kept):
    for number, stats in enumerate(kept.stats):
        archive = kept.folder / f"images/part-{number:05}.tar.zst"
        assert stats["images_file"]["size"] == archive.stat().st_size
    assert len(list(kept.folder.glob("images/*"))) == len(kept.stats)
