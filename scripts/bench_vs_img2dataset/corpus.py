"""Makes a LAION-like corpus: FOLDER/site to serve, FOLDER/pairs.parquet of URLs under BASE_URL, FOLDER/corpus.json.

Sizes, qualities and formats follow what LAION's URLs give: JPEGs of about half a megapixel, a few PNG, WebP and GIF, some
that are gone, pages instead of pictures, and files cut short. The same seed makes the same corpus.

usage: corpus.py FOLDER BASE_URL IMAGES PICTURES..
"""

import io
import json
import pathlib
import random
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageFilter

SEED = 20240229
# Shares of the whole; the rest are JPEGs.
SHARES = {"missing": 0.03, "page": 0.01, "truncated": 0.01, "png": 0.04, "webp": 0.03, "gif": 0.01}


def picture(rng: random.Random, sources: list[Image.Image]) -> Image.Image:
    """A piece of a photograph at another scale, with the grain that makes real files as large as they are."""
    width = min(max(int(rng.lognormvariate(6.58, 0.35)), 200), 2400)
    height = min(max(int(width * rng.choice([0.56, 0.67, 0.75, 0.75, 1.0, 1.33])), 150), 2400)
    source = rng.choice(sources)
    left, top = rng.uniform(0, 0.4), rng.uniform(0, 0.4)
    right, bottom = rng.uniform(left + 0.5, 1), rng.uniform(top + 0.5, 1)
    box = (left * source.width, top * source.height, right * source.width, bottom * source.height)
    scaled = source.resize((width, height), Image.Resampling.BICUBIC, box=box)
    if rng.random() < 0.5:
        scaled = scaled.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    grain = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(2, 9), (height, width, 1))
    grained = np.clip(np.asarray(scaled, dtype=np.float32) + grain, 0, 255).astype(np.uint8)
    return Image.fromarray(grained).filter(ImageFilter.SHARPEN) if rng.random() < 0.3 else Image.fromarray(grained)


def encoded(rng: random.Random, image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    if kind in ("png", "webp", "gif"):
        # Pictures in these formats are smaller on the web, as nobody would wait for them otherwise.
        image.thumbnail((500, 500))
    if kind == "png":
        image.save(out, "PNG")
    elif kind == "webp":
        image.save(out, "WEBP", quality=rng.randint(70, 90))
    elif kind == "gif":
        image.convert("P", palette=Image.Palette.ADAPTIVE).save(out, "GIF")
    else:
        subsampling = rng.choice(["4:2:0"] * 8 + ["4:4:4", "4:2:2"])
        image.save(out, "JPEG", quality=rng.randint(70, 92), subsampling=subsampling, progressive=rng.random() < 0.15)
    return out.getvalue()


def main() -> None:
    folder, base, images, *pictures = sys.argv[1:]
    folder = pathlib.Path(folder)
    site = folder / "site"
    site.mkdir(parents=True, exist_ok=True)
    rng = random.Random(SEED)
    sources = [Image.open(path).convert("RGB") for path in pictures]
    kinds = [kind for kind, share in SHARES.items() for _ in range(round(share * int(images)))]
    kinds += ["jpeg"] * (int(images) - len(kinds))
    rng.shuffle(kinds)
    urls, jpegs, pixels = [], [], 0
    for number, kind in enumerate(kinds):
        name = f"{number:06}"
        urls.append(f"{base}/{name}")
        if kind == "missing":
            continue
        if kind == "page":
            (site / name).write_text("<!doctype html><title>gone</title><p>Please log in to see this picture.")
            continue
        image = picture(rng, sources)
        content = encoded(rng, image, kind)
        if kind == "truncated":
            content = content[: len(content) // 2]
        if kind == "jpeg":
            jpegs.append(len(content))
            pixels += image.width * image.height
        (site / name).write_bytes(content)
    captions = [f"picture number {number}" for number in range(len(urls))]
    pq.write_table(pa.table({"URL": urls, "TEXT": captions}), folder / "pairs.parquet")
    facts = {
        "urls": len(urls),
        "kinds": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "jpeg_mean_kb": round(sum(jpegs) / len(jpegs) / 1000, 1),
        "jpeg_mean_mpx": round(pixels / len(jpegs) / 1e6, 3),
        "readable": sum(kind not in ("missing", "page", "truncated") for kind in kinds),
    }
    (folder / "corpus.json").write_text(json.dumps(facts))
    print(json.dumps(facts))


main()
