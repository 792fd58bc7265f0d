"""Lists the whole JPEGs of a corpus: their URLs in LIST.txt, their names in LIST.files.

usage: jpegs.py SITE BASE_URL LIST
"""

import pathlib
import sys


def main() -> None:
    site, base, out = sys.argv[1:]
    names = []
    for file in sorted(pathlib.Path(site).iterdir()):
        content = file.read_bytes()
        if content.startswith(b"\xff\xd8\xff") and content.endswith(b"\xff\xd9"):
            names.append(file.name)
    pathlib.Path(f"{out}.txt").write_text("".join(f"{base}/{name}\n" for name in names))
    pathlib.Path(f"{out}.files").write_text("".join(f"{name}\n" for name in names))


main()
