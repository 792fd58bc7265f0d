"""PyTorch's side of scripts/bench_gpu.sh, a process for each form and dtype; a JSON line for every measurement.

Forms: eager as the published code computes (materialised attention, autocast, full merger), and vs_pytorch/fast.py as
torch.compile makes it, with its default mode (compiled) and with products tuned (tuned).
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from vs_pytorch.fast import Fast, Graph
from vs_pytorch.lavit import Tokenizer, by_picture, load, materialised_attention, normalised

MODES = {"compiled": "default", "tuned": "max-autotune-no-cudagraphs"}
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
# A chip's peak needs a product that fills it.
PEAK_SIDE = {"cuda": 8192, "cpu": 1024}
# Random pictures, of which every batch is a draw: so many that a batch's pixels are always others, and few enough to be asked
# beforehand how many patches they keep.
POOL = {"cuda": 1024, "cpu": 32}
PEAK_ROUNDS, PEAK_PRODUCTS = 5, 10
# Patches on the border that compiled code may decide to keep.
SPARE = 4

# Bytes on the host -> mask [B, N] and codes [T] on the host.
Tokenize = Callable[[Tensor], tuple[Tensor, Tensor]]


def eager(model: Tokenizer, device: str) -> Tokenize:
    def tokenize(pictures: Tensor) -> tuple[Tensor, Tensor]:
        kept, codes = model(normalised(pictures.to(device, non_blocking=True)))
        return kept.cpu(), codes.cpu()

    return tokenize


def fast(model: Tokenizer, device: str, mode: str, like: Tensor, room: int) -> Tokenize:
    """For batches of the shape of `like`."""
    step = Fast(model, room, mode)
    if device != "cpu":
        step = Graph(step, like.to(device))

    def tokenize(pictures: Tensor) -> tuple[Tensor, Tensor]:
        kept, codes = (result.cpu() for result in step(pictures))
        tokens = kept.sum(1, keepdim=True)
        if tokens.max() > room:
            raise SystemExit(f"a picture keeps {tokens.max()} patches, more than there is room for: {room}")
        return kept, codes[torch.arange(room) < tokens]

    return tokenize


def room_for(model: Tokenizer, pictures: Tensor, device: str) -> int:
    """The most patches that one of the pictures keeps, and some to spare, in eights."""
    probe = Fast(model, room=0)
    most = max(int(probe.select(part.to(device))[1].sum(1).max()) for part in pictures.split(64))
    patches = model.encoder.pos_embed.shape[1] - 1
    return min(-(-(most + SPARE) // 8) * 8, patches)


def synchronised_clock(device: str) -> float:
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def speed(tokenize: Tokenize, batches: list[Tensor], device: str) -> dict:
    """The first two batches are not counted. As the program's, a batch begins and ends on the host."""
    for pictures in batches[:2]:
        tokenize(pictures)
    begun = synchronised_clock(device)
    tokens = sum(len(tokenize(pictures)[1]) for pictures in batches[2:])
    seconds = synchronised_clock(device) - begun
    images = sum(map(len, batches[2:]))
    return {"images_per_s": images / seconds, "tokens_per_image": tokens / images}


def matmul_peak(device: str, dtype: torch.dtype) -> float:
    """Operations a second of the fastest round of square products of random numbers."""
    side = PEAK_SIDE["cpu" if device == "cpu" else "cuda"]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(PEAK_ROUNDS + 1):
        begun = synchronised_clock(device)
        for _ in range(PEAK_PRODUCTS):
            a @ b
        seconds.append(synchronised_clock(device) - begun)
    return PEAK_PRODUCTS * 2 * side**3 / min(seconds[1:])


class Side:
    def __init__(self, options: argparse.Namespace):
        self.options, self.device = options, options.device
        self.kind = "cpu" if options.device == "cpu" else "cuda"
        self.about = {
            "side": "pytorch",
            "form": options.form,
            "dtype": options.dtype,
            "merger": "full" if options.form == "eager" else "packed",
        }
        self.model = load(options.model, options.dtype, options.device)
        side = json.loads((options.model / "config.json").read_text())["image_size"]
        self.pool = torch.randint(0, 256, (POOL[self.kind], side, side, 3), dtype=torch.uint8)

    def tokenizer(self, like: Tensor, room_of: Tensor) -> Tokenize:
        """For batches of the shape of `like`, with room for what `room_of` keep."""
        if self.options.form == "eager":
            self.model.encoder.attend_by(materialised_attention)
            return eager(self.model, self.device)
        torch.compiler.reset()
        room = room_for(self.model, room_of, self.device)
        return fast(self.model, self.device, MODES[self.options.form], like, room)

    def measure(self, batch: int) -> None:
        draws = [self.pool[torch.randint(len(self.pool), (batch,))] for _ in range(self.options.batches + 2)]
        batches = draws if self.kind == "cpu" else [pictures.pin_memory() for pictures in draws]
        try:
            found = speed(self.tokenizer(batches[0], self.pool), batches, self.device)
        except torch.OutOfMemoryError as error:
            self.say(kind="out_of_memory", batch_size=batch, error=str(error).splitlines()[0])
            return
        peak = matmul_peak(self.device, DTYPES[self.options.dtype])
        self.say(kind="speed", batch_size=batch, **found, matmul_peak_flops_per_s=peak)

    def tokens(self, pictures: Tensor) -> None:
        tokenize = self.tokenizer(pictures, pictures)
        self.say(kind="codes", **by_picture(*tokenize(pictures)))

    def say(self, **measurement) -> None:
        print(json.dumps(self.about | measurement), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("form", choices=("eager", *MODES))
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--dtype", choices=DTYPES, required=True)
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=[])
    parser.add_argument("--batches", type=int, default=8, help="measured of each size, after two")
    parser.add_argument("--pictures", type=Path, help="pictures.npy: print their masks and codes")
    options = parser.parse_args()
    # Convolution would take TF32 for float32; products do not of themselves.
    torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(1)
    side = Side(options)
    for batch in options.batch_sizes:
        side.measure(batch)
    if options.pictures:
        side.tokens(torch.from_numpy(np.load(options.pictures)))


if __name__ == "__main__":
    main()
