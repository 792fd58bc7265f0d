"""Prints the rounds of a benchmark as two tables: images a second, success, CPU and memory beside img2dataset; and the
CPU time of a JPEG beside bare libraries.

usage: table.py FOLDER ROUNDS
"""

import json
import pathlib
import statistics
import sys


def ours(folder: pathlib.Path, number: int, name: str = "ours") -> dict:
    told = json.loads((folder / f"{name}-{number}.log").read_text().splitlines()[-1])
    cost = json.loads((folder / f"{name}-{number}.json").read_text())
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


def unwritten(folder: pathlib.Path, number: int) -> dict:
    return ours(folder, number, "unwritten")


def beside_img2dataset(folder: pathlib.Path, rounds: int) -> None:
    print("| round | | images | images/s | whole command, s | images/s of it | CPU-ms an image | peak memory, MB |")
    print("|---|---|---|---|---|---|---|---|")
    rates: dict[str, list[tuple[float, float]]] = {}
    readers = {"img2dataset": theirs, "img2tokens --write": ours, "img2tokens --prepare": unwritten}
    for number in range(1, rounds + 1):
        for name, read in readers.items():
            run = read(folder, number)
            own, whole = run["images"] / run["seconds"], run["images"] / run["whole_s"]
            rates.setdefault(name, []).append((own, whole))
            print(
                f"| {number} | {name} | {run['images']} | {own:.0f} | {run['whole_s']:.1f} | {whole:.0f} "
                f"| {1000 * run['cpu_s'] / run['images']:.2f} | {run['memory'] / 1e6:.0f} |"
            )
    print()
    for name in list(readers)[1:]:
        for clock, what in enumerate(["its own clock", "the whole command"]):
            ratios = [mine[clock] / other[clock] for mine, other in zip(rates[name], rates["img2dataset"])]
            print(f"{name}, by {what}: {statistics.median(ratios):.2f} times img2dataset (least {min(ratios):.2f})")


def beside_bare_libraries(folder: pathlib.Path, rounds: int) -> None:
    print("\n| round | JPEGs | fetch + decode + resize, CPU-ms | bare decode, ms | bare resize, ms | ratio |")
    print("|---|---|---|---|---|---|")
    for number in range(1, rounds + 1):
        told = json.loads((folder / f"jpegs-{number}.log").read_text().splitlines()[-1])
        bare = [json.loads(file.read_text()) for file in folder.glob(f"bare-{number}-*.json")]
        decode, resize = (statistics.mean(run[part] for run in bare) for part in ("decode_ms", "resize_ms"))
        mine = 1000 * told["cpu_s"] / told["images"]
        print(f"| {number} | {told['images']} | {mine:.2f} | {decode:.2f} | {resize:.2f} | {mine / (decode + resize):.2f} |")


def main() -> None:
    folder, rounds = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    beside_img2dataset(folder, rounds)
    beside_bare_libraries(folder, rounds)


main()
