"""The tokenizer that a model is trained with, `model tokenizer-with-visual-tokens`, in Python's `tokenizers`."""

import json
import subprocess

import pyarrow.parquet as pq
import pytest
from conftest import ROOT
from text.corpus import Corpus
from text.models import train_hugging_face
from tokenizers import Tokenizer

LLAMA = 32_000
CODES = 16_384


@pytest.fixture(scope="module")
def extend(program, tmp_path_factory):
    """Extends a tokenizer by so many codes; returns it and what the program says."""

    def extend(tokenizer, codes: int = CODES) -> tuple[Tokenizer, str]:
        extended = tmp_path_factory.mktemp("extended") / "tokenizer.json"
        command = [program, "model", "tokenizer-with-visual-tokens", tokenizer, extended, f"--codebook-size={codes}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return Tokenizer.from_file(str(extended)), done.stdout

    return extend


def llama_like(folder) -> tuple[Tokenizer, str]:
    """A byte-fallback BPE of as many ids as LLaMA's: a small one trained here, filled up with whole words."""
    sentences = [Corpus(seed=5).sentence() for _ in range(500)]
    (path,) = train_hugging_face(sentences, folder, 600, only=("byte_fallback",)).values()
    with open(path) as file:
        tokenizer = json.load(file)
    vocab = tokenizer["model"]["vocab"]
    vocab |= {f"▁filler{id}": id for id in range(len(vocab), LLAMA)}
    with open(path, "w") as file:
        json.dump(tokenizer, file)
    return Tokenizer.from_file(path), path


def test_over_llamas_vocabulary_the_ids_are_those_of_lavit(extend, tmp_path):
    original, path = llama_like(tmp_path)
    assert original.get_vocab_size() == LLAMA
    extended, said = extend(path)
    assert extended.get_vocab_size() == 48_386
    assert said.endswith("a model needs 48386 rows of embeddings\n")
    names = ["[IMG]", "[/IMG]", *(f"[IMG_{code}]" for code in range(CODES))]
    assert [extended.id_to_token(id) for id in range(LLAMA, 48_386)] == names
    added = extended.get_added_tokens_decoder()
    assert all(added[id].special for id in range(LLAMA, 48_386))
    texts = [Corpus(seed=6).text() for _ in range(300)]
    assert [e.ids for e in extended.encode_batch(texts)] == [e.ids for e in original.encode_batch(texts)]
    assert extended.encode("[IMG][IMG_16383][/IMG]").ids == [32_000, 48_385, 32_001]


def test_our_sequences_decode_to_the_caption_and_the_names_of_the_codes(program, extend, tmp_path):
    tokenizer = ROOT / "stages/text/tests/fixtures/byte_level.json"
    command = [program, "run", ROOT / "configs/quickstart.toml", "--limit", "32"]
    command += ["--set", f"text.tokenizer={tokenizer}", "--set", f"output.path={tmp_path / 'out'}"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    table = pq.read_table(tmp_path / "out" / "data")
    provenance = pq.read_schema(tmp_path / "out" / "data" / "part-00000.parquet").metadata[b"img2tokens.provenance"]
    extended, _ = extend(tokenizer, json.loads(provenance)["vocabulary"]["codebook_size"])
    rows = table.to_pylist()
    assert {row["order"] for row in rows} == {"image_text", "text_image"}
    for row in rows:
        image = "[IMG]" + "".join(f"[IMG_{code}]" for code in row["image_codes"]) + "[/IMG]"
        left, right = (image, row["caption"]) if row["order"] == "image_text" else (row["caption"], image)
        assert extended.decode(row["input_ids"], skip_special_tokens=False) == left + right + "<|end_of_text|>"
        assert extended.decode(row["input_ids"]) == row["caption"]
