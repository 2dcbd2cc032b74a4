"""Makes tests/data/golden/reward: a small random reward model of each family with the values it must give.

    python3 make_reward_golden.py OUTPUT_FOLDER [--seed N]     (torch, transformers, tokenizers, safetensors, numpy)

OUTPUT_FOLDER/NAME/ holds a ...ForSequenceClassification folder of one label and expected.json: token sequences, the
value of each by transformers in float64 and in float32, and those of a text under examples/arithmetic/tokenizer.json.
transformers has no NemotronHForSequenceClassification: that folder has its convention (score.weight in the place of
lm_head.weight), and family_model.py in float64 says the values. The committed files came from seed 1.
"""
import argparse
import json
import os

import numpy as np
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file

import family_model
from make_family_golden import FAMILIES, draw

NAMES = ["llama", "qwen2_tied", "qwen3", "nemotron_h_dense"]
VOCAB, LENGTHS = 272, [1, 2, 5, 70, 17]  # one beyond a tile of keys
TOKENIZER = os.path.join(os.path.dirname(__file__), "../../examples/arithmetic/tokenizer.json")
TEXT = "12+7=#19"


def save(name, seed, folder):
    config = FAMILIES[name]()
    config.vocab_size, config.eos_token_id, config.dtype = VOCAB, 2, torch.float32
    config.num_labels = 1
    if name.startswith("nemotron_h"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    else:
        model = transformers.AutoModelForSequenceClassification.from_config(config)
    model.load_state_dict(draw({n: tuple(value.shape) for n, value in model.state_dict().items()}, seed))
    model.save_pretrained(folder)
    if name.startswith("nemotron_h"):
        make_reward_model(folder)


def make_reward_model(folder):
    """Turns a language model's folder into a reward model's, as transformers does for its other families."""
    path = f"{folder}/model.safetensors"
    values = load_file(path)
    values["score.weight"] = values.pop("lm_head.weight")[:1].clone()
    save_file(values, path, {"format": "pt"})
    with open(f"{folder}/config.json") as file:
        config = json.load(file)
    config["architectures"] = ["NemotronHForSequenceClassification"]
    with open(f"{folder}/config.json", "w") as file:
        json.dump(config, file, indent=2)
        file.write("\n")
    os.remove(f"{folder}/generation_config.json")


@torch.no_grad()
def values_by_transformers(folder, sequences, dtype):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager").to(dtype).eval()
    return [model(torch.tensor([tokens])).logits[0, 0].item() for tokens in sequences]


@torch.no_grad()
def values_by_formulas(folder, sequences):
    with open(f"{folder}/config.json") as file:
        config = json.load(file)
    values = {name: value.double() for name, value in load_file(f"{folder}/model.safetensors").items()}
    values["lm_head.weight"] = values.pop("score.weight")
    return [family_model.logits(config, values, torch.tensor(tokens))[-1, 0].item() for tokens in sequences]


def make(name, folder, seed):
    save(name, seed, folder)
    rng = np.random.default_rng([seed, 2])
    text_tokens = tokenizers.Tokenizer.from_file(TOKENIZER).encode(TEXT).ids
    sequences = [rng.integers(0, VOCAB, length).tolist() for length in LENGTHS] + [text_tokens]
    expected = {"sequences": sequences, "text": TEXT, "torch": torch.__version__.split("+")[0],
                "transformers": transformers.__version__, "seed": seed}
    if name.startswith("nemotron_h"):
        expected |= {"oracle": "family_model.py, float64", "values": values_by_formulas(folder, sequences)}
    else:
        expected |= {"oracle": "transformers, float64",
                     "values": values_by_transformers(folder, sequences, torch.float64),
                     "values_float32": values_by_transformers(folder, sequences, torch.float32)}
        formulas = np.abs(np.subtract(values_by_transformers(folder, sequences, torch.float32), expected["values"]))
        print(name, "float32 from float64, at most", formulas.max())
    with open(f"{folder}/expected.json", "w") as file:
        json.dump(expected, file)
        file.write("\n")
    print(name, expected["values"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for name in NAMES:
        make(name, f"{arguments.output}/{name}", arguments.seed)


if __name__ == "__main__":
    main()
