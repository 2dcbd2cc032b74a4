"""Writes tests/data/markdown_counts.jsonl: scraps of Markdown and what Arena-Hard's rules count in them.

The rules are regular expressions of Python, which are used here as they are described; the test
compares agents/eval/formats/style.cc with what Python counts. Run from the repository's root.
"""
import json
import random
import re

PIECES = ["#", "##", "### ", "#### ", "# ", "\n", "\n\n", "- ", "* ", "+ ", "1. ", "12.", "3.\t", "**",
          "__", "*", "_", "a", "word", "```", "`", " ", "\u00a0", "\u2003", "\x0b", "\u0664. ", "```py\n",
          "x**b**", "\r\n", "\u0085"]
RULES = [r"^#{%d}\s" % level for level in range(1, 7)]
RULES += [r"^\s*\d+\.\s", r"^\s*[-*+]\s", r"\*\*[^*\n]+\*\*", r"__[^_\n]+__"]

random.seed(5)
with open("tests/data/markdown_counts.jsonl", "w") as out:
    for _ in range(200):
        text = "".join(random.choice(PIECES) for _ in range(random.randint(0, 40)))
        plain = text
        for inside in re.findall("```([^`]*)```", text):
            plain = plain.replace(inside, "") if inside else plain
        counts = [len(re.findall(rule, plain, re.MULTILINE)) for rule in RULES]
        out.write(json.dumps({"text": text, "counts": counts}) + "\n")
