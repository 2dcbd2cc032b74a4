"""Makes tests/data/golden/families: a small random model of each family with what it must compute.

    python3 make_family_golden.py OUTPUT_FOLDER [--seed N] [NAME ...]     (torch, transformers, safetensors, numpy)

OUTPUT_FOLDER/NAME/ holds a model folder as transformers' save_pretrained writes it, and what family_model.py
(float64) says of it: logits.f32, every row of expected.json's sequences; gradients/model.safetensors, of the mean
negative log-likelihood of every next token; expected.json, the batch, log-probabilities, a greedy continuation, and
how far transformers itself is from these figures. The committed files came from seed 1.

transformers has no DeciLM: that folder is written here, and a DeciLM of whole blocks is compared with its Llama.
"""
import argparse
import json
import os
import sys

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

import family_model

LENGTHS = [1, 5, 70, 17]  # one beyond a tile of keys
PROMPT_TOKENS, NEW_TOKENS = 6, 64
VOCAB, EOS = 48, 47
GREEDY_MARGIN, ROUTER_MARGIN = 1e-3, 1e-5  # a choice closer than this may fall otherwise in float32

COMMON = dict(vocab_size=VOCAB, hidden_size=24, bos_token_id=1, eos_token_id=EOS, pad_token_id=0)
HYBRID = COMMON | dict(
    num_attention_heads=4, num_key_value_heads=2, head_dim=12, intermediate_size=24, mamba_num_heads=4,
    mamba_head_dim=4, ssm_state_size=8, n_groups=2, chunk_size=128, n_routed_experts=8, num_experts_per_tok=2,
    moe_intermediate_size=8, moe_shared_expert_intermediate_size=12, routed_scaling_factor=2.5)
DECODER = COMMON | dict(
    num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1, intermediate_size=40,
    max_position_embeddings=256, pad_token_id=None)  # a padding token would get no gradient
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0)
# Of the 4 or 8 wavelengths some are kept, some interpolated, some divided; rows go beyond 32 positions.
LLAMA3_SHORT = LLAMA3 | dict(rope_theta=500.0, original_max_position_embeddings=32)


def hybrid(pattern, **changes):
    names = {"M": "linear_attention", "*": "full_attention", "-": "mlp", "E": "moe"}
    layers = [names[kind] for kind in pattern]
    return transformers.NemotronHConfig(layers_block_type=layers, **HYBRID | changes)


FAMILIES = {
    "nemotron_h_dense": lambda: hybrid("M*-M"),
    "nemotron_h_moe": lambda: hybrid("ME*"),
    "nemotron_h_latent": lambda: hybrid("M*E", moe_latent_size=16, num_experts_per_tok=3, routed_scaling_factor=5.0),
    "nemotron_h_grouped": lambda: hybrid("EM*", n_group=2, topk_group=1),
    "qwen2": lambda: transformers.Qwen2Config(
        **DECODER, rope_parameters=dict(rope_type="default", rope_theta=1e6)),
    "qwen2_tied": lambda: transformers.Qwen2Config(
        **DECODER, tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=1e6)),
    "qwen3": lambda: transformers.Qwen3Config(
        **DECODER | dict(num_attention_heads=4, num_key_value_heads=2, head_dim=12),
        rope_parameters=dict(rope_type="default", rope_theta=1e6)),
    "llama": lambda: transformers.LlamaConfig(
        **DECODER, rms_norm_eps=1e-5, rope_parameters=dict(rope_type="default", rope_theta=10000.0)),
    "llama3_rope": lambda: transformers.LlamaConfig(
        **DECODER | dict(num_attention_heads=2, num_key_value_heads=1, head_dim=16), rms_norm_eps=1e-5,
        rope_parameters=LLAMA3_SHORT),
}


# ---- folders

