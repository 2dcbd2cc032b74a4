"""Does a model folder written by Temper say the same in transformers as the folder that it was read from?

    python3 check_roundtrip.py FOLDER_FROM_TRANSFORMERS FOLDER_WRITTEN_BY_TEMPER

Prints the largest difference of the logits of 70 tokens in float32 and exits with 0 when it is nothing at all. A
family that transformers does not know (nemotron-nas) is computed by family_model.py instead.
"""
import json
import sys

import torch
import transformers

import family_model
import make_family_golden

TOKENS = 70


def folder_logits(folder):
    with open(f"{folder}/config.json") as file:
        config = json.load(file)
    tokens = torch.arange(TOKENS) * 7 % config["vocab_size"]
    with torch.no_grad():
        if config["model_type"] == "nemotron-nas":
            return family_model.logits(*make_family_golden.read_folder(folder), tokens)
        return make_family_golden.load_transformers(folder, torch.float32)(tokens[None]).logits[0]


def difference(original, written):
    """Largest difference of a logit; 0.0 says that every bit is the same."""
    a, b = folder_logits(original), folder_logits(written)
    if a.shape != b.shape:
        raise ValueError(f"{written}: logits of shape {tuple(b.shape)}, expected {tuple(a.shape)}")
    return float((a - b).abs().max())


def main(original, written):
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    found = difference(original, written)
    print(f"{written}: largest difference of a logit {found:g}, expected 0")
    sys.exit(0 if found == 0 else 1)


if __name__ == "__main__":
    main(*sys.argv[1:3])
