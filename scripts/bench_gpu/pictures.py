"""Pictures for the agreement of ids, as PNG and, the very same pixels, as pictures.npy [pictures, S, S, 3] of bytes.

Noise with the spectrum of photographs, from a seed of its own. PNG is written here, so that numpy is all that is needed.
"""

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from make_random_model import MEAN, STD, natural_pictures

SEED = 2
RGB_OF_8_BITS = (8, 2, 0, 0, 0)


def drawn(count: int, side: int) -> np.ndarray:
    normalised = natural_pictures(np.random.default_rng(SEED), count, side).transpose(0, 2, 3, 1)
    return ((normalised * STD + MEAN) * 255).clip(0, 255).round().astype(np.uint8)


def png(picture: np.ndarray) -> bytes:
    """RFC 2083, every row with filter 0."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, _ = picture.shape
    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    header = struct.pack(">IIBBBBB", width, height, *RGB_OF_8_BITS)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def write(folder: Path, count: int, side: int) -> list[Path]:
    """The PNG files, in the order of pictures.npy."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = drawn(count, side)
    np.save(folder / "pictures.npy", pictures)
    paths = [folder / f"{number:04}.png" for number in range(count)]
    for path, picture in zip(paths, pictures):
        path.write_bytes(png(picture))
    return paths


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
