"""Tokenizers of every kind, trained here on generated text by the libraries whose ids are the standard."""

import os

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

# LLaMA's own options, but for the size.
LLAMA = dict(model_type="bpe", byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
             split_digits=True, allow_whitespace_only_pieces=True, character_coverage=0.98)
SYMBOLS = dict(user_defined_symbols=["<mask>", "#tag", "ab"], control_symbols=["<ctl>", "~"])
SENTENCE_PIECE = {
    "llama": LLAMA,
    "bpe_nmt_nfkc_symbols": dict(model_type="bpe", character_coverage=0.98, **SYMBOLS),
    "bpe_suffix": dict(LLAMA, treat_whitespace_as_suffix=True),
    "unigram_nmt_nfkc": dict(model_type="unigram", character_coverage=0.98),
    "unigram_nmt_nfkc_symbols": dict(model_type="unigram", character_coverage=0.98, **SYMBOLS),
    "unigram_bytes_symbols": dict(model_type="unigram", byte_fallback=True, normalization_rule_name="identity",
                                  character_coverage=0.98, **SYMBOLS),
    "unigram_nfkc_cf_raw": dict(model_type="unigram", normalization_rule_name="nfkc_cf", add_dummy_prefix=False,
                                remove_extra_whitespaces=False, character_coverage=0.98, byte_fallback=True),
}
# LLaMA 3's way to cut a text before its byte-level BPE.
LLAMA_3_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                 r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def train_sentence_piece(sentences, directory, sizes, only=None):
    """The models' paths by name."""
    sentencepiece.set_min_log_level(2)
    paths = {}
    for name, options in SENTENCE_PIECE.items():
        if only and name not in only:
            continue
        prefix = os.path.join(directory, name)
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(sentences), model_prefix=prefix, num_threads=2,
                                                 vocab_size=sizes, hard_vocab_limit=False, **options)
        os.remove(prefix + ".vocab")
        paths[name] = prefix + ".model"
    return paths


def with_unused_pieces(path, directory):
    """The model with every third of its longer pieces marked as not to be used: `type: UNUSED` put at the piece's end,
    where the last of a field's values counts."""
    processor = sentencepiece.SentencePieceProcessor(model_file=path)
    with open(path, "rb") as file:
        model = file.read()
    result, position, piece = bytearray(), 0, 0
    while position < len(model) and model[position] == 0x0A:  # field 1, the pieces, which come first
        size, start = _varint(model, position + 1)
        message = model[start : start + size]
        if piece % 3 == 0 and len(processor.id_to_piece(piece)) > 1 and not processor.is_control(piece) \
                and not processor.is_unknown(piece) and not processor.is_byte(piece):
            message += bytes([3 << 3, 5])
        assert len(message) < 128, "one byte of length is all that is written here"
        result += bytes([0x0A, len(message)]) + message
        position, piece = start + size, piece + 1
    result += model[position:]
    name = os.path.basename(path).replace(".model", "_unused")
    with open(os.path.join(directory, name + ".model"), "wb") as file:
        file.write(result)
    return name, os.path.join(directory, name + ".model")


def _varint(data, position):
    number = shift = 0
    while True:
        byte = data[position]
        number |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return number, position


def _byte_level(size, sentences):
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA_3_SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  special_tokens=["<|begin_of_text|>", "<|end_of_text|>"], show_progress=False)
    tokenizer.train_from_iterator(sentences, trainer)
    tokenizer.add_tokens([AddedToken("#tag", normalized=False), "http"])
    tokenizer.add_special_tokens(["<mask>"])
    return tokenizer


def _byte_fallback(size, sentences):
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials, limit_alphabet=400, show_progress=False)
    tokenizer.train_from_iterator([sentence.replace(" ", "▁") for sentence in sentences], trainer)
    return tokenizer


def _unigram(size, sentences):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(),
                                                 normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>",
                                      show_progress=False)
    tokenizer.train_from_iterator(sentences, trainer)
    return tokenizer


def _word_piece(size, sentences):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=["[UNK]", "[CLS]", "[SEP]"],
                                        show_progress=False)
    tokenizer.train_from_iterator(sentences, trainer)
    return tokenizer


HUGGING_FACE = {"byte_level": _byte_level, "byte_fallback": _byte_fallback, "unigram": _unigram,
                "word_piece": _word_piece}


def train_hugging_face(sentences, directory, size, only=None):
    """The tokenizer.json paths by name."""
    paths = {}
    for name, train in HUGGING_FACE.items():
        if only and name not in only:
            continue
        paths[name] = os.path.join(directory, name, "tokenizer.json")
        os.makedirs(os.path.dirname(paths[name]), exist_ok=True)
        train(size, sentences).save(paths[name])
    return paths
