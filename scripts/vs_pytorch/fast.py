"""The tokenizer of lavit.py as fast as stock PyTorch makes it: its best effort, for the comparison on a GPU.

One dtype throughout, but for the selector and the distances (float32, as the spec demands); fused attention; a merger of
kept tokens alone, padded to a fixed number, so that shapes never change; torch.compile of each kind of block, whose code
then serves all of its depth; on a GPU the whole step is one CUDA graph. The eps terms of section 4 are left out: they are
1e-6 of a weight.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .lavit import EncoderBlock, MergerBlock, Selector, Tokenizer, in_heads, joined, normalised

Step = Callable[[Tensor], tuple[Tensor, Tensor]]


def packed_block(block: MergerBlock, x: Tensor, origin: Tensor, dropped: Tensor) -> Tensor:
    """A merger block over kept tokens: x [B, T, D], in the patches' order, padding last, where nothing sees it."""
    own, cross = block.token_causal_attn, block.token_cross_attn
    q, k, v = (in_heads(part, own.heads) for part in own.qkv(block.norm0(x)).chunk(3, dim=-1))
    x = x + own.proj(joined(F.scaled_dot_product_attention(q, k, v, is_causal=True)))
    q, k, v = (
        in_heads(part, cross.heads) for part in (cross.query(block.norm1(x)), cross.key(origin), cross.value(origin))
    )
    # With nothing dropped, section 4 gives the mean over all: what queries of zero give.
    any_dropped = dropped.any(1)[:, None, None, None]
    allowed = dropped[:, None, None, :] | ~any_dropped
    x = x + cross.proj(joined(F.scaled_dot_product_attention(q * any_dropped, k, v, attn_mask=allowed)))
    return x + block.mlp(block.norm2(x))


class Fast:
    """`mode` is torch.compile's; None leaves all uncompiled. No picture may keep more than `room` patches."""

    def __init__(self, model: Tokenizer, room: int, mode: str | None = None):
        self.model, self.room = model, room
        self.dtype = model.encoder.patch_embed["proj"].weight.dtype
        for part in (model.encoder, model.causal_encoder, model.encode_task_layer):
            part.to(self.dtype)

        def compiled(function: Callable) -> Callable:
            return torch.compile(function, mode=mode, dynamic=False) if mode else function

        self.encoder_block = compiled(EncoderBlock.forward)
        self.selector = compiled(Selector.forward)
        self.merger_block = compiled(packed_block)
        self.nearest = compiled(Tokenizer.nearest)

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """[B, S, S, 3] of bytes -> the mask [B, N] of kept patches, and codes [B, room], meaningless from the kept on."""
        features, kept = self.select(pictures)
        return kept, self.codes(features, kept)

    @torch.inference_mode()
    def select(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Sections 1 to 3: features [B, N, D] and the mask [B, N]."""
        x = self.model.encoder.embedded(normalised(pictures).to(self.dtype))
        for block in self.model.encoder.blocks:
            x = self.encoder_block(block, x)
        features = x[:, 1:]
        scores = self.selector(self.model.token_predictor, features)
        return features, scores[..., 0] >= scores[..., 1]

    @torch.inference_mode()
    def codes(self, features: Tensor, kept: Tensor) -> Tensor:
        """Sections 4 and 5."""
        merger, dropped = self.model.causal_encoder, ~kept
        kept_first = dropped.int().argsort(dim=1, stable=True)[:, : self.room, None]
        x = features.gather(1, kept_first.expand(-1, -1, features.shape[-1]))
        origin = merger.ln_vision(features)
        for block in merger.blocks:
            x = self.merger_block(block, x, origin, dropped)
        return self.nearest(self.model, merger.norm(x))


class Graph:
    """A step as one CUDA graph, which is replayed for every batch: what it gives is overwritten by the next."""

    @torch.inference_mode()
    def __init__(self, step: Step, pictures: Tensor):
        self.pictures = pictures.clone()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            # Compiles and tunes, and makes all that is made once.
            for _ in range(3):
                step(self.pictures)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.results = step(self.pictures)

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        self.pictures.copy_(pictures, non_blocking=True)
        self.graph.replay()
        return self.results
