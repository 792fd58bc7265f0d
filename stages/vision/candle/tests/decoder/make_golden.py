#!/usr/bin/env python3
"""Writes decoder.safetensors, random weights for golden model small_a, and expected.safetensors: what they make of the
golden codes of the astronaut, computed in float64 from the specification (section 8) by NumPy.

Needs numpy. Run from here: python3 make_golden.py ../../../../../tests/data/golden
"""

import json
import math
import struct
import sys
from pathlib import Path

import numpy as np

DEPTH = 2


def write_safetensors(path, tensors):
    header, end = {}, 0
    for name, array in tensors.items():
        dtype = {"float16": "F16", "float32": "F32"}[str(array.dtype)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).tobytes())


def read_safetensors(path):
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(
            data[8 + length + entry["data_offsets"][0] : 8 + length + entry["data_offsets"][1]],
            {"F32": "<f4", "F16": "<f2"}[entry["dtype"]],
        ).reshape(entry["shape"])
        for name, entry in header.items()
    }


def random_decoder(config, rng):
    d, hidden, code = config["width"], int(config["width"] * config["mlp_ratio"]), config["code_dim"]
    patches = (config["image_size"] // config["patch_size"]) ** 2
    tensors = {}

    def linear(name, outputs, inputs):
        tensors[f"{name}.weight"] = rng.normal(0, 1 / math.sqrt(inputs), (outputs, inputs))
        tensors[f"{name}.bias"] = rng.normal(0, 0.1, outputs)

    def norm(name):
        tensors[f"{name}.weight"] = rng.normal(1, 0.1, d)
        tensors[f"{name}.bias"] = rng.normal(0, 0.1, d)

    linear("in_proj", d, code)
    tensors["pos_embed"] = rng.normal(0, 0.5, (1, patches, d))
    tensors["query_embed"] = rng.normal(0, 1, (1, patches, d))
    for block in (f"blocks.{number}" for number in range(DEPTH)):
        for number in range(3):
            norm(f"{block}.norm{number}")
        linear(f"{block}.self_attn.qkv", 3 * d, d)
        linear(f"{block}.self_attn.proj", d, d)
        for part in ("query", "key", "value", "proj"):
            linear(f"{block}.cross_attn.{part}", d, d)
        linear(f"{block}.mlp.fc1", hidden, d)
        linear(f"{block}.mlp.fc2", d, hidden)
    norm("norm")
    linear("decode_task_layer.0", d, d)
    linear("decode_task_layer.2", d, d)
    return {name: array.astype(np.float16) for name, array in tensors.items()}


def reconstruct(weights, heads, codes):
    """`codes`: rows of the codebook, [T, d]; gives features, [N, D]."""
    w = {name: array.astype(np.float64) for name, array in weights.items()}

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    def attention(q, k, v):
        split = lambda x: x.reshape(len(x), heads, -1).transpose(1, 0, 2)
        q, k, v = split(q), split(k), split(v)
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        e = np.exp(scores - scores.max(-1, keepdims=True))
        return (e / e.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(q.shape[1], -1)

    gelu = np.vectorize(lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2)))
    codes = linear(codes, "in_proj") + w["pos_embed"][0, : len(codes)]
    x = w["query_embed"][0]
    for block in (f"blocks.{number}" for number in range(DEPTH)):
        q, k, v = np.split(linear(norm(x, f"{block}.norm0"), f"{block}.self_attn.qkv"), 3, axis=-1)
        x = x + linear(attention(q, k, v), f"{block}.self_attn.proj")
        cross = f"{block}.cross_attn"
        q = linear(norm(x, f"{block}.norm1"), f"{cross}.query")
        x = x + linear(attention(q, linear(codes, f"{cross}.key"), linear(codes, f"{cross}.value")), f"{cross}.proj")
        x = x + linear(gelu(linear(norm(x, f"{block}.norm2"), f"{block}.mlp.fc1")), f"{block}.mlp.fc2")
    return linear(np.tanh(linear(norm(x, "norm"), "decode_task_layer.0")), "decode_task_layer.2")


def main():
    golden = Path(sys.argv[1]) / "small_a"
    config = json.loads((golden / "config.json").read_text())
    decoder = random_decoder(config, np.random.default_rng(8))
    write_safetensors("decoder.safetensors", decoder)
    picture = np.load(golden / "astronaut.npz")
    codebook = read_safetensors(golden / "model.safetensors")["quantize.embedding.weight"]
    found = reconstruct(decoder, config["heads"], codebook[picture["ids_argmax"]].astype(np.float64))
    true = picture["encoder_features"][1:].astype(np.float64)
    cosine = (found * true).sum(-1) / np.linalg.norm(found, axis=-1) / np.linalg.norm(true, axis=-1)
    expected = {"features": found.astype(np.float32), "mean_cosine": np.array([cosine.mean()], np.float32)}
    write_safetensors("expected.safetensors", expected)
    print(found.shape, cosine.mean())


if __name__ == "__main__":
    main()
