"""Compares `temper tokenize` with the `tokenizers` package on a file of JSON lines, and times the package.

    python3 compare_tokenizer.py build/release/bin/temper MODEL_FOLDER FILE.jsonl...       (needs `tokenizers`)

Every string value of every line is a text. Prints how many ids differ (none should), and what one thread of the
package takes for the encoding alone; `temper bench tokenize` says the same of ours.
"""
import json
import os
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers  # noqa: E402: reads the variable above


def texts_of(paths):
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                yield from (value for value in json.loads(line).values() if isinstance(value, str))


def ours(temper, folder, texts, options):
    text = "".join(json.dumps({"text": line}) + "\n" for line in texts)
    done = subprocess.run([temper, "tokenize", folder, *options], input=text, capture_output=True, text=True, check=True)
    return [json.loads(line)["tokens"] for line in done.stdout.splitlines()]


def main(temper, folder, *paths):
    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    texts = list(texts_of(paths))
    size = sum(len(text.encode()) for text in texts)
    seconds, theirs = [], []
    for _ in range(3):
        start = time.process_time()
        theirs = [tokenizer.encode(text).ids for text in texts]
        seconds.append(time.process_time() - start)
    mine = ours(temper, folder, texts, [])
    different = [i for i, ids in enumerate(theirs) if ids != mine[i]]
    print(f"{len(texts)} texts, {size} bytes, {sum(map(len, theirs))} ids: {len(different)} texts differ")
    for i in different[:5]:
        print(f"  {texts[i]!r}\n    theirs {theirs[i]}\n    ours   {mine[i]}")
    print(f"tokenizers {tokenizers.__version__}, one thread, processor time: {size / min(seconds) / 1e6:.2f} MB/s (best of {len(seconds)})")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
