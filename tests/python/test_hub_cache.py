"""What `img2tokens model fetch` leaves is what Python's client of the hub finds."""

import os
import subprocess

import hub
import huggingface_hub
import pytest

REPOSITORY = "rain1011/LaVIT-7B-v2"
FILES = {
    "visual_tokenizer/eva_vitg_psz14.bin": bytes(range(256)) * 300,
    "visual_tokenizer/tokenizer_encoder.bin": b"tokenizer",
    "README.md": b"not needed",
}
NEEDED = sorted(FILES)[1:]


@pytest.fixture(scope="module")
def cache(program, tmp_path_factory):
    """A cache that the program made."""
    server = hub.serve(REPOSITORY, FILES)
    home = tmp_path_factory.mktemp("home")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_HOME": str(home), "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    run = subprocess.run(
        [program, "model", "fetch", REPOSITORY], capture_output=True, text=True, timeout=60, env=environment
    )
    server.shutdown()
    assert run.returncode == 0, run.stderr
    return home / "hub", run.stdout.strip()


def test_the_snapshot_is_found_without_a_network(cache):
    folder, printed = cache
    found = huggingface_hub.snapshot_download(REPOSITORY, cache_dir=folder, local_files_only=True)
    assert os.path.samefile(found, printed)


def test_each_file_is_found_by_branch_and_by_commit(cache):
    folder, _ = cache
    for revision in ["main", hub.COMMIT]:
        for name in NEEDED:
            path = huggingface_hub.try_to_load_from_cache(REPOSITORY, name, cache_dir=folder, revision=revision)
            with open(path, "rb") as file:
                assert file.read() == FILES[name]


def test_the_cache_scans_without_warnings(cache):
    folder, _ = cache
    scan = huggingface_hub.scan_cache_dir(folder)
    assert scan.warnings == []
    (repository,) = scan.repos
    (revision,) = repository.revisions
    assert (repository.repo_id, revision.commit_hash, revision.refs) == (REPOSITORY, hub.COMMIT, frozenset({"main"}))
    assert sorted(file.file_name for file in revision.files) == sorted(os.path.basename(name) for name in NEEDED)
