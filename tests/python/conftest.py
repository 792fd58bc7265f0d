"""One run of the quickstart, which every test here reads."""

import json
import os
import pathlib
import subprocess

import pyarrow.parquet as pq
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Nothing here may ask a hub for anything.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"


class Output:
    """The output folder of a finished run."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.data_files = sorted(folder.glob("data/part-*.parquet"))
        self.failure_files = sorted(folder.glob("failures/part-*.parquet"))
        self.stats = [json.loads(file.read_text()) for file in sorted(folder.glob("stats/part-*.json"))]
        self.rows = [row for file in self.data_files for row in pq.read_table(file).to_pylist()]
        self.failures = [row for file in self.failure_files for row in pq.read_table(file).to_pylist()]

    def metadata(self, key: str):
        """An entry of the first data file's schema metadata, which is JSON."""
        return json.loads(pq.read_schema(self.data_files[0]).metadata[key.encode()])

    @property
    def vocabulary(self) -> dict:
        return self.metadata("img2tokens.provenance")["vocabulary"]


@pytest.fixture(scope="session")
def program() -> pathlib.Path:
    program = ROOT / os.environ.get("IMG2TOKENS_BIN", "target/release/img2tokens")
    assert program.exists(), f"{program} is not built: run scripts/test.sh"
    return program


@pytest.fixture(scope="session")
def output(program, tmp_path_factory) -> Output:
    folder = tmp_path_factory.mktemp("quickstart") / "out"
    config = ROOT / "configs/quickstart.toml"
    run = subprocess.run(
        [program, "run", config, "--set", f"output.path={folder}"], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return Output(folder)


@pytest.fixture(scope="session")
def export(program, output, tmp_path_factory):
    """Exports the quickstart's output and returns the folder."""
    folders = tmp_path_factory.mktemp("exports")

    def exported(form: str) -> pathlib.Path:
        folder = folders / form
        if not folder.exists():
            command = [program, "export", form, output.folder, folder]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stdout + done.stderr
        return folder

    return exported


@pytest.fixture(scope="session")
def pairs(output) -> list[dict]:
    """The rows of the input, in their order."""
    return pq.read_table(output.folder / "samples" / "pairs.parquet").to_pylist()