def draw(shapes, seed):
    """Values of a trained model's size: every nonlinearity is entered on both sides, softmax is not flat."""
    rng = np.random.default_rng(seed)
    values = {}
    for name, shape in sorted(shapes.items()):
        noise = rng.standard_normal(shape)
        if name.endswith("A_log"):
            value = np.log(rng.uniform(0.5, 8.0, shape))
        elif name.endswith("dt_bias"):
            value = -4.0 + 2.0 * noise  # steps below time_step_min occur: that is for fresh values only
        elif name.endswith(("norm.weight", "norm_f.weight", ".D")):
            value = 1.0 + 0.2 * noise
        elif name.endswith("correction_bias"):
            value = 0.2 * noise
        elif name.endswith(".bias") or "conv1d" in name:
            value = 0.4 * noise
        elif "embed" in name:
            value = noise
        else:
            gain = 2.0 if name.startswith("lm_head") or "q_proj" in name else 1.0
            value = gain * noise / np.sqrt(shape[-1])
        values[name] = torch.tensor(value, dtype=torch.float32)
    return values


def save_from_transformers(config, seed, folder):
    """Random values put into a model of transformers, which writes the folder its own way."""
    config.dtype = torch.float32
    model = transformers.AutoModelForCausalLM.from_config(config)
    state = model.state_dict()
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    values = draw({name: tuple(value.shape) for name, value in state.items() if name not in tied}, seed)
    model.load_state_dict(values | {name: values["model.embed_tokens.weight"] for name in tied})
    model.save_pretrained(folder)


def deci_block(heads_in_group, ffn_mult, attention_linear=False, ffn_linear=False):
    return {
        "attention": {"n_heads_in_group": heads_in_group, "no_op": heads_in_group is None and not attention_linear,
                      "num_sink_tokens": None, "replace_with_linear": attention_linear, "sparsify": None,
                      "unshifted_sink": False, "use_prefill_window_in_sink_attention": False, "window_length": None},
        "ffn": {"ffn_mult": ffn_mult, "no_op": ffn_mult is None and not ffn_linear,
                "replace_with_linear": ffn_linear, "sparsify": None}}


def deci_config(blocks):
    return {"architectures": ["DeciLMForCausalLM"], "model_type": "nemotron-nas", "block_configs": blocks,
            "num_hidden_layers": len(blocks), "vocab_size": VOCAB, "hidden_size": 16, "num_attention_heads": 2,
            "num_key_value_heads": None, "intermediate_size": None, "hidden_act": "silu", "rms_norm_eps": 1e-5,
            "rope_theta": 500.0, "rope_scaling": LLAMA3 | {"original_max_position_embeddings": 32},
            "max_position_embeddings": 256, "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": False,
            "bos_token_id": 1, "eos_token_id": [EOS], "torch_dtype": "float32", "use_cache": True}


