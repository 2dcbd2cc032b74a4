"""Makes tests/data/golden/tokenizer/styles: the ids of many texts, as digests.

    python3 make_tokenizer_digests.py OUTPUT_FOLDER       (needs `tokenizers`)

Three tokenizers with the regexes, flags and files of Tekken (Nemotron), Llama 3 and Qwen 2, trained on lines.txt.
STYLE.json is the tokenizer.json, STYLE.digests.json what the library makes of
  strings: 10,000 random ones, which the test draws again by the rule of random_string() from random_strings.json;
  lines:   each line of lines.txt, 500 of text in 20 scripts and 500 of code;
  blocks:  every ten of these lines as one text;
  gsm8k:   questions and answers of tests/data/gsm8k_sample.jsonl.
A digest is FNV-1a (32 bits, 8 hexadecimal digits) over the ids as 4 bytes each, lowest first: those with special
tokens recognised and the post-processor run, then -1, then those with special tokens left as text.
"""
import json
import os
import sys

from make_tokenizer_golden import LLAMA3, QWEN2, TEKKEN, bos_template, split
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

VOCABULARY = 1500
STRINGS = 10_000
DIGESTS_IN_A_ROW = 20

# Ranges that random characters come from, half of the time; else from all of Unicode.
RANGES = [(0x20, 0x7E), (0x20, 0x7E), (0x30, 0x39), (0xA0, 0x17F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x531, 0x58A),
          (0x591, 0x5F4), (0x600, 0x6FF), (0x900, 0x97F), (0xE01, 0xE5B), (0x1100, 0x11FF), (0x1E00, 0x1FFE),
          (0x2000, 0x206F), (0x2070, 0x209C), (0x2150, 0x218B), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3),
          (0xFB00, 0xFDFF), (0xFF01, 0xFFDC), (0x10400, 0x1044F), (0x1D400, 0x1D7FF), (0x1F300, 0x1FAF6), (0x20000, 0x2A6DF)]
SNIPPETS = [" ", "  ", "\n", "\r\n", "\n\n", "\t", " the", "The", "'s", "'LL", "'ve", "'\u017f", "don't", " 1234567", "2024", "HTTPServer",
            " iPhone", "...", "://", "/**/", "!=", "<s>", "</s>", "<|im_start|>", "<|eot_id|>", "<think>", "<tool_call>", "e\u0301",
            "a\u0323\u0307", "\u1100\u1161\u11a8", "\uac00\u11a7", "\U0001f44d\U0001f3fd", "\u200d", "\u00a0", "\u3000", "\u2028"]

# Where the tables of the library (Unicode 16.0 in patterns, 11 or so in NFC) and ours (14.0, 15.0) differ: what
# compare_unicode.py prints for L, M, N and NFC.
DIFFERING = """
0897 0CF3 0ECE 1C89-1C8A A7CB-A7CD A7DA-A7DC 105C0-105F3 10D40-10D65 10D69-10D6D 10D6F-10D85 10EC2-10EC4 10EFC-10EFF 1123F-11241
11380-11389 1138B 1138E 11390-113B5 113B7-113C0 113C2 113C5 113C7-113CA 113CC-113D3 113E1-113E2 116D0-116E3 11938 11BC0-11BE0
11BF0-11BF9 11F00-11F10 11F12-11F3A 11F3E-11F42 11F50-11F5A 1342F 13440-13455 13460-143FA 16100-16139 16D40-16D6C 16D70-16D79
18CFF 1B132 1B155 1CCF0-1CCF9 1D2C0-1D2D3 1DF25-1DF2A 1E030-1E06D 1E08F 1E4D0-1E4F9 1E5D0-1E5FA 2B739 2EBF0-2EE5D
31350-323AF"""


def parsed(ranges):
    for text in ranges.split():
        first, _, last = text.partition("-")
        yield int(first, 16), int(last or first, 16)


EXCLUDED = [(0xD800, 0xDFFF)] + list(parsed(DIFFERING))


