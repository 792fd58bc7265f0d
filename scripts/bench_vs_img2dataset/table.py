"""Prints the rounds of a benchmark as a table: images a second, success, CPU and memory of both, and their ratio.

usage: table.py FOLDER ROUNDS
"""

import json
import pathlib
import statistics
import sys


def ours(folder: pathlib.Path, number: int) -> dict:
    told = json.loads((folder / f"ours-{number}.log").read_text().splitlines()[-1])
    cost = json.loads((folder / f"ours-{number}.json").read_text())
    return {"images": told["images"], "seconds": told["seconds"], "whole_s": cost["seconds"], **costs(cost)}


def theirs(folder: pathlib.Path, number: int) -> dict:
    """Its own clock, from the first shard's start to the last one's end: its start-up, some seconds, is left out."""
    stats = [json.loads(file.read_text()) for file in (folder / f"img2dataset-{number}").glob("*_stats.json")]
    cost = json.loads((folder / f"img2dataset-{number}.json").read_text())
    return {
        "images": sum(shard["successes"] for shard in stats),
        "seconds": max(shard["end_time"] for shard in stats) - min(shard["start_time"] for shard in stats),
        "whole_s": cost["seconds"],
        **costs(cost),
    }


def costs(cost: dict) -> dict:
    return {"cpu_s": cost["cpu_s"], "memory": cost["peak_memory_bytes"]}


def main() -> None:
    folder, rounds = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    print("| round | | images | s | images/s | whole command, s | CPU-ms an image | peak memory, MB |")
    print("|---|---|---|---|---|---|---|---|")
    rates: dict[str, list[float]] = {}
    for number in range(1, rounds + 1):
        for name, read in [("img2dataset", theirs), ("img2tokens", ours)]:
            run = read(folder, number)
            rate = run["images"] / run["seconds"]
            rates.setdefault(name, []).append(rate)
            print(
                f"| {number} | {name} | {run['images']} | {run['seconds']:.1f} | {rate:.0f} | {run['whole_s']:.1f} "
                f"| {1000 * run['cpu_s'] / run['images']:.2f} | {run['memory'] / 1e6:.0f} |"
            )
    ratios = [mine / other for mine, other in zip(rates["img2tokens"], rates["img2dataset"])]
    print(f"\nratio of images/s: median {statistics.median(ratios):.2f}, least {min(ratios):.2f}")


main()
