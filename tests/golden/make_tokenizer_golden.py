"""Makes tests/data/golden/tokenizer and the byte tokenizer of the arithmetic example.

    python3 make_tokenizer_golden.py OUTPUT_FOLDER BYTE_TOKENIZER_JSON       (needs `tokenizers`)

Small vocabularies are trained on the text below; the library's own encoding of awkward strings is what ours must
give. FAMILY.json is a tokenizer.json, FAMILY.expected.json a list of {"text", "parse", "as_text", "decoded",
"skipped"}: ids with special tokens recognised (and the post-processor run), ids with them left as text, and the
text of `parse` with and without its special tokens.
"""
import json
import os
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

GPT2 = None  # ByteLevel's own
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
          r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")

CORPUS = """The quick brown fox jumps over the lazy dog; it's what they've always done, isn't it? We'll see.
Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends.
How many dollars does she make? 16 - 3 - 4 = 9 eggs; 9 * 2 = $18. #### 18
def total(prices):\n    return sum(price for price in prices if price > 0)\n\n\nclass Basket:\n\tpass\n
Größe, naïve café, Ελληνικά γράμματα, Русский текст, 日本語の文章, 한국어 문장, العربية, हिन्दी, ภาษาไทย.
CamelCaseWords and SCREAMING_CASE mixed; http://example.com/path?query=1&other=2 10,000.50 3.14159
""" * 4

TEXTS = [
    "", " ", "  ", "\n", "a", "Hello world", " Hello  world ", "The lazy dog's 12345 eggs, isn't it?",
    "IT'S WE'LL they'Ve don'T 'ſ 'S", "x" * 200, "ab" * 150, "the the  the   the\t\tthe\n\n  the \r\n the\n",
    "trailing spaces   ", "   leading", "a\u00a0b\u2003c\u3000d\u1680e\u180ef\u0085g\u2028h", "\u200bzero\u200dwidth",
    "Größe naïve café cafe\u0301 ΕΛΛΗΝΙΚΑ ελληνικά Русский", "日本語の文章です。1２３①Ⅳ½", "한국어 문장 العربية हिन्दी ภาษาไทย",
    "ǅ ʰmodifier ªº ǈ", "emoji 👍🏽👨‍👩‍👧 flags 🇩🇪 end", "CamelCaseWords HTTPServer iPhone McDonald's XMLHttp",
    "3.14159 10,000.50 1e-9 0x7f 2024-11-24 12345678901234567890", "def f(x):\n    return x**2  # done\n\n\n",
    "a/b//c\\d path/to/\n\n/end", "...!!!???\n\n---\n***", "<s>Hello</s>", "<s> x </s> <pad>y<s><s>",
    "user says </s> and <tool> ok", "word<mask>word <mask> word", "  <strip>  x  <strip>", "a<strip>\n\nb",
    "foo single foo singles xsingle single", "single", "<sx <s", "\u0000\u0001\u001f\u007f", "Ġ Ċ ĉ", "\U0010ffff\ud7ff\ue000",
    "\u0301\u0302 leading marks", "12 34 567 8901 २३४५ ٣٤٥", "tab\there\r\rcr\r\nlf\n\x0bvt\x0cff",
    "a\u0323\u0307 a\u0307\u0323 \u1e69 s\u0307\u0323", "ﬁne ½ ℌ ① Å \u212b \ufdfa",
    "\uac00\u11a7 \u1100\u1161\u11a8 \uac01 \u1100\u1161", "</s>\n\n\nafter", "</s> \n \t<tool>", "12345678 1234 12 HelloWorldABC",
    "a\u200dsingle single\u200c single①", "<café> <cafe\u0301> <CAFÉ>", "¿Qué? — „so“ … 100% naïve ☃ 漢字 <0x41>", "▁a ▁▁ _ ▁",
]

ADDED = [
    AddedToken("<pad>", special=True, normalized=False), AddedToken("<s>", special=True, normalized=False),
    AddedToken("</s>", special=True, normalized=False), AddedToken("<tool>", special=False, normalized=False),
    AddedToken("<mask>", special=True, lstrip=True, normalized=False),
    AddedToken("<strip>", special=False, lstrip=True, rstrip=True, normalized=True),
    AddedToken("single", special=False, single_word=True, normalized=True),
]


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated", invert=False),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def trained(pre_tokenizer, vocabulary, ignore_merges=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator([CORPUS], trainers.BpeTrainer(
        vocab_size=vocabulary, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    special = [token for token in ADDED if token.special]
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens([token for token in ADDED if not token.special])
    return tokenizer


def bos_template(tokenizer, eos=False):
    ids = [("<s>", tokenizer.token_to_id("<s>"))] + ([("</s>", tokenizer.token_to_id("</s>"))] if eos else [])
    return processors.TemplateProcessing(single="<s> $A" + (" </s>" if eos else ""), special_tokens=ids)


