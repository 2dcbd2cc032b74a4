"""Runs Temper on the folders that make_family_golden.py made, and prints one line per family.

    python3 parity_table.py GOLDEN_FOLDER TEMPER_PROGRAM

log-prob: the largest difference of a log-probability (`temper score`) in units of the largest one; reference is the
float64 model, the last columns say how far transformers itself is from it in float32. greedy: whether the 64 tokens
of `temper generate` are the reference's. round trip: whether the folder of `temper export` gives every bit of the
original's logits in transformers. Exits with 1 when a family fails.
"""
import json
import os
import subprocess
import sys
import tempfile

import torch
import transformers

import check_roundtrip

LOGPROB_TOLERANCE = 2e-5
MESSAGE_MAX = 200  # characters of an error in the table


def run(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments[:2])}: exit code {done.returncode}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def logprob_difference(program, folder, expected, scratch):
    lines = f"{scratch}/sequences.jsonl"
    with open(lines, "w") as file:
        file.writelines(json.dumps({"tokens": tokens}) + "\n" for tokens in expected["sequences"])
    found = [value for line in run(program, "score", folder, "--input", lines) for value in line["logprobs"]]
    wanted = expected["logprob"]
    if len(found) != len(wanted):
        raise RuntimeError(f"score {folder}: {len(found)} log-probs, expected {len(wanted)}")
    return max(abs(a - b) for a, b in zip(found, wanted)) / max(map(abs, wanted))


def greedy_equal(program, folder, expected):
    prompt, wanted = expected["prompt"], expected["greedy"]
    (found,) = run(program, "generate", folder, "--tokens", ",".join(map(str, prompt)), "--temperature", "0",
                   "--max-tokens", str(len(wanted)), "--json")
    return found["tokens"] == wanted


def row_of(program, folder):
    """The cells of a family and whether it passed."""
    with open(f"{folder}/expected.json") as file:
        expected = json.load(file)
    beside = expected.get("transformers_float32", {})
    try:
        with tempfile.TemporaryDirectory() as scratch:
            logprob = logprob_difference(program, folder, expected, scratch)
            greedy = greedy_equal(program, folder, expected)
            run(program, "export", folder, f"{scratch}/written", "--json")
            trip = check_roundtrip.difference(folder, f"{scratch}/written")
    except (RuntimeError, ValueError, OSError) as error:
        return [f"FAILED: {error}"[:MESSAGE_MAX]], False
    passed = logprob <= LOGPROB_TOLERANCE and greedy and trip == 0
    cells = [f"{logprob:.1e}", "equal" if greedy else "DIFFERS", "identical" if trip == 0 else f"{trip:.1e}",
             f"{beside['logits']:.1e}" if beside else "no class", "passed" if passed else "FAILED"]
    return cells, passed


def main(golden, program):
    torch.set_num_threads(1)  # the models are tiny: threads would only wait for each other
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    header = ["family", "log-prob", "greedy", "round trip", "transformers", "verdict"]
    print("".join(f"{cell:<20}" for cell in header))
    all_passed = True
    for name in sorted(os.listdir(golden)):
        cells, passed = row_of(program, f"{golden}/{name}")
        all_passed &= passed
        print("".join(f"{cell:<20}" for cell in [name, *cells]), flush=True)
    sys.exit(0 if all_passed else 1)


if __name__ == "__main__":
    main(*sys.argv[1:3])
