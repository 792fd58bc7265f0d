#!/usr/bin/env python3
"""Plans and lists a million units, and prints time and peak memory of the program.

    scripts/bench_plan.py [--program target/release/img2tokens] [--units 1000000]

Needs pyarrow. Inputs are made in a temporary folder: one Parquet file, 10,000 Parquet files and one CSV file, each of as
many units of one row. Then `plan` is measured making the plan, reading the plan that stands, and listing it with all
commit markers there.
"""

import argparse
import os
import pathlib
import subprocess
import tempfile
import time

import pyarrow
import pyarrow.parquet

KINDS = ["one Parquet file", "10,000 Parquet files", "one CSV file"]


def write_table(path: pathlib.Path, first: int, rows: int) -> None:
    """Rows of short URLs and captions."""
    numbers = range(first, first + rows)
    urls = pyarrow.array(f"http://localhost/{number}.jpg" for number in numbers)
    texts = pyarrow.array(["a picture"] * rows)
    table = pyarrow.table({"URL": urls, "TEXT": texts})
    pyarrow.parquet.write_table(table, path)


def write_inputs(folder: pathlib.Path, kind: str, units: int) -> str:
    """Makes an input of as many rows as units, and returns the pattern that means it."""
    folder.mkdir()
    if kind == "one Parquet file":
        write_table(folder / "pairs.parquet", 0, units)
        return str(folder / "pairs.parquet")
    if kind == "10,000 Parquet files":
        rows = max(units // 10_000, 1)
        for number in range(10_000):
            write_table(folder / f"part-{number:05}.parquet", number * rows, rows)
        return str(folder / "*.parquet")
    with (folder / "pairs.csv").open("w") as file:
        file.write("URL,TEXT\n")
        file.writelines(f"http://localhost/{number}.jpg,a picture\n" for number in range(units))
    return str(folder / "pairs.csv")


def measure(command: list[str]) -> tuple[float, float, float]:
    """Seconds, seconds of CPU time and MiB of peak memory of a command that must succeed."""
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def write_markers(output: pathlib.Path, units: int) -> None:
    """As many commit markers as units: empty, since listing looks at names only."""
    stats = output / "stats"
    stats.mkdir()
    for number in range(units):
        (stats / f"part-{number:05}.json").touch()


def bench(program: str, folder: pathlib.Path, kind: str, units: int) -> None:
    """Prints the lines of one kind of input."""
    paths = write_inputs(folder / "in", kind, units)
    output = folder / "out"
    config = folder / "run.toml"
    config.write_text(f'[input]\npaths = ["{paths}"]\nunit_rows = 1\n[output]\npath = "{output}"\n')
    for step in ["made", "read again", "read, all units listed as done"]:
        if step.endswith("done"):
            write_markers(output, units)
        seconds, cpu, memory = measure([program, "plan", str(config)])
        size = (output / "plan.json").stat().st_size / 2**20
        print(f"| {kind} | {step} | {seconds:.2f} | {cpu:.2f} | {memory:.0f} | {size:.1f} |", flush=True)


def main() -> None:
    """Runs all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="target/release/img2tokens")
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--kind", action="append", choices=KINDS, help="of the inputs, this one only")
    arguments = parser.parse_args()
    print("| input | plan | s | CPU-s | peak memory, MiB | plan.json, MiB |\n|---|---|---|---|---|---|")
    for kind in arguments.kind or KINDS:
        with tempfile.TemporaryDirectory() as folder:
            bench(arguments.program, pathlib.Path(folder), kind, arguments.units)


if __name__ == "__main__":
    main()