def families():
    yield "gpt2", trained(pre_tokenizers.ByteLevel(add_prefix_space=False), 420)
    prefixed = trained(pre_tokenizers.ByteLevel(add_prefix_space=True), 400)
    prefixed.post_processor = processors.ByteLevel(trim_offsets=False)
    yield "gpt2_prefix_space", prefixed
    llama = trained(split(LLAMA3), 450, ignore_merges=True)
    llama.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), bos_template(llama)])
    yield "llama3", llama
    yield "qwen2", trained(split(QWEN2), 450)
    tekken = trained(split(TEKKEN), 450)
    tekken.post_processor = bos_template(tekken, eos=True)
    yield "tekken", tekken
    steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Split(" ", "merged_with_next"),
             pre_tokenizers.Split(Regex(r"[.,!?]"), "merged_with_previous"), pre_tokenizers.Split(Regex(r"\n+"), "removed"),
             pre_tokenizers.Split(Regex(r"\w+"), "contiguous", invert=True),
             pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    yield "steps", trained(pre_tokenizers.Sequence(steps), 330)
    places = [pre_tokenizers.Split(Regex(r"(?=[A-Z])"), "isolated"), pre_tokenizers.Split(Regex(r"\b"), "merged_with_previous"),
              pre_tokenizers.Split(Regex(r"(?<=[0-9])(?=(?:[0-9]{3})+(?![0-9]))"), "removed"),
              pre_tokenizers.Split(Regex(r"\p{Han}+|(?i:the)|x*"), "merged_with_next", invert=True),
              pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    empty = trained(pre_tokenizers.Sequence(places), 330)
    empty.post_processor = processors.Sequence([processors.ByteLevel(), bos_template(empty, eos=True), processors.ByteLevel()])
    yield "empty_matches", empty
    yield "sentencepiece", sentencepiece(fallback=True)
    yield "unknown", sentencepiece(fallback=False)
    yield "nfc", normalized(normalizers.NFC())
    yield "nfkd", normalized(normalizers.Sequence([normalizers.NFKD(), normalizers.Replace(Regex(r"\p{M}+"), "")]))


def sentencepiece(fallback):
    """As Llama 2 has it: no pre-tokenizer, spaces as U+2581, and bytes (or <unk>) for what has no token."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator([CORPUS[:700]], trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False))
    file = json.loads(tokenizer.to_str())
    model, bytes_ = file["model"], [f"<0x{byte:02X}>" for byte in range(256)] if fallback else []
    model["byte_fallback"] = fallback
    model["vocab"] |= {name: len(model["vocab"]) + i for i, name in enumerate(bytes_)}
    file["pre_tokenizer"] = None
    file["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
    file["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    tokenizer = Tokenizer.from_str(json.dumps(file))
    tokenizer.post_processor = bos_template(tokenizer)
    return tokenizer


def normalized(normalizer):
    tokenizer = trained(split(QWEN2), 330)
    tokenizer.normalizer = normalizer
    # Found in the normalized text, whichever way they are written here.
    tokenizer.add_tokens([AddedToken("<cafe\u0301>", normalized=True), AddedToken("\u1e69", normalized=False)])
    return tokenizer


def expected(tokenizer):
    for text in TEXTS:
        tokenizer.encode_special_tokens = False
        parse = tokenizer.encode(text, add_special_tokens=True).ids
        tokenizer.encode_special_tokens = True
        as_text = tokenizer.encode(text, add_special_tokens=False).ids
        yield {"text": text, "parse": parse, "as_text": as_text,
               "decoded": tokenizer.decode(parse, skip_special_tokens=False),
               "skipped": tokenizer.decode(parse, skip_special_tokens=True)}


def byte_tokenizer():
    """<pad> <s> </s>, then byte b as 3 + b, no merges: vocab_size 259."""
    names = ["<pad>", "<s>", "</s>"]
    printable = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    others = [b for b in range(256) if b not in printable]
    character = {b: chr(b) for b in printable} | {b: chr(256 + n) for n, b in enumerate(others)}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": name, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for i, name in enumerate(names)],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {name: i for i, name in enumerate(names)} | {character[b]: 3 + b for b in range(256)},
                  "merges": []},
    }


def main(folder, byte_path):
    os.makedirs(folder, exist_ok=True)
    with open(byte_path, "w") as file:
        json.dump(byte_tokenizer(), file, ensure_ascii=False, indent=1)
        file.write("\n")
    for name, tokenizer in [*families(), ("bytes", Tokenizer.from_file(byte_path))]:
        cases = list(expected(tokenizer))
        tokenizer.encode_special_tokens = False
        if name != "bytes":
            tokenizer.save(f"{folder}/{name}.json", pretty=False)
        with open(f"{folder}/{name}.expected.json", "w") as file:
            file.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
