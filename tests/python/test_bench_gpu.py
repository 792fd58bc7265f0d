"""scripts/bench_gpu.sh: its tables' arithmetic, its pictures, a run without torch; PyTorch's side against golden data."""

import importlib.util
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

SCRIPTS = ROOT / "scripts"
GOLDEN = ROOT / "tests/data/golden"
sys.path.insert(0, str(SCRIPTS))

from bench_gpu import pictures, table  # noqa: E402

TERA = 1e12


def ours(merger: str, batch: int, images_per_s: float, flops_per_image: float, **more) -> dict:
    return {
        "kind": "speed",
        "side": "ours",
        "dtype": "bf16",
        "merger": merger,
        "batch_size": batch,
        "images_per_s": images_per_s,
        "flops_per_s": images_per_s * flops_per_image,
        **more,
    }


def pytorch(form: str, merger: str, images_per_s: float) -> dict:
    about = {"kind": "speed", "side": "pytorch", "form": form, "dtype": "bf16", "merger": merger, "batch_size": 64}
    return about | {"images_per_s": images_per_s, "tokens_per_image": 85.0, "matmul_peak_flops_per_s": 800 * TERA}


def codes(side: str, dtype: str, kept: list, ids: list) -> dict:
    return {"kind": "codes", "side": side, "dtype": dtype, "merger": "full", "kept": [kept], "codes": [ids]}


MEASURED = [
    {"kind": "about", "device": "cuda:0", "torch": "2.11.0"},
    ours("full", 64, 500.0, 0.8 * TERA, matmul_peak_flops_per_s=800 * TERA),
    ours("packed", 64, 700.0, 0.6 * TERA, peak_flops_per_s=None),
    ours("packed", 128, 900.0, 0.6 * TERA, matmul_peak_flops_per_s=720 * TERA, tokens_per_image=85.25),
    pytorch("eager", "full", 300.0),
    pytorch("compiled", "packed", 800.0),
    pytorch("tuned", "packed", 750.0),
]


def rows_of(markdown: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()[2:]]


def test_the_best_batch_of_each_counts_with_the_operations_of_its_merger():
    found = {(row[0], row[2]): row[3:] for row in rows_of(table.speeds(MEASURED))}
    # batch, tokens, images/s, useful TFLOP/s, peak, of peak, x eager, x best effort
    assert found == {
        ("PyTorch, eager, as published", "full"): ["64", "85.0", "300.0", "240", "800", "30.0%", "1.00", "0.38"],
        ("PyTorch, compiled", "packed"): ["64", "85.0", "800.0", "480", "800", "60.0%", "2.67", "1.00"],
        ("PyTorch, compiled, tuned", "packed"): ["64", "85.0", "750.0", "450", "800", "56.2%", "2.50", "0.94"],
        ("img2tokens", "full"): ["64", "-", "500.0", "400", "800", "50.0%", "1.67", "0.62"],
        ("img2tokens", "packed"): ["128", "85.2", "900.0", "540", "720", "75.0%", "3.00", "1.12"],
    }


def test_without_counted_operations_the_rest_is_shown():
    uncounted = [{key: value for key, value in one.items() if key != "flops_per_s"} for one in MEASURED]
    assert {(row[6], row[8]) for row in rows_of(table.speeds(uncounted))} == {("-", "-")}
    assert [row[1] for row in rows_of(table.goals(uncounted))] == ["-", "3.00", "1.12"]


def test_goals_are_reached_missed_or_not_measured():
    verdicts = [row[1:] for row in rows_of(table.goals(MEASURED))]
    assert verdicts == [["75.0%", "reached"], ["3.00", "reached"], ["1.12", "missed"]]
    alone = [one for one in MEASURED if one.get("side") != "pytorch"]
    assert [row[1:] for row in rows_of(table.goals(alone))][1:] == [["-", "not measured"]] * 2
    cpu = [MEASURED[0] | {"device": "cpu"}, *MEASURED[1:]]
    assert {row[2] for row in rows_of(table.goals(cpu))} == {"not measured"}


def test_parts_are_shares_of_their_sum_and_left_out_where_the_device_does_not_tell():
    parts = {"copy_s": 0.5, "encoder_s": 7.0, "merger_s": 2.0, "quantiser_s": 0.5}
    told = [*MEASURED, ours("packed", 256, 950.0, 0.6 * TERA, parts=parts)]
    assert rows_of(table.parts(told)) == [["bf16, packed", "256", "5.0%", "70.0%", "-", "20.0%", "5.0%"]]
    assert table.parts(MEASURED) == ""


