"""Rounds of runs that are killed at random moments until one is done; see scripts/chaos.sh."""

import collections
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

from stores import Azurite, Folder, LocalBucket

PROGRAM = os.environ.get("IMG2TOKENS_BIN", "target/release/img2tokens")
QUICKSTART = pathlib.Path(__file__).parents[2] / "configs/quickstart.toml"
PAIRS = 24
PAIRS_A_UNIT = 2
UNITS = PAIRS // PAIRS_A_UNIT
# Exit codes of a run that may be repeated: done, killed, "worth trying again".
DONE, KILLED, RETRY = 0, -signal.SIGKILL, 75


class Chaos:
    """One kind of place, and what an undisturbed run leaves there."""

    def __init__(self, place, config: pathlib.Path, processes: int):
        self.place, self.config, self.processes = place, config, processes
        began = time.monotonic()
        self.finish("undisturbed")
        self.window = time.monotonic() - began
        self.expected = self.tables("undisturbed")
        assert len([name for name in self.expected if name.startswith("data/")]) == UNITS, self.expected

    def start(self, *arguments: str) -> subprocess.Popen:
        environment = os.environ | self.place.environment
        return subprocess.Popen([PROGRAM, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def start_run(self, name: str) -> subprocess.Popen:
        return self.start("run", str(self.config), "--set", f'output.path="{self.place.output(name)}"')

    def end(self, process: subprocess.Popen, codes: set[int]) -> int:
        out, errors = process.communicate(timeout=600)
        assert process.returncode in codes, f"{process.args} ended with {process.returncode}: {errors}{out}"
        return process.returncode

    def finish(self, name: str) -> None:
        self.end(self.start_run(name), {DONE})

    def tables(self, name: str) -> dict[str, str]:
        """All files, and the digests of those that are the same in every run: the others tell the time."""
        files = self.place.files(name).items()
        return {file: digest if file.endswith((".parquet", ".tar.zst")) else "" for file, digest in files}

    def attempt(self, name: str, draw: random.Random) -> tuple[list[int], int]:
        """Starts the processes and kills each at a moment of its own, as far as it lives then; and the store, or not."""
        began = time.monotonic()
        runs = [self.start_run(name) for _ in range(self.processes)]
        moments = [(draw.uniform(0, self.window), run.kill) for run in runs]
        server_deaths = 0
        if self.place.server and draw.random() < 0.5:
            death = draw.uniform(0, self.window)
            moments += [(death, lambda: self.place.stop(self.place.death)), (death + draw.uniform(0, 0.5), self.place.start)]
            server_deaths = 1
        for moment, act in sorted(moments, key=lambda entry: entry[0]):
            time.sleep(max(0, began + moment - time.monotonic()))
            act()
        return [self.end(run, {DONE, KILLED, RETRY}) for run in runs], server_deaths

    def round(self, name: str, draw: random.Random) -> collections.Counter:
        """Attempts until one lives to its end. Then once more undisturbed, which finds at most leftovers to do."""
        counts = collections.Counter()
        while not counts[DONE]:
            codes, server_deaths = self.attempt(name, draw)
            # Runs become faster and slower with what else the machine does; a few kills to each end are wanted.
            self.window *= 0.7 if DONE in codes else 1.1
            counts.update(codes)
            counts["server"] += server_deaths
        self.finish(name)
        verify = self.start("verify", self.place.output(name))
        report, errors = verify.communicate()
        assert verify.returncode == 0 and f"{UNITS} of {UNITS} units" in report and "; 0 found wrong" in report, report + errors
        found = self.tables(name)
        assert found == self.expected, sorted(set(found.items()) ^ set(self.expected.items()))
        self.place.forget(name)
        return counts


def pictures(folder: pathlib.Path) -> pathlib.Path:
    """Archives of the sample set's pictures, which are an input again, and the config of a run over them."""
    options = [f"output.path={folder}/samples", f"input.unit_rows={PAIRS_A_UNIT}", "output.images=original"]
    sets = [argument for option in options for argument in ("--set", option)]
    subprocess.run([PROGRAM, "run", QUICKSTART, "--limit", str(PAIRS), *sets], check=True, capture_output=True)
    config = folder / "chaos.toml"
    config.write_text(f'[input]\npaths = ["{folder}/samples/images/*.tar.zst"]\n[output]\nimages = "original"\n')
    return config


def main(rounds: int, where: str) -> None:
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    kinds = {"s3": LocalBucket, "azure": Azurite}
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        place = kinds.get(where, Folder)(pathlib.Path(folder) / where)
        try:
            if place.server:
                place.start()
            chaos = Chaos(place, pictures(pathlib.Path(folder)), 2 if where == "two" else 1)
            print(f"{rounds} rounds of {where}, CHAOS_SEED={seed}, an undisturbed run takes {chaos.window:.2f} s", flush=True)
            total = collections.Counter()
            for number in range(rounds):
                counts = chaos.round(f"round-{number}", random.Random(f"{seed} {number}"))
                total += counts
                print(f"round {number}: {told(counts)}: equal", flush=True)
        finally:
            if place.server:
                place.stop(signal.SIGKILL)
    print(f"{rounds} rounds of {where}, CHAOS_SEED={seed}: {told(total)}; every result equals the undisturbed one")


def told(counts: collections.Counter) -> str:
    return f"runs killed {counts[KILLED]}, store killed {counts['server']}, given up for now {counts[RETRY]}, ended {counts[DONE]}"


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