class SplitMix:
    """The 64-bit generator of Steele, Lea and Flood."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return (z ^ (z >> 31)) % limit


def random_string(seed):
    random, text = SplitMix(seed), ""
    for _ in range(1 + random.below(30)):
        kind = random.below(4)
        if kind == 0:
            part = SNIPPETS[random.below(len(SNIPPETS))]
        else:
            first, last = (0, 0x10FFFF) if kind == 1 else RANGES[random.below(len(RANGES))]
            point = first + random.below(last - first + 1)
            part = "?" if any(a <= point <= b for a, b in EXCLUDED) else chr(point)
        text += part * (1 + (random.below(5) if random.below(6) == 0 else 0))
    return text


def digest(bytes_, value=0x811C9DC5):
    for byte in bytes_:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def digest_of_ids(tokenizer, text):
    tokenizer.encode_special_tokens = False
    ids = tokenizer.encode(text, add_special_tokens=True).ids + [0xFFFFFFFF]
    tokenizer.encode_special_tokens = True
    ids += tokenizer.encode(text, add_special_tokens=False).ids
    return digest(b"".join(id.to_bytes(4, "little") for id in ids))


def every_merge(file):
    """All pairs that make a token, by the token's rank: what conversion from a tiktoken file gives."""
    ranks = file["model"]["vocab"]
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        pairs = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        merges += sorted(pairs, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
    file["model"]["merges"] = [list(pair) for pair in merges]


def trained(pattern, corpus, specials_first=(), ignore_merges=False, tiktoken=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = split(pattern)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=VOCABULARY, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=list(specials_first),
        show_progress=False))
    if not tiktoken:
        return tokenizer
    file = json.loads(tokenizer.to_str())
    every_merge(file)
    return Tokenizer.from_str(json.dumps(file))


def styles(corpus):
    names = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
    tekken = trained(TEKKEN, corpus, names + [f"<SPECIAL_{i}>" for i in range(len(names), 20)], tiktoken=True)
    tekken.post_processor = bos_template(tekken)
    yield "tekken", tekken

    llama = trained(LLAMA3, corpus, ignore_merges=True, tiktoken=True)
    llama.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"])
    bos = processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[
        ("<|begin_of_text|>", llama.token_to_id("<|begin_of_text|>"))])
    llama.post_processor = processors.Sequence([processors.ByteLevel(add_prefix_space=True, trim_offsets=False), bos])
    yield "llama3", llama

    qwen = trained(QWEN2, corpus)
    qwen.normalizer = normalizers.NFC()
    qwen.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    qwen.add_tokens([AddedToken(text, normalized=False) for text in ["<tool_call>", "</tool_call>", "<think>", "</think>"]])
    qwen.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    yield "qwen2", qwen


def write_digests(file, tokenizer, texts_by_name):
    rows = {}
    for name, texts in texts_by_name.items():
        hexes = [f"{digest_of_ids(tokenizer, text):08x}" for text in texts]
        rows[name] = ["".join(hexes[i:i + DIGESTS_IN_A_ROW]) for i in range(0, len(hexes), DIGESTS_IN_A_ROW)]
    json.dump(rows, file, indent=0)
    file.write("\n")


def main(folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(os.path.dirname(folder), "lines.txt"), encoding="utf-8") as file:
        lines = file.read().split("\n")[:-1]
    strings = [random_string(seed) for seed in range(STRINGS)]
    with open(f"{folder}/random_strings.json", "w") as file:
        json.dump({"ranges": RANGES, "snippets": SNIPPETS, "excluded": EXCLUDED,
                   "digest": f"{digest(''.join(strings).encode()):08x}"}, file)
        file.write("\n")
    with open(os.path.join(os.path.dirname(__file__), "../data/gsm8k_sample.jsonl"), encoding="utf-8") as file:
        gsm8k = [row[key] for row in map(json.loads, file) for key in ("question", "answer")]
    blocks = ["\n".join(lines[i:i + 10]) for i in range(0, len(lines), 10)]
    for name, tokenizer in styles([block + "\n" for block in blocks]):
        tokenizer.save(f"{folder}/{name}.json", pretty=False)
        with open(f"{folder}/{name}.digests.json", "w") as file:
            write_digests(file, tokenizer, {"strings": strings, "lines": lines, "blocks": blocks, "gsm8k": gsm8k})


if __name__ == "__main__":
    main(*sys.argv[1:])
