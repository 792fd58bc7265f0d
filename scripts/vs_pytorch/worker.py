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
from lavit import Tokenizer, load, normalised
from PIL import Image


def golden(arguments: argparse.Namespace) -> dict:
    """Every mask bit and code of the golden data, argmax, Gumbel and edge masks; an error at the first difference."""
    bits = codes = 0
    for directory in (arguments.golden / "small_a", arguments.golden / "small_b"):
        model = load(directory, "f32")
        for path in sorted(directory.glob("*.npz")):
            stored = np.load(path)
            for case, kept, found in golden_cases(model, path, stored):
                expected = (stored[f"keep_{case}"].astype(bool), stored[f"ids_{case}"])
                same = np.array_equal(kept.numpy(), expected[0]) and np.array_equal(found.numpy(), expected[1])
                if not same:
                    raise SystemExit(f"{path}: {case}: PyTorch's mask or codes differ from the golden data")
                bits, codes = bits + kept.numel(), codes + found.numel()
    return {"mask_bits": bits, "codes": codes}


def golden_cases(model: Tokenizer, path: Path, stored: dict):
    """(case, mask, codes) for every case of the file; a trace has none."""
    if "resized_u8" in stored:
        pixels = normalised(stored["resized_u8"][None])
        yield "argmax", *model(pixels)[0]
        yield "gumbel", *model(pixels, torch.from_numpy(stored["gumbel"])[None])[0]
    elif path.name.startswith("edge_"):
        features = np.load(path.with_name(path.name.removeprefix("edge_")))["encoder_features"][None, 1:]
        for key in stored:
            if key.startswith("keep_"):
                kept = torch.from_numpy(stored[key].astype(bool))
                with torch.inference_mode():
                    yield key.removeprefix("keep_"), kept, model.codes(torch.from_numpy(features), kept[None])[0]


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
    pixels = normalised(np.stack([np.asarray(Image.open(path).convert("RGB")) for path in arguments.images]))
    tokenizer(pixels[:1])  # not measured: first use
    seconds = {}
    for batch in arguments.batch_sizes:
        parts = pixels.split(batch)
        seconds[batch], found = timed(lambda: [tokens for part in parts for tokens in tokenizer(part)])
    return {
        "seconds": seconds,
        "kept": [kept.int().tolist() for kept, _ in found],
        "codes": [codes.tolist() for _, codes in found],
    }


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
