"""PyTorch's side of the comparison, run in its own environment by bench_vs_pytorch.py: one measurement a process.

Prints one JSON object. Its peak memory is read by the parent, as that of our program is.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .fast import Fast
from .lavit import Tokenizer, by_picture, load, materialised_attention, normalised


def golden(arguments: argparse.Namespace) -> dict:
    """Every mask bit and code of the golden data, argmax, Gumbel and edge masks; an error at the first difference.

    By all forms: eager with either attention, and the fast one, from the golden features, as it has no noise.
    """
    bits = codes = 0
    for directory in (arguments.golden / "small_a", arguments.golden / "small_b"):
        fused, materialised = load(directory, "f32"), load(directory, "f32")
        materialised.encoder.attend_by(materialised_attention)
        fast = Fast(load(directory, "f32"), room=fused.encoder.pos_embed.shape[1] - 1)
        for path in sorted(directory.glob("*.npz")):
            stored = np.load(path)
            cases = [*golden_cases(fused, path, stored), *golden_cases(materialised, path, stored)]
            for case, kept, found in cases + fast_cases(fast, path, stored):
                expected = (stored[f"keep_{case}"].astype(bool), stored[f"ids_{case}"])
                same = np.array_equal(kept.flatten().numpy(), expected[0]) and np.array_equal(found.numpy(), expected[1])
                if not same:
                    raise SystemExit(f"{path}: {case}: PyTorch's mask or codes differ from the golden data")
                bits, codes = bits + kept.numel(), codes + found.numel()
    return {"mask_bits": bits, "codes": codes}


def masks_of(stored: dict) -> dict:
    """Each case's mask, [1, N]."""
    keys = (key for key in stored if key.startswith("keep_"))
    return {key.removeprefix("keep_"): torch.from_numpy(stored[key].astype(bool))[None] for key in keys}


def features_of(path: Path) -> Tensor:
    """The encoder's golden features, [1, N, D]."""
    stored = np.load(path.with_name(path.name.removeprefix("edge_")))
    return torch.from_numpy(stored["encoder_features"])[None, 1:]


def fast_cases(fast: Fast, path: Path, stored: dict) -> list:
    masks = {} if path.name.startswith("trace_") else masks_of(stored)
    return [(case, kept, fast.codes(features_of(path), kept)[0, : kept.sum()]) for case, kept in masks.items()]


def golden_cases(model: Tokenizer, path: Path, stored: dict):
    """(case, mask, codes) for every case of the file; a trace has none."""
    if "resized_u8" in stored:
        pixels = normalised(torch.from_numpy(stored["resized_u8"])[None])
        yield "argmax", *model(pixels)
        yield "gumbel", *model(pixels, torch.from_numpy(stored["gumbel"])[None])
    elif path.name.startswith("edge_"):
        for case, kept in masks_of(stored).items():
            with torch.inference_mode():
                yield case, kept, model.codes(features_of(path), kept)


def pictures(arguments: argparse.Namespace) -> dict:
    """The files as Pillow resizes them, written as PNG: pixels that both sides read alike."""
    size = json.loads((arguments.model / "config.json").read_text())["image_size"]
    written = []
    for number, path in enumerate(arguments.images):
        target = arguments.out / f"{number:02}-{path.stem}.png"
        Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BICUBIC).save(target)
        written.append(str(target))
    return {"pictures": written}


def gemm(arguments: argparse.Namespace) -> dict:
    """Operations a second of the fastest Linear, among the model's own shapes, the fastest run of each."""
    config = json.loads((arguments.model / "config.json").read_text())
    width, hidden = config["width"], int(config["width"] * config["mlp_ratio"])
    tokens = (config["image_size"] // config["patch_size"]) ** 2 + 1
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[arguments.dtype]
    best = {}
    for batch in arguments.batch_sizes:
        for inputs, outputs in ((width, 3 * width), (width, width), (width, hidden), (hidden, width)):
            x = torch.randn(batch * tokens, inputs, dtype=dtype)
            weight, bias = torch.randn(outputs, inputs, dtype=dtype), torch.randn(outputs, dtype=dtype)
            seconds = min(timed(lambda: F.linear(x, weight, bias))[0] for _ in range(arguments.repeats))
            best[f"{batch * tokens} x {inputs} x {outputs}"] = 2 * batch * tokens * inputs * outputs / seconds
    shape = max(best, key=best.get)
    return {"flops_per_s": best[shape], "shape": shape}


def model(arguments: argparse.Namespace) -> dict:
    """Seconds for all pictures at each batch size, and their masks and codes (those of the last batch size)."""
    tokenizer = load(arguments.model, arguments.dtype)
    pictures = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in arguments.images])
    pixels = normalised(torch.from_numpy(pictures))
    seconds = {}
    for batch in arguments.batch_sizes:
        parts = pixels.split(batch)
        tokenizer(parts[0])  # not measured: first use of this size
        seconds[batch], found = timed(lambda: [tokenizer(part) for part in parts])
    kept, codes = (torch.cat(parts) for parts in zip(*found))
    return {"seconds": seconds, **by_picture(kept, codes)}


def timed(work):
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=("golden", "pictures", "gemm", "model"))
    parser.add_argument("--golden", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--dtype", choices=("f32", "bf16"))
    parser.add_argument("--batch-sizes", type=int, nargs="+")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--images", type=Path, nargs="+")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tasks = {"golden": golden, "pictures": pictures, "gemm": gemm, "model": model}
    print(json.dumps(tasks[arguments.task](arguments)))


if __name__ == "__main__":
    main()
