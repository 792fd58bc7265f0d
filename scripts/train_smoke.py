#!/usr/bin/env python3
"""Trains a small GPT on what img2tokens writes, read by every reader that training stacks have for it.

    cargo build --release --bin img2tokens
    scripts/train_smoke.py [OUT]

OUT is the output of a run; without it the quickstart runs into a folder that goes away. A GPT of a few million parameters
learns to predict the next id, text and visual alike, on the CPU: from Parquet through pyarrow and datasets, from exports
through a memmap of .bin/.idx, megatron-core, mosaicml-streaming, datatrove and OLMo-core. A line for each says how the loss on held-out windows fell; if one did not fall, the exit code is 1.

Needs Python 3.11 or later with venv, cc, binutils and PyPI: torch and the readers go into an environment of their own,
2 GB, made once (trainers/environment.py).
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from trainers.environment import ENVIRONMENT, trainers_python

SCRIPTS = Path(__file__).resolve().parent
ROOT = SCRIPTS.parent


def run(*command) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"exit {done.returncode}: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def smoke(options: argparse.Namespace, folder: Path) -> int:
    """Makes what is missing in the folder, then trains; returns the exit code."""
    output = options.output
    if output is None:
        output = folder / "quickstart"
        run(options.program, "run", ROOT / "configs/quickstart.toml", "--set", f"output.path={output}")
    for form in ("megatron", "mds", "datatrove", "olmo"):
        run(options.program, "export", form, output, folder / form)
    train = [trainers_python(options.environment), SCRIPTS / "trainers" / "train.py"]
    train += ["--steps", str(options.steps), "--output", output, "--exports", folder]
    return subprocess.run(train).returncode


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("output", metavar="OUT", type=Path, nargs="?", help="the output of a run; else the quickstart's")
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/img2tokens")
    parser.add_argument("--environment", type=Path, default=ENVIRONMENT)
    parser.add_argument("--steps", type=int, default=40, help="of 4 windows of 128 ids")
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(smoke(parser.parse_args(), Path(temporary)))