def deci_width(ffn_mult, hidden):
    return -(-int(2 * ffn_mult * hidden / 3) // 256) * 256


def deci_shapes(c):
    d, heads = c["hidden_size"], c["num_attention_heads"]
    shapes = {"model.embed_tokens.weight": (VOCAB, d), "model.norm.weight": (d,), "lm_head.weight": (VOCAB, d)}
    for i, block in enumerate(c["block_configs"]):
        at, attention, ffn = f"model.layers.{i}.", block["attention"], block["ffn"]
        if not attention["no_op"]:
            shapes[at + "input_layernorm.weight"] = (d,)
        if attention["replace_with_linear"]:
            shapes[at + "self_attn.linear_attn.weight"] = (d, d)
        elif not attention["no_op"]:
            kv = d // attention["n_heads_in_group"]
            shapes |= {at + f"self_attn.{n}_proj.weight": (rows, d) for n, rows in dict(q=d, k=kv, v=kv, o=d).items()}
        if not ffn["no_op"]:
            shapes[at + "post_attention_layernorm.weight"] = (d,)
        if ffn["replace_with_linear"]:
            shapes[at + "mlp.linear_mlp.weight"] = (d, d)
        elif not ffn["no_op"]:
            width = deci_width(ffn["ffn_mult"], d)
            shapes |= {at + "mlp.gate_proj.weight": (width, d), at + "mlp.up_proj.weight": (width, d),
                       at + "mlp.down_proj.weight": (d, width)}
    return shapes


def save_deci(seed, folder):
    config = deci_config([deci_block(2, 2.0), deci_block(None, 30.0), deci_block(None, None, attention_linear=True),
                          deci_block(1, None, ffn_linear=True), deci_block(None, None)])
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/config.json", "w") as file:
        json.dump(config, file, indent=2)
        file.write("\n")
    save_file(draw(deci_shapes(config), seed), f"{folder}/model.safetensors", {"format": "pt"})


# ---- what must come out

def read_folder(folder):
    """config and float64 leaves of a model folder."""
    with open(f"{folder}/config.json") as file:
        config = json.load(file)
    values = load_file(f"{folder}/model.safetensors")
    return config, {name: value.double().requires_grad_() for name, value in values.items()}


def batch(seed):
    rng = np.random.default_rng([seed, 1])
    sequences = [rng.integers(0, VOCAB, length).tolist() for length in LENGTHS]
    return sequences, rng.integers(0, VOCAB, PROMPT_TOKENS).tolist()


def predicted(sequences):
    """The rows of the packed batch that predict a token, and that token."""
    begins = np.cumsum([0] + [len(tokens) for tokens in sequences])
    rows = [begin + i for begin, tokens in zip(begins.tolist(), sequences) for i in range(len(tokens) - 1)]
    return rows, [token for tokens in sequences for token in tokens[1:]]


def log_probs(all_logits, rows, targets):
    log_p = torch.log_softmax(all_logits[rows].double(), -1)
    return log_p[torch.arange(len(rows)), targets], -(log_p.exp() * log_p).sum(-1)


@torch.no_grad()
def greedy(logits_of, prompt):
    """64 tokens, the lowest id on a tie; and how clear the closest choice was."""
    tokens, margin = list(prompt), np.inf
    for _ in range(NEW_TOKENS):
        last = logits_of(torch.tensor(tokens))[-1]
        first, second = last.topk(2).values.tolist()
        margin = min(margin, first - second)
        tokens.append(int(last.argmax()))
    return tokens[len(prompt):], margin


def differentiated(logits_of, sequences, leaves):
    """Logits of every row, log-probs and entropies of the predictions; mean NLL's gradients are left in `leaves`."""
    rows, targets = predicted(sequences)
    all_logits = torch.cat([logits_of(torch.tensor(tokens)) for tokens in sequences])
    chosen, entropy = log_probs(all_logits, rows, targets)
    (-chosen.mean()).backward()
    gradients = {name: torch.zeros_like(x) if x.grad is None else x.grad for name, x in leaves.items()}
    return all_logits.detach(), chosen.detach(), entropy.detach(), gradients


# ---- transformers beside it

def load_transformers(folder, dtype):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager", experts_implementation="eager").to(dtype)
    for module in model.modules():
        if hasattr(module, "time_step_limit"):  # it clamps at time_step_min, which is for fresh values only
            module.time_step_limit = (0.0, float("inf"))
    return model.eval()


def relative(found, expected):
    difference = (found.double() - expected).abs().max() / expected.abs().max().clamp_min(1e-30)
    return float(f"{difference:.3g}")


def on_disk(gradients):
    """Gradients of transformers' nemotron_h under the names of the file: experts are stacked in memory."""
    result = {}
    for name, value in gradients.items():
        if ".experts." in name:
            at, kind = name.rsplit(".", 1)
            result |= {f"{at}.{e}.{kind}.weight": part for e, part in enumerate(value)}
        else:
            result[name] = value
    return {name.replace("model.", "backbone.", 1): value for name, value in result.items()}


def transformers_differences(folder, dtype, sequences, prompt, expected):
    """Largest differences, relative to the largest value (of the tensor); and whether greedy agrees."""
    all_logits, gradients, continuation = expected
    model = load_transformers(folder, dtype)
    logits_of = lambda tokens: model(tokens[None]).logits[0]
    found, _, _, slopes = differentiated(logits_of, sequences, dict(model.named_parameters()))
    if model.config.model_type == "nemotron_h":
        slopes = on_disk(slopes)
    return {"logits": relative(found, all_logits),
            "gradients": max(relative(slopes[name], gradients[name]) for name in slopes),
            "greedy_equal": greedy(logits_of, prompt)[0] == continuation}


def deci_against_llama(seed):
    """A DeciLM of whole blocks is a Llama: the largest relative difference of their logits in double."""
    config = deci_config([deci_block(2, 2.0), deci_block(2, 30.0 / 32)])
    llama = transformers.LlamaConfig(
        vocab_size=VOCAB, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=256, rms_norm_eps=1e-5, max_position_embeddings=256, rope_parameters=LLAMA3_SHORT,
        attn_implementation="eager")
    model = transformers.LlamaForCausalLM(llama).double().eval()
    values = {name: value.double() for name, value in draw(deci_shapes(config), seed).items()}
    model.load_state_dict(values)
    tokens = torch.tensor(batch(seed)[0][2])
    with torch.no_grad():
        return relative(model(tokens[None]).logits[0], family_model.logits(config, values, tokens))


# ---- one family

def clear_model(name, folder, seed):
    """Writes the folder from the first seed whose choices, of tokens and of experts, are clear in float32 too."""
    for attempt in range(100):
        drawn = 1000 * seed + attempt
        if name == "decilm":
            save_deci(drawn, folder)
        else:
            save_from_transformers(FAMILIES[name](), drawn, folder)
        config, leaves = read_folder(folder)
        sequences, prompt = batch(drawn)
        margins = []
        logits_of = lambda tokens: family_model.logits(config, leaves, tokens, margins)
        continuation, margin = greedy(logits_of, prompt)
        result = differentiated(logits_of, sequences, leaves)
        if margin > GREEDY_MARGIN and min(margins, default=1) > ROUTER_MARGIN and EOS not in continuation:
            return drawn, sequences, prompt, continuation, result
    sys.exit(f"{name}: no clear model within 100 draws from seed {seed}")


def make(name, folder, seed):
    drawn, sequences, prompt, continuation, result = clear_model(name, folder, seed)
    all_logits, chosen, entropy, gradients = result
    all_logits.numpy().astype("<f4").tofile(f"{folder}/logits.f32")
    os.makedirs(f"{folder}/gradients", exist_ok=True)
    save_file({n: g.float() for n, g in gradients.items()}, f"{folder}/gradients/model.safetensors", {"format": "pt"})

    oracle = {"oracle": "tests/golden/family_model.py in float64", "torch": torch.__version__.split("+")[0],
              "transformers": transformers.__version__, "seed": drawn}
    if name == "decilm":
        oracle["whole_blocks_against_llama_float64"] = deci_against_llama(drawn)
    else:
        expected = (all_logits, gradients, continuation)
        for dtype in (torch.float64, torch.float32):
            key = "transformers_" + str(dtype).removeprefix("torch.")
            oracle[key] = transformers_differences(folder, dtype, sequences, prompt, expected)
    print(name, json.dumps(oracle), flush=True)

    rows, targets = predicted(sequences)
    rounded = lambda x: [float(f"{v:.9g}") for v in x.tolist()]
    with open(f"{folder}/expected.json", "w") as file:
        json.dump({"sequences": sequences, "temperature": 1.0, "rows": rows, "targets": targets,
                   "logprob_weight": [-1 / len(rows)] * len(rows), "entropy_weight": [0.0] * len(rows),
                   "logprob": rounded(chosen), "entropy": rounded(entropy),
                   "prompt": prompt, "greedy": continuation} | oracle, file)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output")
    parser.add_argument("names", nargs="*", default=[*FAMILIES, "decilm"])
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # the models are tiny: threads would only wait for each other
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for name in arguments.names:
        make(name, f"{arguments.output}/{name}", arguments.seed)


if __name__ == "__main__":
    main()