def test_codes_are_compared_where_both_keep_the_patch():
    reference = codes("pytorch", "f32", [1, 1, 0, 1], [10, 11, 13])
    other = codes("ours", "bf16", [1, 0, 1, 1], [10, 12, 14])
    (row,) = rows_of(table.agreement([reference, other]))
    assert row == ["img2tokens", "bf16", "full", "PyTorch f32", "2 of 4 (50.00%)", "1 of 2 (50.00%)"]


def test_a_picture_is_the_same_as_png_and_as_array(tmp_path):
    (path,) = pictures.write(tmp_path, 1, 28)
    (picture,) = np.load(tmp_path / "pictures.npy")
    assert picture.shape == (28, 28, 3) and picture.std() > 20
    data = path.read_bytes()
    start = data.index(b"IDAT") + 4
    rows = np.frombuffer(zlib.decompress(data[start : data.index(b"IEND") - 8]), np.uint8).reshape(28, 1 + 28 * 3)
    assert not rows[:, 0].any() and np.array_equal(rows[:, 1:].reshape(picture.shape), picture)


def run_alone(tmp_path: Path, **settings: object) -> subprocess.CompletedProcess:
    """bench_gpu.sh with this Python, which must have no torch, and the least to do."""
    if importlib.util.find_spec("torch"):
        pytest.skip("this Python has torch")
    least = {"BATCH_SIZES": "2", "BATCHES": "1", "PICTURES": "2", "DTYPES": "bf16", "ID_DTYPES": "f32", "SIZE": "small"}
    where = {"PYTHON": sys.executable, "OUT": tmp_path, "DEVICE": "cpu", "MODEL": GOLDEN / "small_a", "TMPDIR": tmp_path}
    environment = os.environ | {name: str(value) for name, value in (least | where | settings).items()}
    return subprocess.run([SCRIPTS / "bench_gpu.sh"], env=environment, capture_output=True, text=True, timeout=120)


def test_without_torch_ours_is_measured_alone(program, tmp_path):
    done = run_alone(tmp_path, BINARY=program)
    assert done.returncode == 0, done.stderr
    assert "The comparison was left out" in done.stdout and "Failed" not in done.stdout
    assert (tmp_path / "table.md").read_text() == done.stdout
    measured = [json.loads(line) for line in (tmp_path / "measured.jsonl").read_text().splitlines()]
    assert [one["kind"] for one in measured] == ["about", "speed", "speed", "codes", "codes"]
    assert all(one["images_per_s"] > 0 for one in measured[1:3])
    assert all(sum(mask) == len(ids) for one in measured[3:] for mask, ids in zip(one["kept"], one["codes"]))


def test_what_fails_and_what_there_is_no_time_for_is_told_and_fails_the_run(tmp_path):
    broken = tmp_path / "img2tokens"
    broken.write_text("#!/bin/sh\necho 'error: no device' >&2; exit 2\n")
    broken.chmod(0o755)
    for settings, told in (({}, "exit 2: error: no device"), ({"LIMIT_S": 0}, "no time left")):
        done = run_alone(tmp_path, BINARY=broken, **settings)
        assert done.returncode == 1 and told in done.stdout, done.stdout + done.stderr


def python_with_torch() -> str | None:
    """This one, or one of the environments that the scripts make."""
    if importlib.util.find_spec("torch"):
        return sys.executable
    made = [Path.home() / ".cache/img2tokens" / name / "bin/python" for name in ("trainers-venv", "bench-venv")]
    return next((str(python) for python in made if python.exists()), None)


def test_pytorchs_tokenizer_gives_every_golden_mask_and_code_in_each_form():
    python = python_with_torch()
    if python is None:
        pytest.skip("torch is not installed: scripts/bench_vs_pytorch.py or IMG2TOKENS_TRAINERS=1 installs it")
    command = [python, "-m", "vs_pytorch.worker", "golden", "--golden", GOLDEN, "--threads", "1"]
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    proof = json.loads(done.stdout)
    assert proof["mask_bits"] > 0 and proof["codes"] > 0
