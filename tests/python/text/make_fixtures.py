"""Makes stages/text/tests/fixtures: small tokenizers, and what the libraries and Python's own modules make of texts.

    pip install sentencepiece==0.2.3 tokenizers==0.23.3
    PYTHONPATH=tests/python python -m text.make_fixtures stages/text/tests/fixtures
"""

import html
import json
import os
import shutil
import sys
import unicodedata

import sentencepiece
from tokenizers import Tokenizer

from text.corpus import Corpus
from text.models import train_hugging_face, train_sentence_piece

TAUGHT = ("latin", "latin_accented", "greek", "cyrillic", "arabic")
TEXTS = ["", " ", "a", "  two  spaces  ", "the\nline\tbreak", "</s> <s> <unk> <0x0A> <mask> #tag",
         "<|end_of_text|><|begin_of_text|>", "😀 👩‍👩‍👧‍👦 é ﬁ ㍿", "\0\x01", "\u3000\u200b\ufeff", "ab" * 40]
CAPTIONS = ["Tom &amp; Jerry &lt;3", "caf&eacute; &#233; &#xE9;", "a&nbsp;b", "&copy 2020 &notit; &unknown;", "&#128512;",
            "&amp;amp;", "100 % & more", "&CounterClockwiseContourIntegral;", "e\u0301 A\u030a \u1100\u1161\u11a8",
            "\u212b ﬁ \u0344 q\u0307\u0323", "\u0958 \u2126"]


def main(directory):
    corpus = Corpus(seed=7, taught=TAUGHT)
    sentences = [corpus.sentence() for _ in range(1_500)]
    texts = TEXTS + [corpus.text() for _ in range(110)]
    os.makedirs(directory, exist_ok=True)
    expected = {"texts": texts}
    for name, path in train_sentence_piece(sentences, directory, 700, only=("llama", "unigram_nmt_nfkc_symbols")).items():
        processor = sentencepiece.SentencePieceProcessor(model_file=path)
        ids = processor.encode(texts)
        expected[name] = {"ids": ids, "decoded": processor.decode(ids), "bos": processor.bos_id(),
                          "eos": processor.eos_id(), "vocabulary_size": processor.get_piece_size()}
    for name, path in train_hugging_face(sentences, directory, 500, only=("byte_level",)).items():
        shutil.move(path, os.path.join(directory, name + ".json"))
        os.rmdir(os.path.dirname(path))
        tokenizer = Tokenizer.from_file(os.path.join(directory, name + ".json"))
        tokenizer.encode_special_tokens = True
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        expected[name] = {"ids": ids, "decoded": [tokenizer.decode(i) for i in ids],
                          "bos": tokenizer.token_to_id("<|begin_of_text|>"),
                          "eos": tokenizer.token_to_id("<|end_of_text|>"),
                          "vocabulary_size": max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1}
    expected["captions"] = [{"caption": caption, "html_entities": html.unescape(caption),
                             "nfc": unicodedata.normalize("NFC", caption)} for caption in CAPTIONS + texts]
    with open(os.path.join(directory, "expected.json"), "w") as file:
        json.dump(expected, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
