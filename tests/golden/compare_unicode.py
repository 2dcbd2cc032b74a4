"""Finds the code points that Temper's tokenizer and the `tokenizers` package class differently.

    python3 compare_unicode.py build/release/bin/temper       (needs `tokenizers`)

The two carry tables of different Unicode versions. Every code point goes through both, in tokenizers that drop
what matches one property, or that bring it to a normal form; docs/tokenizers.md says what came out.
"""
import json
import os
import subprocess
import sys
import tempfile
import unicodedata

import tokenizers
from make_tokenizer_golden import byte_tokenizer

PROPERTIES = [r"\s", r"\w", r"\d", r"\p{L}", r"\p{Lu}", r"\p{Ll}", r"\p{Lt}", r"\p{Lm}", r"\p{Lo}", r"\p{M}", r"\p{N}", r"\p{P}",
              r"\p{S}", r"\p{Han}", r"\p{Cyrillic}", r"(?i:s)", r"(?i:k)"]
FORMS = ["NFC", "NFD", "NFKC", "NFKD"]
CHUNK = 128
POINTS = [point for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF]


def with_property(pattern):
    steps = [{"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": False},
             {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]
    return byte_tokenizer() | {"pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}}


def single_word():
    """A token that stands only where no word touches it: which characters make words?"""
    json_file = byte_tokenizer()
    json_file["added_tokens"].append(json_file["added_tokens"][0] | {"id": 259, "content": "<w>", "single_word": True})
    return json_file


def ours(temper, path, lines):
    text = "".join(json.dumps({"text": line}) + "\n" for line in lines)
    done = subprocess.run([temper, "tokenize", path, "--no-special"], input=text, capture_output=True, text=True, check=True)
    return [json.loads(line)["tokens"] for line in done.stdout.splitlines()]


def differing(temper, tokenizer_json, texts):
    """Numbers of the texts whose ids differ. Many share a line first, since most lines are equal."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tokenizer.json")
        with open(path, "w") as file:
            json.dump(tokenizer_json, file)
        theirs = tokenizers.Tokenizer.from_file(path)

        def unequal(lines):
            return [i for i, ids in enumerate(ours(temper, path, lines))
                    if ids != theirs.encode(lines[i], add_special_tokens=False).ids]

        chunks = unequal(["\n".join(texts[i:i + CHUNK]) for i in range(0, len(texts), CHUNK)])
        suspects = [i for chunk in chunks for i in range(chunk * CHUNK, min(len(texts), (chunk + 1) * CHUNK))]
        return [suspects[i] for i in unequal([texts[i] for i in suspects])]


def ranges(points):
    runs = []
    for point in points:
        if runs and runs[-1][1] == point - 1:
            runs[-1][1] = point
        else:
            runs.append([point, point])
    return " ".join(f"{a:04X}" if a == b else f"{a:04X}-{b:04X}" for a, b in runs)


def report(name, points):
    assigned = [point for point in points if unicodedata.category(chr(point)) != "Cn"]
    print(f"{name}: {len(points)} differ, {len(assigned)} of them assigned in Unicode {unicodedata.unidata_version}", flush=True)
    for label, some in (("assigned", assigned), ("not yet assigned", sorted(set(points) - set(assigned)))):
        if some:
            print(f"  {label}: {ranges(some)}")
    return set(points)


def main(temper):
    union = set()
    for pattern in PROPERTIES:
        lines = [chr(point) for point in POINTS]
        union |= report(pattern, [POINTS[i] for i in differing(temper, with_property(pattern), lines)])
    for side, text in (("before", "{}<w>"), ("after", "<w>{}")):
        found = differing(temper, single_word(), [text.format(chr(point)) for point in POINTS])
        union |= report(f"word {side} an added token", [POINTS[i] for i in found])
    for form in FORMS:
        tokenizer_json = byte_tokenizer() | {"normalizer": {"type": form}}
        for name, lines in ((form, [chr(point) for point in POINTS]),
                            (f"{form} of NFD", [unicodedata.normalize("NFD", chr(point)) for point in POINTS])):
            union |= report(name, [POINTS[i] for i in differing(temper, tokenizer_json, lines)])
    report("together", sorted(union))


if __name__ == "__main__":
    main(*sys.argv[1:])
