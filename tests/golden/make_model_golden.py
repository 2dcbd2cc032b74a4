"""Makes tests/data/golden/hybrid: a small random model of every layer kind with what it must compute.

    python3 make_model_golden.py OUTPUT_FOLDER        (numpy and torch; the committed files came from seed 7)

The model is written here a second time, token by token and in float64, from the formulas alone; torch
differentiates it. config.json and model.safetensors form a model folder; expected.json holds the batch and the
size of things; logits.f32 holds the logits of every row, gradients/model.safetensors the gradients of the loss

    sum_i logprob_weight[i] * logprob_i + entropy_weight[i] * entropy_i      at expected.json's temperature.
"""
import json
import os
import struct
import sys

import numpy as np
import torch

HIDDEN, VOCAB, EPSILON = 32, 48, 1e-5
HEADS, HEAD_DIM, STATE, GROUPS, TAPS = 4, 8, 16, 2, 4
Q_HEADS, KV_HEADS, ATTENTION_DIM, WIDTH = 4, 2, 8, 48
PATTERN = "M-*M"
LENGTHS = [1, 5, 70, 17]  # one beyond a tile of keys
TEMPERATURE = 0.8

CONFIG = {
    "architectures": ["NemotronHForCausalLM"], "model_type": "nemotron_h",
    "hybrid_override_pattern": PATTERN, "num_hidden_layers": len(PATTERN),
    "vocab_size": VOCAB, "hidden_size": HIDDEN, "intermediate_size": WIDTH, "mlp_hidden_act": "relu2",
    "num_attention_heads": Q_HEADS, "num_key_value_heads": KV_HEADS, "head_dim": ATTENTION_DIM,
    "mamba_num_heads": HEADS, "mamba_head_dim": HEAD_DIM, "n_groups": GROUPS, "ssm_state_size": STATE,
    "conv_kernel": TAPS, "chunk_size": 128, "layer_norm_epsilon": EPSILON, "tie_word_embeddings": False,
    "use_conv_bias": True, "use_bias": False, "mlp_bias": False, "attention_bias": False,
    "time_step_min": 0.001, "time_step_max": 0.1, "time_step_floor": 0.0001,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "torch_dtype": "float32",
}


def shapes():
    inner, bc = HEADS * HEAD_DIM, GROUPS * STATE
    channels = inner + 2 * bc
    result = {"backbone.embeddings.weight": (VOCAB, HIDDEN)}
    for i, kind in enumerate(PATTERN):
        at = f"backbone.layers.{i}."
        result[at + "norm.weight"] = (HIDDEN,)
        at += "mixer."
        if kind == "M":
            result |= {at + "in_proj.weight": (inner + channels + HEADS, HIDDEN),
                       at + "conv1d.weight": (channels, 1, TAPS), at + "conv1d.bias": (channels,),
                       at + "A_log": (HEADS,), at + "D": (HEADS,), at + "dt_bias": (HEADS,),
                       at + "norm.weight": (inner,), at + "out_proj.weight": (HIDDEN, inner)}
        elif kind == "*":
            q, kv = Q_HEADS * ATTENTION_DIM, KV_HEADS * ATTENTION_DIM
            result |= {at + "q_proj.weight": (q, HIDDEN), at + "k_proj.weight": (kv, HIDDEN),
                       at + "v_proj.weight": (kv, HIDDEN), at + "o_proj.weight": (HIDDEN, q)}
        else:
            result |= {at + "up_proj.weight": (WIDTH, HIDDEN), at + "down_proj.weight": (HIDDEN, WIDTH)}
    return result | {"backbone.norm_f.weight": (HIDDEN,), "lm_head.weight": (VOCAB, HIDDEN)}


def draw(rng):
    """Values of a trained model's size: every nonlinearity is entered on both sides."""
    values = {}
    for name, shape in shapes().items():
        noise = rng.standard_normal(shape)
        if name.endswith("A_log"):
            value = np.log(rng.uniform(0.5, 8.0, shape))
        elif name.endswith("dt_bias"):
            value = -2.0 + noise
        elif "norm" in name or name.endswith(".D"):
            value = 1.0 + 0.2 * noise
        elif name.endswith("embeddings.weight"):
            value = noise
        elif "conv1d" in name:
            value = 0.4 * noise
        else:
            value = noise / np.sqrt(shape[-1])
        values[name] = value.astype(np.float32)
    return values


def rms(x):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + EPSILON)


