"""Runs a command and prints what it cost as one JSON object: seconds, CPU seconds, peak memory of all its processes.

Memory is what its processes hold together (PSS: a page that two share counts half for each), sampled ten times a second.

usage: measure.py LOG COMMAND..
"""

import json
import os
import pathlib
import resource
import subprocess
import sys
import time


def descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting += children.get(process, [])
    return found


def memory(processes: list[int]) -> int:
    total = 0
    for process in processes:
        try:
            lines = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def main() -> None:
    log, *command = sys.argv[1:]
    started, peak = time.monotonic(), 0
    with open(log, "wb") as out:
        running = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=os.environ)
        while running.returncode is None:
            peak = max(peak, memory(descendants(running.pid)))
            try:
                running.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
    seconds = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({
        "code": running.returncode,
        "seconds": seconds,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_memory_bytes": peak,
    }))


main()
