"""Text ids equal to those of the libraries whose ids are the standard, sentencepiece and tokenizers: tokenizers trained
here on generated text, and 10,000 strings in twenty scripts with emoji, controls and odd things."""

import json
import subprocess

import pytest
import sentencepiece
from text.corpus import Corpus
from text.models import train_hugging_face, train_sentence_piece, with_unused_pieces
from tokenizers import Tokenizer

STRINGS = 10_000
PIECES = 2_000
LONG = [" " * 100_000 + "x", "a" * 50_000, "字ab " * 20_000, "\u0301" * 20_000, "😀" * 20_000]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus(seed=20260)


@pytest.fixture(scope="module")
def sentences(corpus) -> list[str]:
    return [corpus.sentence() for _ in range(4_000)]


@pytest.fixture(scope="module")
def strings(corpus, sentences) -> list[str]:
    """Lines of text, none of them blank."""
    texts = [text for text in (corpus.text() for _ in range(STRINGS * 3 // 2)) if text.strip()][:STRINGS]
    assert len(texts) == STRINGS and not any("\n" in text or "\r" in text for text in texts)
    return texts + LONG


@pytest.fixture(scope="module")
def agree(program, strings):
    """Asserts that our ids of the strings by a tokenizer are those of its library."""

    def agree(tokenizer: str, expected: list[list[int]]):
        lines = "".join(text + "\n" for text in strings).encode()
        command = [program, "text", "--tokenizer", tokenizer]
        answers = subprocess.run(command, input=lines, stdout=subprocess.PIPE, check=True, timeout=120).stdout
        found = [json.loads(answer)["ids"] for answer in answers.splitlines()]
        assert len(found) == len(strings)
        cases = zip(strings, expected, found, strict=True)
        wrong = [(text[:80], theirs[:40], ours[:40]) for text, theirs, ours in cases if theirs != ours]
        assert not wrong, f"{len(wrong)} of {len(strings)} differ: {wrong[:3]}"

    return agree


@pytest.mark.parametrize("kind", ["llama", "unigram_nmt_nfkc", "unigram_bytes_symbols"])
def test_sentencepiece_gives_the_same_ids(kind, sentences, strings, agree, tmp_path):
    (model,) = train_sentence_piece(sentences, tmp_path, PIECES, only=(kind,)).values()
    _, unused = with_unused_pieces(model, tmp_path)
    for path in (model, unused):
        agree(path, sentencepiece.SentencePieceProcessor(model_file=path).encode(strings))


@pytest.mark.parametrize("kind", ["byte_level", "byte_fallback", "unigram"])
def test_tokenizers_gives_the_same_ids(kind, sentences, strings, agree, tmp_path):
    (path,) = train_hugging_face(sentences, tmp_path, PIECES, only=(kind,)).values()
    library = Tokenizer.from_file(path)
    # A caption is data: what it writes of special tokens is text.
    library.encode_special_tokens = True
    encodings = library.encode_batch(strings, add_special_tokens=False)
    agree(path, [encoding.ids for encoding in encodings])
