"""The run of scripts/bench_gpu.sh, which says what it does and which settings it takes."""

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_gpu.table import BEST_EFFORT, tables
from vs_pytorch.table import MERGERS, OURS, PYTORCH, bits_of, fastest

SCRIPTS = Path(__file__).resolve().parents[1]
DEFAULTS = {
    "full": {"BATCH_SIZES": "64 128 256", "BATCHES": "8", "PICTURES": "64"},
    "small": {"BATCH_SIZES": "4 8", "BATCHES": "2", "PICTURES": "12"},
}
# Time for the tables.
RESERVE_S = 5


class Settings:
    def __init__(self, environment: dict):
        self.size = environment.get("SIZE", "full")
        if self.size not in DEFAULTS:
            raise SystemExit(f"SIZE={self.size}: full or small")
        settings = DEFAULTS[self.size] | environment
        work = Path(tempfile.gettempdir()) / f"img2tokens-bench-gpu-{self.size}"
        self.binary = Path(settings["BINARY"])
        self.device = settings.get("DEVICE", "cuda:0")
        self.out = Path(settings.get("OUT", "bench-gpu-out"))
        self.pictures = work / "pictures"
        self.model = Path(settings.get("MODEL", work / "model"))
        self.batch_sizes = settings["BATCH_SIZES"].split()
        self.batches = settings["BATCHES"]
        self.picture_count = int(settings["PICTURES"])
        self.dtypes = settings.get("DTYPES", "bf16 f16").split()
        self.id_dtypes = settings.get("ID_DTYPES", "f32 bf16 f16").split()
        self.program_arguments = shlex.split(settings.get("PROGRAM_ARGS", ""))
        self.deadline = time.monotonic() + float(settings.get("LIMIT_S", 530))


