#!/usr/bin/env python3
"""Writes a model with random weights, of LaVIT's full size: DEST/config.json and DEST/model.safetensors.

For measurements without the published weights. The weights are scaled so that activations stay of the order of one
through all blocks, and the selector's last bias is set so that a third of the patches is kept, as a trained LaVIT
keeps: of the pictures named (needs Pillow), else of pictures with the spectrum of photographs (1/f noise). Needs numpy;
holds one tensor at a time. The same options give the same weights.
"""

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
KEPT_SHARE = 1 / 3
PICTURES = 4
# Draws and rounding go by pieces of this many numbers.
PIECE = 1 << 22


@dataclass(frozen=True)
class Shapes:
    """What config.json says; the defaults are LaVIT's. The tensors that follow are [key, shape]."""

    image_size: int = 224
    patch_size: int = 14
    width: int = 1408
    heads: int = 16
    mlp_ratio: float = 4.3637
    encoder_depth: int = 40
    merger_depth: int = 12
    codebook_size: int = 16384
    code_dim: int = 32

    @property
    def patches(self) -> int:
        return (self.image_size // self.patch_size) ** 2

    def tensors(self) -> list:
        return self.encoder() + self.selector() + self.merger() + self.codebook()

    def linear(self, layer: str, outputs: int, inputs: int) -> list:
        return [(f"{layer}.weight", [outputs, inputs]), (f"{layer}.bias", [outputs])]

    def norm(self, layer: str) -> list:
        return [(f"{layer}.weight", [self.width]), (f"{layer}.bias", [self.width])]

    def square(self, layer: str) -> list:
        return self.linear(layer, self.width, self.width)

    def mlp(self, block: str) -> list:
        hidden = int(self.width * self.mlp_ratio)
        return self.linear(f"{block}.mlp.fc1", hidden, self.width) + self.linear(f"{block}.mlp.fc2", self.width, hidden)

    def encoder(self) -> list:
        tensors = [
            ("encoder.cls_token", [1, 1, self.width]),
            ("encoder.pos_embed", [1, self.patches + 1, self.width]),
            ("encoder.patch_embed.proj.weight", [self.width, 3, self.patch_size, self.patch_size]),
            ("encoder.patch_embed.proj.bias", [self.width]),
        ]
        for block in (f"encoder.blocks.{number}" for number in range(self.encoder_depth)):
            tensors += self.norm(f"{block}.norm1")
            tensors += [(f"{block}.attn.q_bias", [self.width]), (f"{block}.attn.v_bias", [self.width])]
            tensors += [(f"{block}.attn.qkv.weight", [3 * self.width, self.width])] + self.square(f"{block}.attn.proj")
            tensors += self.norm(f"{block}.norm2") + self.mlp(block)
        return tensors

    def selector(self) -> list:
        tensors = self.norm("token_predictor.in_conv.0") + self.square("token_predictor.in_conv.1")
        widths = (self.width, self.width // 2, self.width // 4, 2)
        for layer, inputs, outputs in zip((0, 2, 4), widths, widths[1:]):
            tensors += self.linear(f"token_predictor.out_conv.{layer}", outputs, inputs)
        return tensors

    def merger(self) -> list:
        tensors = []
        for block in (f"causal_encoder.blocks.{number}" for number in range(self.merger_depth)):
            tensors += self.norm(f"{block}.norm0")
            tensors += self.linear(f"{block}.token_causal_attn.qkv", 3 * self.width, self.width)
            tensors += self.square(f"{block}.token_causal_attn.proj") + self.norm(f"{block}.norm1")
            for part in ("query", "key", "value", "proj"):
                tensors += self.square(f"{block}.token_cross_attn.{part}")
            tensors += self.norm(f"{block}.norm2") + self.mlp(block)
        return tensors + self.norm("causal_encoder.ln_vision") + self.norm("causal_encoder.norm")

    def codebook(self) -> list:
        tensors = [("quantize.embedding.weight", [self.codebook_size, self.code_dim])]
        tensors += self.square("encode_task_layer.0")
        return tensors + self.linear("encode_task_layer.2", self.code_dim, self.width)


SIZES = {
    "full": Shapes(),
    # The same architecture, for scripts that are tried on a CPU.
    "small": Shapes(width=352, heads=4, encoder_depth=4, merger_depth=2, codebook_size=1024),
}


def scale_of(key: str, shape: list, depth: int) -> tuple[float, float]:
    """Mean and standard deviation of a tensor's numbers."""
    layer = key.split(".")
    if len(shape) == 1:
        is_norm = layer[-1] == "weight"
        return (1.0, 0.1) if is_norm else (0.0, 0.02)
    if key == "quantize.embedding.weight":
        return 0.0, shape[1] ** -0.5
    # Position outweighs content, so that what a picture shows moves the number of kept patches only a little.
    if key in ("encoder.cls_token", "encoder.pos_embed"):
        return 0.0, 1.0
    inputs = math.prod(shape[1:])
    if key == "encoder.patch_embed.proj.weight":
        return 0.0, 0.3 * inputs**-0.5
    # What goes into the residual stream is smaller, the more blocks add to it.
    adds = layer[-2] in ("proj", "fc2") and "blocks" in layer
    return 0.0, (2 * inputs * depth if adds else inputs) ** -0.5


class Model:
    """The tensors of one safetensors file, read and written one at a time."""

    def __init__(self, path: Path, shapes: Shapes, dtype: str):
        self.path, self.shapes, self.dtype = path, shapes, dtype
        self.size = {"f32": 4, "bf16": 2}[dtype]
        entries, end = {}, 0
        for key, shape in shapes.tensors():
            start, end = end, end + self.size * math.prod(shape)
            entries[key] = {"dtype": dtype.upper(), "shape": shape, "data_offsets": [start, end]}
        self.entries = entries
        header = json.dumps(entries).encode()
        header += b" " * (-len(header) % 8)
        self.header = len(header).to_bytes(8, "little") + header

    def write(self, generator: np.random.Generator) -> None:
        depth = {"encoder": self.shapes.encoder_depth, "causal_encoder": self.shapes.merger_depth}
        with open(self.path, "wb") as file:
            file.write(self.header)
            for key, entry in self.entries.items():
                mean, deviation = scale_of(key, entry["shape"], depth.get(key.split(".")[0], 1))
                count = math.prod(entry["shape"])
                for start in range(0, count, PIECE):
                    drawn = generator.standard_normal(min(PIECE, count - start), dtype=np.float32)
                    file.write(self.stored(np.float32(mean) + np.float32(deviation) * drawn))

    def stored(self, numbers: np.ndarray) -> bytes:
        if self.dtype == "f32":
            return numbers.astype("<f4").tobytes()
        bits = numbers.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()

    def read(self, key: str) -> np.ndarray:
        entry = self.entries[key]
        offset, count = len(self.header) + entry["data_offsets"][0], math.prod(entry["shape"])
        numbers = np.fromfile(self.path, "<f4" if self.dtype == "f32" else "<u2", count, offset=offset)
        if self.dtype == "bf16":
            numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
        return numbers.reshape(entry["shape"])

    def replace(self, key: str, numbers: np.ndarray) -> None:
        with open(self.path, "r+b") as file:
            file.seek(len(self.header) + self.entries[key]["data_offsets"][0])
            file.write(self.stored(numbers.astype(np.float32)))


def natural_pictures(generator: np.random.Generator, count: int, side: int) -> np.ndarray:
    """[count, 3, S, S], normalised: noise whose amplitude falls with 1/f, mostly the same in all colours."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    frequency[0, 0] = 1 / side
    noise = np.fft.rfft2(generator.standard_normal((count, 4, side, side))) / frequency
    shapes = np.fft.irfft2(noise, s=(side, side))
    shapes /= shapes.std(axis=(2, 3), keepdims=True)
    return (0.9 * shapes[:, :1] + 0.4 * shapes[:, 1:]).astype(np.float32)


def prepared(paths: list, side: int) -> np.ndarray:
    """The files as the model sees them: [pictures, 3, S, S]."""
    from PIL import Image

    pictures = (Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BICUBIC) for path in paths)
    pixels = np.stack([np.asarray(picture, np.float32) for picture in pictures]) / 255
    return ((pixels - np.float32(MEAN)) / np.float32(STD)).transpose(0, 3, 1, 2)


def layer_norm(model: Model, layer: str, x: np.ndarray, eps: float) -> np.ndarray:
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)
    return x * model.read(f"{layer}.weight") + model.read(f"{layer}.bias")


def product(model: Model, layer: str, x: np.ndarray) -> np.ndarray:
    return x @ model.read(f"{layer}.weight").T + model.read(f"{layer}.bias")


def gelu(x: np.ndarray) -> np.ndarray:
    """By tanh: near enough to erf's for a bias."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def features(model: Model, pictures: np.ndarray) -> np.ndarray:
    """The encoder: [pictures, N, D]."""
    width, heads, patch = model.shapes.width, model.shapes.heads, model.shapes.patch_size
    grid = model.shapes.image_size // patch
    patches = pictures.reshape(-1, 3, grid, patch, grid, patch).transpose(0, 2, 4, 1, 3, 5)
    weight = model.read("encoder.patch_embed.proj.weight").reshape(width, -1)
    x = patches.reshape(-1, grid * grid, weight.shape[1]) @ weight.T + model.read("encoder.patch_embed.proj.bias")
    first = np.broadcast_to(model.read("encoder.cls_token"), (len(x), 1, width))
    x = np.concatenate((first, x), axis=1) + model.read("encoder.pos_embed")
    for block in (f"encoder.blocks.{number}" for number in range(model.shapes.encoder_depth)):
        qkv = layer_norm(model, f"{block}.norm1", x, 1e-6) @ model.read(f"{block}.attn.qkv.weight").T
        q, k, v = np.split(qkv, 3, axis=-1)
        q, v = q + model.read(f"{block}.attn.q_bias"), v + model.read(f"{block}.attn.v_bias")
        q, k, v = (part.reshape(len(x), -1, heads, width // heads).transpose(0, 2, 1, 3) for part in (q, k, v))
        scores = q @ k.transpose(0, 1, 3, 2) / np.float32(math.sqrt(width // heads))
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = weights / weights.sum(-1, keepdims=True) @ v
        x = x + product(model, f"{block}.attn.proj", mixed.transpose(0, 2, 1, 3).reshape(x.shape))
        hidden = gelu(product(model, f"{block}.mlp.fc1", layer_norm(model, f"{block}.norm2", x, 1e-6)))
        x = x + product(model, f"{block}.mlp.fc2", hidden)
    return x[:, 1:]


def selector_logits(model: Model, x: np.ndarray) -> np.ndarray:
    """[pictures, N, 2], class 0 = keep."""
    layers = "token_predictor"
    h = gelu(product(model, f"{layers}.in_conv.1", layer_norm(model, f"{layers}.in_conv.0", x, 1e-5)))
    local, whole = np.split(h, 2, axis=-1)
    h = np.concatenate((local, np.broadcast_to(whole.mean(1, keepdims=True), local.shape)), axis=-1)
    h = gelu(product(model, f"{layers}.out_conv.0", h))
    h = gelu(product(model, f"{layers}.out_conv.2", h))
    return product(model, f"{layers}.out_conv.4", h)


def set_kept_share(model: Model, pictures: np.ndarray) -> list:
    """Moves the selector's last bias so that KEPT_SHARE of all patches is kept; gives each picture's number."""
    logits = selector_logits(model, features(model, pictures))
    gap = logits[..., 0] - logits[..., 1]
    bias = model.read("token_predictor.out_conv.4.bias")
    model.replace("token_predictor.out_conv.4.bias", bias - [np.quantile(gap, 1 - KEPT_SHARE), 0])
    return (gap >= np.quantile(gap, 1 - KEPT_SHARE)).sum(axis=1).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dest", type=Path, help="the directory, made if need be")
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--encoder-depth", type=int, metavar="BLOCKS")
    parser.add_argument("--merger-depth", type=int, metavar="BLOCKS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--pictures", type=Path, nargs="+", metavar="FILE", help="keep a third of these pictures")
    options = parser.parse_args()

    options.dest.mkdir(parents=True, exist_ok=True)
    (options.dest / "config.json").unlink(missing_ok=True)
    depths = {"encoder_depth": options.encoder_depth, "merger_depth": options.merger_depth}
    shapes = replace(SIZES[options.size], **{name: depth for name, depth in depths.items() if depth is not None})
    model = Model(options.dest / "model.safetensors", shapes, options.dtype)
    generator = np.random.default_rng(options.seed)
    model.write(generator)
    side = shapes.image_size
    files = options.pictures
    kept = set_kept_share(model, prepared(files, side) if files else natural_pictures(generator, PICTURES, side))
    # Last: a directory without it is no model, so one that was cut off is not taken for one.
    (options.dest / "config.json").write_text(json.dumps(asdict(shapes), indent=1) + "\n")
    size = model.path.stat().st_size / 1e9
    print(f"{model.path}: {len(model.entries)} tensors, {size:.2f} GB; keeps {kept} of {shapes.patches}", file=sys.stderr)


if __name__ == "__main__":
    main()