def mamba(u, w):
    inner, bc = HEADS * HEAD_DIM, GROUPS * STATE
    z, xbc, dt = torch.split(u @ w["in_proj.weight"].T, [inner, inner + 2 * bc, HEADS], dim=1)
    past = torch.cat([torch.zeros(TAPS - 1, xbc.shape[1], dtype=xbc.dtype), xbc])
    taps = w["conv1d.weight"][:, 0, :]
    conv = torch.nn.functional.silu(
        w["conv1d.bias"] + sum(past[k:k + len(u)] * taps[:, k] for k in range(TAPS)))
    dt = torch.nn.functional.softplus(dt + w["dt_bias"])
    decay = torch.exp(-torch.exp(w["A_log"]) * dt)
    state = torch.zeros(HEADS, HEAD_DIM, STATE, dtype=u.dtype)
    rows = []
    for t in range(len(u)):
        x = conv[t, :inner].reshape(HEADS, HEAD_DIM)
        b = conv[t, inner:inner + bc].reshape(GROUPS, STATE).repeat_interleave(HEADS // GROUPS, 0)
        c = conv[t, inner + bc:].reshape(GROUPS, STATE).repeat_interleave(HEADS // GROUPS, 0)
        state = decay[t][:, None, None] * state + (dt[t][:, None] * x)[:, :, None] * b[:, None, :]
        rows.append((torch.einsum("hpn,hn->hp", state, c) + w["D"][:, None] * x).reshape(-1))
    gated = torch.stack(rows) * torch.nn.functional.silu(z)
    normed = rms(gated.reshape(len(u), GROUPS, -1)).reshape(len(u), inner) * w["norm.weight"]
    return normed @ w["out_proj.weight"].T


def attention(u, w):
    def heads(name, count):
        split = (u @ w[name].T).reshape(len(u), count, ATTENTION_DIM)
        return split.repeat_interleave(Q_HEADS // count, 1).transpose(0, 1)
    q, k, v = heads("q_proj.weight", Q_HEADS), heads("k_proj.weight", KV_HEADS), heads("v_proj.weight", KV_HEADS)
    score = q @ k.transpose(1, 2) / ATTENTION_DIM ** 0.5
    future = torch.triu(torch.ones(len(u), len(u), dtype=torch.bool), 1)
    mixed = torch.softmax(score.masked_fill(future, -torch.inf), -1) @ v
    return mixed.transpose(0, 1).reshape(len(u), -1) @ w["o_proj.weight"].T


def mlp(u, w):
    return torch.relu(u @ w["up_proj.weight"].T) ** 2 @ w["down_proj.weight"].T


def logits_of(tokens, values):
    h = values["backbone.embeddings.weight"][tokens]
    for i, kind in enumerate(PATTERN):
        at = f"backbone.layers.{i}."
        w = {name.removeprefix(at + "mixer."): v for name, v in values.items() if name.startswith(at + "mixer.")}
        h = h + {"M": mamba, "*": attention, "-": mlp}[kind](rms(h) * values[at + "norm.weight"], w)
    return rms(h) * values["backbone.norm_f.weight"] @ values["lm_head.weight"].T


def write_safetensors(path, values):
    header, blob = {"__metadata__": {"format": "pt"}}, b""
    for name, value in values.items():
        raw = value.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(blob), len(blob) + len(raw)]}
        blob += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + blob)


def main(folder):
    rng = np.random.default_rng(7)
    values = draw(rng)
    leaves = {name: torch.tensor(v, dtype=torch.float64, requires_grad=True) for name, v in values.items()}
    sequences = [rng.integers(0, VOCAB, length).tolist() for length in LENGTHS]
    all_logits, rows, targets, begin = [], [], [], 0
    for tokens in sequences:
        all_logits.append(logits_of(torch.tensor(tokens), leaves))
        rows += range(begin, begin + len(tokens) - 1)
        targets += tokens[1:]
        begin += len(tokens)
    all_logits = torch.cat(all_logits)
    count = len(rows)
    logprob_weight = [-(1 + 0.5 * (i % 3)) / count for i in range(count)]
    entropy_weight = [0.3 * (i % 4 - 1) / count for i in range(count)]
    log_p = torch.log_softmax(all_logits[rows] / TEMPERATURE, -1)
    chosen = log_p[torch.arange(count), targets]
    entropy = -(log_p.exp() * log_p).sum(-1)
    loss = (torch.tensor(logprob_weight) * chosen + torch.tensor(entropy_weight) * entropy).sum()
    loss.backward()

    write_safetensors(f"{folder}/model.safetensors", values)
    write_safetensors(f"{folder}/gradients/model.safetensors",
                      {name: leaf.grad.numpy() for name, leaf in leaves.items()})
    all_logits.detach().numpy().astype("<f4").tofile(f"{folder}/logits.f32")
    with open(f"{folder}/config.json", "w") as file:
        json.dump(CONFIG, file, indent=2)
        file.write("\n")
    rounded = lambda x: [float(f"{v:.9g}") for v in x.tolist()]
    with open(f"{folder}/expected.json", "w") as file:
        json.dump({"sequences": sequences, "temperature": TEMPERATURE, "rows": rows, "targets": targets,
                   "logprob_weight": logprob_weight, "entropy_weight": entropy_weight,
                   "logprob": rounded(chosen.detach()), "entropy": rounded(entropy.detach())}, file)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