class Run:
    """Everything that was measured, in OUT/measured.jsonl as it comes, and what failed."""

    def __init__(self, settings: Settings):
        self.settings, self.measured, self.failures = settings, [], []
        settings.out.mkdir(parents=True, exist_ok=True)
        self.results = open(settings.out / "measured.jsonl", "w")
        self.log = open(settings.out / "log.txt", "w")

    def add(self, measurement: dict) -> None:
        self.measured.append(measurement)
        print(json.dumps(measurement), file=self.results, flush=True)

    def lines_of(self, what: str, *command: object) -> list:
        """The JSON lines that the command prints, as far as it comes; none does not end the run."""
        left = self.settings.deadline - time.monotonic() - RESERVE_S
        if left <= 0:
            self.fail(what, "no time left: a larger LIMIT_S, fewer BATCH_SIZES or BATCHES")
            return []
        begun = time.monotonic()
        with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as told:
            # In a group of its own, so that torch's compiling processes end with it.
            words = [str(word) for word in command]
            process = subprocess.Popen(words, stdout=printed, stderr=told, text=True, start_new_session=True)
            try:
                why = f"exit {code}" if (code := process.wait(left)) else None
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                why = f"cut off after {left:.0f} s"
            printed.seek(0)
            told.seek(0)
            messages = told.read()
            lines = [json.loads(line) for line in printed if line.startswith("{") and line.endswith("\n")]
        self.log.write(f"$ {shlex.join(words)}\n{messages}\n")
        self.log.flush()
        if why:
            self.fail(what, f"{why}: {(messages.strip().splitlines() or ['no message'])[-1]}")
        print(f"{what}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        return lines

    def fail(self, what: str, why: str) -> None:
        self.failures.append(f"{what}: {why}")
        print(self.failures[-1], file=sys.stderr, flush=True)

    def program(self, command: list, dtype: str, merger: str, batch: str) -> list:
        settings = self.settings
        model = ["--model", settings.model, "--device", settings.device, "--dtype", dtype, "--merger", merger]
        return [settings.binary, *command, *model, "--batch-size", batch, *settings.program_arguments]

    def our_speed(self, dtype: str, batch_sizes: list) -> None:
        for merger in MERGERS:
            for batch in batch_sizes:
                command = self.program(["bench", "vision"], dtype, merger, batch)
                what = f"img2tokens, {dtype}, {merger} merger, batches of {batch}"
                for found in self.lines_of(what, *command, "--batches", self.settings.batches):
                    about = {"kind": "speed", "side": OURS, "dtype": dtype, "merger": merger, "batch_size": int(batch)}
                    self.add(about | found)

    def our_codes(self, dtype: str, pictures: list) -> None:
        for merger in MERGERS:
            command = self.program(["tokenize"], dtype, merger, str(min(32, len(pictures))))
            lines = self.lines_of(f"img2tokens, {dtype}, {merger} merger, ids", *command, *pictures)
            if len(lines) == len(pictures) and all("codes" in line for line in lines):
                kept, codes = [bits_of(line["kept"]) for line in lines], [line["codes"] for line in lines]
                about = {"kind": "codes", "side": OURS, "dtype": dtype, "merger": merger}
                self.add(about | {"kept": kept, "codes": codes})

    def pytorch(self, form: str, dtype: str, batch_sizes: list, ids: bool) -> None:
        settings = self.settings
        command = [sys.executable, "-m", "bench_gpu.pytorch", form, "--model", settings.model]
        command += ["--device", settings.device, "--dtype", dtype, "--batches", settings.batches]
        command += ["--batch-sizes", *batch_sizes] if batch_sizes else []
        command += ["--pictures", settings.pictures / "pictures.npy"] if ids else []
        for found in self.lines_of(f"PyTorch, {form}, {dtype}", *command):
            self.add(found)

    def inputs(self) -> list:
        """The model, made if need be, and the PNG files."""
        settings = self.settings
        if not (settings.model / "config.json").exists():
            make = [sys.executable, SCRIPTS / "make_random_model.py", settings.model, "--size", settings.size]
            self.lines_of("weights", *make)
        if self.failures:
            raise SystemExit(1)
        # Imports numpy: told apart from what needs none.
        from bench_gpu.pictures import write

        side = json.loads((settings.model / "config.json").read_text())["image_size"]
        return write(settings.pictures, settings.picture_count, side)


def first_line(*command: object) -> str | None:
    """What the command says of itself; nothing if it cannot be run."""
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    except OSError:
        return None
    return (done.stdout.splitlines() or [None])[0] if done.returncode == 0 else None


def machine(settings: Settings, torch: str | None) -> dict:
    gpu = None
    if settings.device != "cpu":
        index = settings.device.partition(":")[2] or "0"
        asked = "--query-gpu=name,driver_version,memory.total"
        gpu = first_line("nvidia-smi", "-i", index, asked, "--format=csv,noheader")
    return {
        "device": settings.device,
        "GPU, driver, memory": gpu or "-",
        "program": first_line(settings.binary, "--version"),
        "torch": torch or "none",
        "model": f"{settings.model} ({settings.size} size)",
        "batches measured": settings.batches,
    }


def best_batch(run: Run, **wanted: str) -> list:
    """The fastest batch size so far; all, if none was measured."""
    best = fastest(run.measured, **wanted)
    return [str(best["batch_size"])] if best else run.settings.batch_sizes


def main() -> None:
    settings = Settings(dict(os.environ))
    run = Run(settings)
    usable = "import torch; print(torch.__version__)"
    if settings.device != "cpu":
        usable += f"; torch.zeros(1, device='{settings.device}')"
    torch = first_line(sys.executable, "-c", usable)
    run.add({"kind": "about"} | machine(settings, torch))
    pictures = run.inputs()
    # What matters most comes first, as time may run out.
    first, *others = settings.dtypes
    run.our_speed(first, settings.batch_sizes)
    if torch:
        run.pytorch("eager", "bf16", settings.batch_sizes, ids=True)
        run.pytorch("eager", "f32", [], ids=True)
    for dtype in settings.id_dtypes:
        run.our_codes(dtype, pictures)
    for dtype in others:
        run.our_speed(dtype, best_batch(run, side=OURS, dtype=first))
    if torch:
        compiled, tuned = BEST_EFFORT
        run.pytorch(compiled, "bf16", settings.batch_sizes, ids=True)
        run.pytorch(tuned, "bf16", best_batch(run, side=PYTORCH, form=compiled), ids=False)
    report = [tables(run.measured)]
    if not torch:
        report.append(f"The comparison was left out: {sys.executable} has no torch that can use {settings.device}.")
    if run.failures:
        report.append("\n".join(["Failed:", *(f"- {failure}" for failure in run.failures)]))
    (settings.out / "table.md").write_text("\n\n".join(report) + "\n")
    print("\n\n".join(report))
    sys.exit(1 if run.failures else 0)


if __name__ == "__main__":
    main()
