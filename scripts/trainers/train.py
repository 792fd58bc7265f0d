"""Trains a small GPT on next tokens, text and visual ids alike, from scratch for every reader; prints a line each.

    train.py --steps N --output OUT --exports DIR

Exits with 1 if for any reader the loss on held-out windows has not fallen, on text or on visual ids.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from readers import READERS

# Where the machine is busy, threads that spin while they wait take the time of those they wait for.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

CONTEXT, BATCH = 128, 4
WIDTH, HEADS, LAYERS = 256, 4, 4
# One window in so many is held out, up to so many windows.
HELD_OUT, MOST_HELD = 8, 16


class Gpt(nn.Module):
    """A causal transformer whose output layer is its table of embeddings; `rows` is V + 2 + K."""

    def __init__(self, rows: int):
        super().__init__()
        self.embeddings = nn.Embedding(rows, WIDTH)
        self.positions = nn.Parameter(torch.zeros(CONTEXT, WIDTH))
        nn.init.normal_(self.embeddings.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(CONTEXT))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        hidden = self.blocks(self.embeddings(ids) + self.positions, mask=self.mask, is_causal=True)
        return hidden @ self.embeddings.weight.T  # [B, CONTEXT, rows]


def windows(sequences: list[np.ndarray]) -> torch.Tensor:
    """The sequences one after another, without padding, cut into windows of a context and the id after it."""
    stream = np.concatenate(sequences).astype(np.int64)
    count = len(stream) // (CONTEXT + 1)
    if count < 2 * HELD_OUT:
        raise SystemExit(f"{len(stream)} ids are too few to train on: give a larger output")
    return torch.from_numpy(stream[: count * (CONTEXT + 1)].reshape(count, CONTEXT + 1))


def losses(model: Gpt, batch: torch.Tensor) -> torch.Tensor:
    """Cross entropy of each next id, `[B, CONTEXT]`."""
    logits = model(batch[:, :-1])
    return functional.cross_entropy(logits.transpose(1, 2), batch[:, 1:], reduction="none")


def held_out_loss(model: Gpt, held: torch.Tensor, image_start: int) -> np.ndarray:
    """The mean over text ids and over visual ids."""
    with torch.no_grad():
        loss = torch.cat([losses(model, batch) for batch in held.split(BATCH)])
    is_visual = held[:, 1:] >= image_start
    return np.array([loss[~is_visual].mean().item(), loss[is_visual].mean().item()])


def layout_of(output: Path) -> tuple[int, int]:
    """The id of [IMG], V, and the number of all ids, V + 2 + K: the rows of embeddings."""
    file = next(iter(sorted(output.glob("data/*.parquet"))))
    vocabulary = json.loads(pq.read_schema(file).metadata[b"img2tokens.provenance"])["vocabulary"]
    text_size = vocabulary["text_size"]
    return text_size, text_size + 2 + vocabulary["codebook_size"]


def train(sequences: list[np.ndarray], image_start: int, rows: int, steps: int) -> tuple[Gpt, np.ndarray, np.ndarray]:
    """The model, and the losses before and after."""
    torch.manual_seed(0)
    data = windows(sequences)
    is_held = torch.arange(len(data)) % HELD_OUT == 0
    held, taught = data[is_held][:MOST_HELD], data[~is_held]
    model = Gpt(rows)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    before = held_out_loss(model, held, image_start)
    for _ in range(steps):
        batch = taught[torch.randint(len(taught), (BATCH,))]
        optimizer.zero_grad()
        losses(model, batch).mean().backward()
        optimizer.step()
    return model, before, held_out_loss(model, held, image_start)


def main(options: argparse.Namespace) -> int:
    forms = {"memmap": "megatron", "megatron-core": "megatron", "mosaicml-streaming": "mds", "datatrove": "datatrove"}
    forms |= {"olmo-core": "olmo", "olmo-core-bounds": "olmo"}
    layout = layout_of(options.output)
    code = 0
    for name, read in READERS.items():
        start = time.monotonic()
        folder = options.exports / forms[name] if name in forms else options.output
        sequences = [ids for _, ids in read(folder)]
        model, before, after = train(sequences, *layout, options.steps)
        text, visual = (f"{b:.2f} -> {a:.2f}" for b, a in zip(before, after, strict=True))
        parameters = sum(parameter.numel() for parameter in model.parameters()) / 1e6
        # A loss that is not a number has not fallen either.
        has_fallen = bool((after < before).all())
        code |= not has_fallen
        print(
            f"{name:18}  {len(sequences)} sequences, {sum(map(len, sequences))} ids  {parameters:.1f} M parameters  "
            f"loss of text {text}, of visual ids {visual}  {time.monotonic() - start:.0f} s"
            f"{'' if has_fallen else '  HAS NOT FALLEN'}",
            flush=True,
        )
    return code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="the output of a run")
    parser.add_argument("--exports", type=Path, required=True, help="a folder with its exports")
    sys.exit(main(parser.parse_args()))
