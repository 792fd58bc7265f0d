"""Ids equal to those of the libraries: sentencepiece and tokenizers, on 10,000 strings in 20 scripts.

    parity.py [--json] COMMAND.. {tokenizer} ..

COMMAND is run once a tokenizer, `{tokenizer}` replaced by its path; it reads a text a line and answers {"ids": [..]} a
line. With --json each line is a JSON string, so that texts with line breaks and very long ones are tried too:

    parity.py img2tokens text --tokenizer {tokenizer}
    parity.py --json target/release/examples/encode_lines {tokenizer} --json
"""

import json
import subprocess
import sys
import tempfile

import sentencepiece
from tokenizers import Tokenizer

from corpus import Corpus
from models import train_hugging_face, train_sentence_piece, with_unused_pieces

STRINGS = 10_000


def texts(corpus, as_json):
    """The strings; as plain lines, none with a line break and none blank."""
    found = [corpus.text() for _ in range(STRINGS * 2)]
    if not as_json:
        return [text for text in found if text.strip() and len(text.splitlines()) == 1 or "\u2028" in text][:STRINGS]
    broken = [text.replace(" ", "\n", 2).replace("  ", "\r\n") for text in found[STRINGS : STRINGS + 1_000]]
    long = [" " * 300_000 + "x", "a" * 200_000, "字ab " * 60_000, "\u0301" * 100_000, "😀" * 50_000]
    return found[: STRINGS] + broken + ["", " ", "\n", "\0"] + long


def ours(command, tokenizer, lines):
    command = [part.replace("{tokenizer}", tokenizer) for part in command]
    output = subprocess.run(command, input="".join(line + "\n" for line in lines).encode(), stdout=subprocess.PIPE,
                            check=True).stdout
    return [json.loads(line)["ids"] for line in output.decode().splitlines()]


def compare(name, strings, theirs, mine):
    assert len(mine) == len(theirs), f"{name}: {len(theirs)} texts, {len(mine)} answers"
    wrong = [index for index in range(len(theirs)) if theirs[index] != mine[index]]
    for index in wrong[:5]:
        print(f"{name}: {strings[index][:80]!r}\n  library {theirs[index][:40]}\n  ours    {mine[index][:40]}")
    print(f"{name}: {len(theirs) - len(wrong)} of {len(theirs)} equal, {sum(map(len, theirs))} ids", flush=True)
    return not wrong


def main(arguments):
    as_json = arguments[:1] == ["--json"]
    command = arguments[1:] if as_json else arguments
    corpus = Corpus(seed=20260)
    sentences = [corpus.sentence() for _ in range(6_000)]
    strings = texts(corpus, as_json)
    lines = [json.dumps(text) for text in strings] if as_json else strings
    equal = True
    with tempfile.TemporaryDirectory() as directory:
        paths = train_sentence_piece(sentences, directory, 3_000)
        paths.update(with_unused_pieces(path, directory) for path in list(paths.values()))
        for name, path in paths.items():
            theirs = sentencepiece.SentencePieceProcessor(model_file=path).encode(strings)
            equal &= compare(f"sentencepiece {name}", strings, theirs, ours(command, path, lines))
        for name, path in train_hugging_face(sentences, directory, 3_000).items():
            library = Tokenizer.from_file(path)
            library.encode_special_tokens = True
            theirs = [library.encode(text, add_special_tokens=False).ids for text in strings]
            equal &= compare(f"tokenizers {name}", strings, theirs, ours(command, path, lines))
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
