"""Generated text in twenty scripts: to train tokenizers on, and to try them on."""

import random

SCRIPTS = {
    "latin": (0x61, 0x7A),
    "latin_accented": (0xC0, 0x17F),
    "greek": (0x3B1, 0x3C9),
    "cyrillic": (0x430, 0x44F),
    "armenian": (0x561, 0x586),
    "hebrew": (0x5D0, 0x5EA),
    "arabic": (0x627, 0x64A),
    "devanagari": (0x905, 0x94D),
    "bengali": (0x995, 0x9B9),
    "gurmukhi": (0xA15, 0xA39),
    "tamil": (0xB95, 0xBCD),
    "telugu": (0xC15, 0xC4D),
    "thai": (0xE01, 0xE3A),
    "georgian": (0x10D0, 0x10F0),
    "hangul": (0xAC00, 0xD7A3),
    "hiragana": (0x3041, 0x3096),
    "katakana": (0x30A1, 0x30FA),
    "han": (0x4E00, 0x9FA5),
    "ethiopic": (0x1200, 0x1248),
    "khmer": (0x1780, 0x17B3),
}
EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇫🇷", "❤️", "🧑🏿‍🚀", "☃", "🫠", "1️⃣"]
CONTROLS = [chr(c) for c in range(1, 32) if chr(c) not in "\n\r"] + ["\0", "\x7f", "\x85", "\xad", "\u200b", "\u200d",
            "\u200e", "\u202e", "\u2028", "\u2060", "\ufeff", "\ufffd", "\ufdd0", "\U000e0041", "\U0010ffff"]
SPACES = [" ", "  ", "    ", "\t", "\xa0", "\u2003", "\u3000", "\u2581", "\u1680"]
# What normal forms change, what looks like markup of tokenizers, numbers and punctuation.
ODD = ["ﬁ", "Å", "Å", "é", "½", "①", "Ⅳ", "㍿", "ｆｕｌｌ", "ｶﾞ", "각", "ẛ̣", "ß", "İ", "ǆ", "々", "<s>", "</s>",
       "<unk>", "<0x0A>", "<pad>", "<mask>", "▁the", "<|endoftext|>", "3.14159", "2026", "1,000,000", "http://a.b/c?d=e&f",
       "#tag", "@name", "don't", "I'LL", "…", "—", "“q”", "¿", "\\n", "`code`", "$5", "€", "100%", "_x_", "~", "^", "|"]


class Corpus:
    """Words of each script, the frequent ones much more frequent, drawn from one seed."""

    def __init__(self, seed, taught=tuple(SCRIPTS)):
        self.random = random.Random(seed)
        self.taught = taught
        self.words = {script: [self._word(*span) for _ in range(150)] for script, span in SCRIPTS.items()}

    def _word(self, first, last):
        return "".join(chr(self.random.randint(first, last)) for _ in range(self.random.randint(1, 7)))

    def word(self, script):
        words = self.words[script]
        return words[min(int(self.random.paretovariate(0.7)) - 1, len(words) - 1)]

    def sentence(self):
        """Mostly one of the taught scripts, with a capital and a full stop: what a trainer is given."""
        script = self.random.choice(self.taught)
        words = [self.word(script if self.random.random() < 0.9 else "latin") for _ in range(self.random.randint(3, 14))]
        if self.random.random() < 0.1:  # so that runs of a character become pieces, and cutting them a matter of ties
            words.append(self.random.choice("aeé字") * self.random.randint(2, 40))
        return " ".join(words).capitalize() + "."

    def text(self):
        """Anything: words, rare characters, spaces, emoji, controls, odd things. No line break."""
        parts = []
        for _ in range(self.random.randint(1, 12)):
            parts.append(self._part())
            if self.random.random() < 0.7:
                parts.append(self.random.choice(SPACES) if self.random.random() < 0.2 else " ")
        return "".join(parts)

    def _part(self):
        kind = self.random.random()
        script = self.random.choice(list(SCRIPTS))
        if kind < 0.5:
            return self.word(script)
        if kind < 0.7:
            return self._word(*SCRIPTS[script])
        if kind < 0.8:
            return self.random.choice(ODD)
        if kind < 0.87:
            return self.random.choice(EMOJI)
        if kind < 0.93:
            return self.random.choice(CONTROLS)
        if kind < 0.97:
            return chr(self.random.choice([self.random.randint(0x20, 0xD7FF), self.random.randint(0xE000, 0x1FFFF)]))
        return self.random.choice(["a", "ab", " ", "é", "字"]) * self.random.randint(1, 60)
