#!/usr/bin/env python3
"""Compares img2tokens with PyTorch: same weights, same pictures, same machine, same run, in float32 and bfloat16.

    cargo build --release
    scripts/bench_vs_pytorch.py --model ~/.cache/img2tokens/random-full

PyTorch's side (vs_pytorch/lavit.py) is the tokenizer of docs/spec/tokenizer.md, eager, with the full merger; it first
reproduces every mask bit and code of tests/data/golden in float32. Then rounds: PyTorch's GEMM at the model's shapes,
PyTorch's model, our program with either merger, one process after another, so that the noise of a shared machine hits
all; the fastest round counts. Both sides read the same PNGs, resized by Pillow. Every measurement is a line in the
results file, from which the tables are made, so a run that was cut off goes on with --resume. A model directory that is
not there is made by make_random_model.py, of the full size, to keep a third of the pictures' patches.

Needs Python 3.11 or later with venv, cc, binutils and PyPI. PyTorch goes into a virtual environment of its own, 2 GB,
made in a minute: the wheel from PyPI without NVIDIA's libraries (vs_pytorch/environment.py says how). A wheel that lies
at hand saves the download: PIP_FIND_LINKS=DIR. Two rounds of the full-size model take some ten minutes on two quiet
cores; never are both models in memory.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from vs_pytorch.environment import TORCH, python_of
from vs_pytorch.table import MERGERS, OURS, PYTORCH, agreement, bits_of, chosen, speeds

SCRIPTS = Path(__file__).resolve().parent
PARTS = ("gemm", "torch", "ours")
PHOTOGRAPHS = ("astronaut.jpg", "chelsea.png", "coffee_crop.png", "rocket.jpg")


class Results:
    """The measurements of a run: a file of JSON lines, the first of which says what is measured."""

    def __init__(self, path: Path, about: dict, resume: bool):
        self.path, self.measured = path, []
        if resume and path.exists():
            first, *rest = (json.loads(line) for line in path.read_text().splitlines())
            if first != about:
                raise SystemExit(f"{path} is of another comparison, {first}: leave out --resume")
            self.measured = rest
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(about) + "\n")

    def add(self, **measurement) -> None:
        measurement["load"] = os.getloadavg()[0]
        with open(self.path, "a") as file:
            file.write(json.dumps(measurement) + "\n")
        self.measured.append(measurement)
        shown = {key: value for key, value in measurement.items() if key not in ("kept", "codes")}
        print(json.dumps(shown), file=sys.stderr, flush=True)


def lines_of(command: list) -> tuple[list, int]:
    """The JSON lines that the command prints, and its peak memory in bytes."""
    threads = command[command.index("--threads") + 1]
    environment = os.environ | {"OMP_NUM_THREADS": threads, "PYTHONPATH": str(SCRIPTS)}
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True, env=environment)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"exit {process.returncode}: {' '.join(map(str, command))}")
    return [json.loads(line) for line in printed.splitlines()], usage.ru_maxrss * 1024


class Comparison:
    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.model = ["--model", options.model, "--threads", str(options.threads)]
        self.worker = [python_of(options.environment), "-m", "vs_pytorch.worker"]
        if not (options.model / "config.json").exists():
            make = [self.worker[0], SCRIPTS / "make_random_model.py", options.model, "--pictures", *options.images]
            subprocess.run(make, check=True)
        resized = options.results.with_suffix(".pictures")
        resized.mkdir(parents=True, exist_ok=True)
        (drawn,), _ = lines_of([*self.worker, "pictures", *self.model, "--out", resized, "--images", *options.images])
        self.pictures = drawn["pictures"]
        about = {
            "model": str(options.model.resolve()),
            "images": [str(path.resolve()) for path in options.images],
            "threads": options.threads,
            "torch": TORCH,
        }
        self.results = Results(options.results, about, options.resume)

    def prove_pytorch(self) -> None:
        if chosen(self.results.measured, kind="golden"):
            return
        threads = ["--threads", str(self.options.threads)]
        (proof,), _ = lines_of([*self.worker, "golden", "--golden", self.options.golden, *threads])
        self.results.add(kind="golden", proof=proof)

    def gemm(self, dtype: str) -> None:
        sizes = [str(size) for size in self.options.batch_sizes]
        (found,), _ = lines_of([*self.worker, "gemm", *self.model, "--dtype", dtype, "--batch-sizes", *sizes])
        self.results.add(kind="gemm", side=PYTORCH, dtype=dtype, **found)

    def torch(self, dtype: str) -> None:
        """All batch sizes in the first round, the fastest of them in later ones."""
        earlier = chosen(self.results.measured, kind="speed", side=PYTORCH, dtype=dtype)
        sizes = self.options.batch_sizes
        if earlier:
            sizes = [max(earlier, key=lambda one: one["images_per_s"])["batch_size"]]
        sizes = [str(size) for size in sizes]
        task = ["model", *self.model, "--dtype", dtype, "--batch-sizes", *sizes, "--images", *self.pictures]
        (found,), memory = lines_of([*self.worker, *task])
        about = {"side": PYTORCH, "dtype": dtype, "merger": "full"}
        tokens = sum(map(len, found["codes"])) / len(self.pictures)
        for size, seconds in found["seconds"].items():
            self.results.add(
                kind="speed",
                **about,
                batch_size=int(size),
                images_per_s=len(self.pictures) / seconds,
                tokens_per_image=tokens,
                peak_flops_per_s=None,
                peak_bytes=memory,
            )
        self.results.add(kind="codes", **about, kept=found["kept"], codes=found["codes"])

    def ours(self, dtype: str) -> None:
        for merger in MERGERS:
            size = ["--batch-size", str(len(self.pictures))]
            program = [*self.model, "--dtype", dtype, "--merger", merger, *size]
            bench = [self.options.program, "bench", "vision", *program, "--batches", str(self.options.batches)]
            (found,), memory = lines_of([*bench, *self.pictures])
            about = {"side": OURS, "dtype": dtype, "merger": merger}
            taken = ("batch_size", "images_per_s", "tokens_per_image", "flops_per_s", "peak_flops_per_s")
            self.results.add(kind="speed", **about, **{key: found[key] for key in taken}, peak_bytes=memory)
            if chosen(self.results.measured, kind="codes", **about):
                continue
            tokens, _ = lines_of([self.options.program, "tokenize", *program, *self.pictures])
            kept = [bits_of(one["kept"]) for one in tokens]
            self.results.add(kind="codes", **about, kept=kept, codes=[one["codes"] for one in tokens])

    def tables(self) -> str:
        measured = self.results.measured
        return "\n\n".join((speeds(measured, parameters(self.options.model)), agreement(measured)))


def parameters(model: Path) -> int:
    with open(model / "model.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__", None)
    sizes = {"F32": 4, "BF16": 2, "F16": 2}
    spans = ((entry["data_offsets"], sizes[entry["dtype"]]) for entry in header.values())
    return sum((end - start) // size for (start, end), size in spans)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    golden, target = SCRIPTS.parent / "tests" / "data" / "golden", SCRIPTS.parent / "target"
    photographs = [golden / "images" / name for name in PHOTOGRAPHS]
    cache = Path.home() / ".cache" / "img2tokens" / "bench-venv"
    parser.add_argument("--model", type=Path, required=True, help="a directory with config.json and model.safetensors")
    parser.add_argument("--program", type=Path, default=target / "release" / "img2tokens")
    parser.add_argument("--environment", type=Path, default=cache, help="PyTorch's, made if need be")
    parser.add_argument("--golden", type=Path, default=golden)
    parser.add_argument("--images", type=Path, nargs="+", default=photographs, help="by default four photographs")
    parser.add_argument("--dtypes", choices=("f32", "bf16"), nargs="+", default=["f32", "bf16"])
    parser.add_argument("--only", choices=PARTS, action="append", help="a part alone; may be repeated")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 2, 4], help="of PyTorch; the fastest counts")
    parser.add_argument("--batches", type=int, default=1, help="batches of all images that `bench vision` measures")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, default=target / "bench_vs_pytorch.jsonl")
    parser.add_argument("--resume", action="store_true", help="add to the results file instead of replacing it")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    begun = time.monotonic()
    comparison = Comparison(options)
    parts = [part for part in PARTS if part in (options.only or PARTS)]
    if "torch" in parts:
        comparison.prove_pytorch()
    for _ in range(options.rounds):
        for dtype in options.dtypes:
            for part in parts:
                getattr(comparison, part)(dtype)
    print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
    print(comparison.tables())


if __name__ == "__main__":
    main()
