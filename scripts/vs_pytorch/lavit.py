"""LaVIT's visual tokenizer in PyTorch, eager, for comparisons alone: docs/spec/tokenizer.md, section by section.

Modules are named so that the keys of `model.safetensors` are those of `state_dict()`. Shapes: B pictures, N patches,
D wide, T kept tokens, K codes of d.
"""

import functools
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class Mlp(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        hidden = int(config["width"] * config["mlp_ratio"])
        self.fc1 = nn.Linear(config["width"], hidden)
        self.fc2 = nn.Linear(hidden, config["width"])

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


def in_heads(x: Tensor, heads: int) -> Tensor:
    """[B, N, D] -> [B, heads, N, D / heads]."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def joined(x: Tensor) -> Tensor:
    """[B, heads, N, D / heads] -> [B, N, D]."""
    return x.transpose(1, 2).flatten(2)


def materialised_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Product, softmax and product in turn, as the published code writes them."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    return scores.softmax(-1).to(v.dtype) @ v


class EncoderAttention(nn.Module):
    # PyTorch's fastest way to the values of `materialised_attention`, softmax in float32 included.
    attention = staticmethod(F.scaled_dot_product_attention)

    def __init__(self, config: dict):
        super().__init__()
        width, self.heads = config["width"], config["heads"]
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        bias = torch.cat((self.q_bias, torch.zeros_like(self.v_bias), self.v_bias))
        q, k, v = (in_heads(part, self.heads) for part in F.linear(x, self.qkv.weight, bias).chunk(3, dim=-1))
        return self.proj(joined(self.attention(q, k, v)))


class EncoderBlock(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        self.norm1 = nn.LayerNorm(config["width"], eps=1e-6)
        self.attn = EncoderAttention(config)
        self.norm2 = nn.LayerNorm(config["width"], eps=1e-6)
        self.mlp = Mlp(config)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Encoder(nn.Module):
    """Section 2."""

    def __init__(self, config: dict):
        super().__init__()
        width, patch = config["width"], config["patch_size"]
        patches = (config["image_size"] // patch) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, patches + 1, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, patch)})
        self.blocks = nn.ModuleList(EncoderBlock(config) for _ in range(config["encoder_depth"]))

    def attend_by(self, attention) -> None:
        for block in self.blocks:
            block.attn.attention = attention

    def embedded(self, pixels: Tensor) -> Tensor:
        """What the blocks begin with: [B, 1 + N, D], the class token first."""
        x = self.patch_embed["proj"](pixels).flatten(2).transpose(1, 2)
        return torch.cat((self.cls_token.expand(len(x), -1, -1), x), dim=1) + self.pos_embed

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.embedded(pixels)
        for block in self.blocks:
            x = block(x)
        return x[:, 1:]


class Selector(nn.Module):
    """Section 3, in float32 whatever surrounds it: log-probabilities [B, N, 2], class 0 = keep."""

    def __init__(self, config: dict):
        super().__init__()
        width = config["width"]
        self.in_conv = nn.Sequential(nn.LayerNorm(width, eps=1e-5), nn.Linear(width, width), nn.GELU())
        self.out_conv = nn.Sequential(
            nn.Linear(width, width // 2),
            nn.GELU(),
            nn.Linear(width // 2, width // 4),
            nn.GELU(),
            nn.Linear(width // 4, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            local, whole = self.in_conv(x.float()).chunk(2, dim=-1)
            whole = whole.mean(dim=1, keepdim=True).expand_as(local)
            return F.log_softmax(self.out_conv(torch.cat((local, whole), dim=-1)), dim=-1)


def smoothed_attention(q: Tensor, k: Tensor, v: Tensor, allowed: Tensor) -> Tensor:
    """`allowed` [B, 1, N, N] or [B, 1, 1, N]: section 4's masked softmax in float32."""
    scores = ((q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5).float()
    weights = (scores - scores.amax(-1, keepdim=True)).exp_() * allowed
    eps = 1e-6
    weights = (weights + eps / weights.shape[-1]) / (weights.sum(-1, keepdim=True) + eps)
    return joined(weights.to(v.dtype) @ v)


class CausalAttention(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        self.heads = config["heads"]
        self.qkv = nn.Linear(config["width"], 3 * config["width"])
        self.proj = nn.Linear(config["width"], config["width"])

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        q, k, v = (in_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        itself = torch.eye(kept.shape[1], device=x.device)
        allowed = torch.maximum(kept[:, None, None, :], itself).tril()
        return self.proj(smoothed_attention(q, k, v, allowed))


class CrossAttention(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        self.heads = config["heads"]
        for name in ("query", "key", "value", "proj"):
            self.add_module(name, nn.Linear(config["width"], config["width"]))

    def forward(self, x: Tensor, origin: Tensor, kept: Tensor) -> Tensor:
        q, k, v = (in_heads(part, self.heads) for part in (self.query(x), self.key(origin), self.value(origin)))
        return self.proj(smoothed_attention(q, k, v, (1 - kept)[:, None, None, :]))


class MergerBlock(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        for name in ("norm0", "norm1", "norm2"):
            self.add_module(name, nn.LayerNorm(config["width"], eps=1e-5))
        self.token_causal_attn = CausalAttention(config)
        self.token_cross_attn = CrossAttention(config)
        self.mlp = Mlp(config)

    def forward(self, x: Tensor, origin: Tensor, kept: Tensor) -> Tensor:
        x = x + self.token_causal_attn(self.norm0(x), kept)
        x = x + self.token_cross_attn(self.norm1(x), origin, kept)
        return x + self.mlp(self.norm2(x))


class Merger(nn.Module):
    """Section 4, every token computed, as the published code does."""

    def __init__(self, config: dict):
        super().__init__()
        self.ln_vision = nn.LayerNorm(config["width"], eps=1e-5)
        self.blocks = nn.ModuleList(MergerBlock(config) for _ in range(config["merger_depth"]))
        self.norm = nn.LayerNorm(config["width"], eps=1e-5)

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        origin = self.ln_vision(x)
        for block in self.blocks:
            x = block(x, origin, kept)
        return self.norm(x)


class Tokenizer(nn.Module):
    def __init__(self, config: dict):
        super().__init__()
        self.encoder = Encoder(config)
        self.token_predictor = Selector(config)
        self.causal_encoder = Merger(config)
        self.quantize = nn.ModuleDict({"embedding": nn.Embedding(config["codebook_size"], config["code_dim"])})
        width = config["width"]
        self.encode_task_layer = nn.Sequential(
            nn.Linear(width, width), nn.Tanh(), nn.Linear(width, config["code_dim"])
        )

    @torch.inference_mode()
    def forward(self, pixels: Tensor, gumbel: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The mask [B, N] of kept patches, and their codes [T], picture after picture. `pixels` as `normalised` gives."""
        dtype = self.encoder.patch_embed["proj"].weight.dtype
        with torch.autocast(pixels.device.type, dtype=dtype, enabled=dtype != torch.float32):
            features = self.encoder(pixels)
            scores = self.token_predictor(features)
            if gumbel is not None:
                scores = scores + gumbel
            kept = scores[..., 0] >= scores[..., 1]
            return kept, self.codes(features, kept)

    def codes(self, features: Tensor, kept: Tensor) -> Tensor:
        """Sections 4 and 5."""
        return self.nearest(self.causal_encoder(features, kept.float())[kept])

    def nearest(self, tokens: Tensor) -> Tensor:
        """Section 5: [.., D] -> [..]."""
        z = self.encode_task_layer(tokens)
        with torch.autocast(z.device.type, enabled=False):
            z = F.normalize(z.float(), dim=-1, eps=1e-12)
            book = self.quantize["embedding"].weight
            distance = z.square().sum(-1, keepdim=True) + book.square().sum(1) - 2 * z @ book.T
            return distance.argmin(dim=-1)


def by_picture(kept: Tensor, codes: Tensor) -> dict:
    """What `Tokenizer` gives, as lists: of each picture its mask and its codes."""
    return {
        "kept": kept.int().tolist(),
        "codes": [part.tolist() for part in codes.split(kept.sum(1).tolist())],
    }


@functools.cache
def of_channels(device: torch.device) -> tuple[Tensor, Tensor]:
    """MEAN and STD on the device. Kept, as a CUDA graph cannot hold their copy to it."""
    return tuple(torch.tensor(values, device=device).view(3, 1, 1) for values in (MEAN, STD))


def normalised(pictures: Tensor) -> Tensor:
    """[B, S, S, 3] of bytes -> [B, 3, S, S]; section 1."""
    mean, std = of_channels(pictures.device)
    return (pictures.permute(0, 3, 1, 2).float() / 255 - mean) / std


def load(directory: Path, dtype: str, device: str = "cpu") -> Tokenizer:
    """The model in `directory`. With bf16 Linear and Conv weights are cast (section 7), but for the selector's."""
    with torch.device("meta"):
        model = Tokenizer(json.loads((directory / "config.json").read_text())).eval()
    products = {
        f"{name}.{part}"
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and not name.startswith("token_predictor")
        for part in ("weight", "bias")
    }
    weights = {}
    with open(directory / "model.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
        for key in model.state_dict():
            # Read tensor by tensor, so that no more than one is held in both precisions.
            entry = header[key]
            stored = torch.empty(math.prod(entry["shape"]), dtype=DTYPES[entry["dtype"]])
            file.seek(start + entry["data_offsets"][0])
            file.readinto(stored.view(torch.uint8).numpy())
            cast = torch.bfloat16 if dtype == "bf16" and key in products else torch.float32
            weights[key] = stored.to(device, cast).view(entry["shape"])
    model.load_state_dict(weights, assign=True)
    return model
