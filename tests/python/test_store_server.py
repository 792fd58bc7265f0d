"""Runs into a real S3 server, killed like the server itself; scripts/chaos.sh does many more rounds of this."""

import random
import signal
import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts/chaos"))

import rounds  # noqa: E402
from stores import LocalBucket  # noqa: E402

# With these the first attempt of a round kills the store.
SEEDS = [4, 5]


def test_runs_killed_like_the_store_under_them_end_with_the_bytes_of_an_undisturbed_one(program, tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "PROGRAM", str(program))
    store = LocalBucket(tmp_path / "s3")
    store.start()
    try:
        chaos = rounds.Chaos(store, rounds.pictures(tmp_path), processes=1)
        deaths = sum(chaos.round(f"round-{seed}", random.Random(f"{seed} 0"))["server"] for seed in SEEDS)
        assert deaths >= len(SEEDS)
    finally:
        store.stop(signal.SIGKILL)

