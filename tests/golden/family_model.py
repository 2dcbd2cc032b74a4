"""The forward pass of every family that Temper loads, in float64 and from the formulas alone.

    logits(config, tensors, tokens)      config: the dict of config.json; tensors: name on disk -> torch.float64

Token by token where the formula is so, one sequence at a time, no caches: slow and plain on purpose. torch
differentiates it. Read by make_family_golden.py; nemotron_h is Mamba-2, attention, MLP and mixture of experts,
one a layer; all others are decoders of attention and gated MLP (`block_configs` may leave out or replace either).
"""
import math

import torch
from torch.nn.functional import silu, softplus

KINDS = {"linear_attention": "M", "mamba": "M", "full_attention": "*", "attention": "*", "mlp": "-", "moe": "E"}


def under(tensors, prefix):
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def linear(x, w, name):
    y = x @ w[name + ".weight"].T
    return y + w[name + ".bias"] if name + ".bias" in w else y


def rms_norm(x, weight, epsilon):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + epsilon) * weight


def relu2_mlp(x, w, prefix=""):
    return linear(torch.relu(linear(x, w, prefix + "up_proj")) ** 2, w, prefix + "down_proj")


def causal_attention(q, k, v):
    """q [tokens, q_heads, dim]; k, v [tokens, kv_heads, dim] -> [tokens, q_heads * dim]."""
    heads = q.shape[1]
    q, k, v = (x.repeat_interleave(heads // x.shape[1], 1).transpose(0, 1) for x in (q, k, v))
    score = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    future = torch.triu(torch.ones(score.shape[1:], dtype=torch.bool), 1)
    mixed = torch.softmax(score.masked_fill(future, -torch.inf), -1) @ v
    return mixed.transpose(0, 1).reshape(q.shape[1], -1)


# ---- nemotron_h

def mamba(u, w, c):
    heads, head_dim, state, groups, taps = (
        c[n] for n in ("mamba_num_heads", "mamba_head_dim", "ssm_state_size", "n_groups", "conv_kernel"))
    inner, bc = heads * head_dim, groups * state
    z, xbc, dt = torch.split(linear(u, w, "in_proj"), [inner, inner + 2 * bc, heads], dim=1)
    past = torch.cat([torch.zeros(taps - 1, xbc.shape[1], dtype=xbc.dtype), xbc])
    kernel = w["conv1d.weight"][:, 0, :]
    conv = silu(w["conv1d.bias"] + sum(past[k:k + len(u)] * kernel[:, k] for k in range(taps)))
    dt = softplus(dt + w["dt_bias"])  # time_step_limit is (0, infinity): no clamp
    decay = torch.exp(-torch.exp(w["A_log"]) * dt)
    s, rows = torch.zeros(heads, head_dim, state, dtype=u.dtype), []
    for t in range(len(u)):
        x = conv[t, :inner].reshape(heads, head_dim)
        b, cc = (part.reshape(groups, state).repeat_interleave(heads // groups, 0)
                 for part in torch.split(conv[t, inner:], bc))
        s = decay[t][:, None, None] * s + (dt[t][:, None] * x)[:, :, None] * b[:, None, :]
        rows.append((torch.einsum("hpn,hn->hp", s, cc) + w["D"][:, None] * x).reshape(-1))
    gated = (torch.stack(rows) * silu(z)).reshape(len(u), groups, -1)
    normed = rms_norm(gated, 1.0, c["layer_norm_epsilon"]).reshape(len(u), inner) * w["norm.weight"]
    return linear(normed, w, "out_proj")


def plain_attention(u, w, c):
    q, k, v = (linear(u, w, name).reshape(len(u), -1, c["head_dim"]) for name in ("q_proj", "k_proj", "v_proj"))
    return linear(causal_attention(q, k, v), w, "o_proj")


def route(u, w, c, margins):
    """The chosen experts [tokens, k] and their weights; how clear each choice was is added to `margins`."""
    score = torch.sigmoid(linear(u, w, "gate"))
    choice = score + w["gate.e_score_correction_bias"]
    groups, kept = c.get("n_group", 1), c.get("topk_group", 1)
    if groups > 1:
        best = choice.reshape(len(u), groups, -1).topk(2).values.sum(-1)
        order = best.sort(descending=True, stable=True)
        margins += (order.values[:, kept - 1] - order.values[:, kept]).tolist()
        dropped = torch.ones_like(best, dtype=torch.bool).scatter(1, order.indices[:, :kept], False)
        choice = choice.masked_fill(dropped.repeat_interleave(choice.shape[1] // groups, 1), -torch.inf)
    k = c["num_experts_per_tok"]
    order = choice.sort(descending=True, stable=True)
    margins += (order.values[:, k - 1] - order.values[:, k]).tolist()
    weight = score.gather(1, order.indices[:, :k])
    if c.get("norm_topk_prob", True):
        weight = weight / (weight.sum(1, keepdim=True) + 1e-20)
    return order.indices[:, :k], weight * c["routed_scaling_factor"]


def moe(u, w, c, margins):
    chosen, weight = route(u, w, c, margins)
    latent = "fc1_latent_proj.weight" in w
    x = linear(u, w, "fc1_latent_proj") if latent else u
    routed = torch.stack([sum(g * relu2_mlp(row, w, f"experts.{e}.") for e, g in zip(experts.tolist(), gates))
                          for row, experts, gates in zip(x, chosen, weight)])
    return (linear(routed, w, "fc2_latent_proj") if latent else routed) + relu2_mlp(u, w, "shared_experts.")


def layer_kinds(c):
    listed = c.get("layers_block_type")
    return [KINDS[name] for name in listed] if listed else list(c["hybrid_override_pattern"])


def hybrid_logits(c, tensors, tokens, margins):
    embeddings = next(tensors[n] for n in ("backbone.embeddings.weight", "backbone.embedding.weight") if n in tensors)
    h = embeddings[tokens]
    for i, kind in enumerate(layer_kinds(c)):
        w = under(tensors, f"backbone.layers.{i}.mixer.")
        u = rms_norm(h, tensors[f"backbone.layers.{i}.norm.weight"], c["layer_norm_epsilon"])
        h = h + (mamba(u, w, c) if kind == "M" else plain_attention(u, w, c) if kind == "*"
                 else relu2_mlp(u, w) if kind == "-" else moe(u, w, c, margins))
    return rms_norm(h, tensors["backbone.norm_f.weight"], c["layer_norm_epsilon"]) @ tensors["lm_head.weight"].T


# ---- decoders: llama, qwen2, qwen3, nemotron-nas (DeciLM)

def rope_frequencies(c, dim):
    """Radians per position, [dim / 2]. Newer config.json files say rope_parameters, older ones two fields."""
    rope = c.get("rope_parameters") or dict(c.get("rope_scaling") or {}, rope_theta=c["rope_theta"])
    frequency = rope["rope_theta"] ** -(torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    if rope.get("rope_type", "default") == "default":
        return frequency
    assert rope["rope_type"] == "llama3", rope
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    turns = rope["original_max_position_embeddings"] * frequency / (2 * math.pi)
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return frequency * (kept + (1 - kept) / rope["factor"])


def rotate(x, frequency):
    """x [tokens, heads, dim]: the two halves of dim are the two coordinates."""
    angle = torch.arange(len(x), dtype=torch.float64)[:, None, None] * frequency
    a, b = x.chunk(2, -1)
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)


def rotary_attention(u, w, c, dim):
    q, k, v = (linear(u, w, name).reshape(len(u), -1, dim) for name in ("q_proj", "k_proj", "v_proj"))
    if "q_norm.weight" in w:
        q, k = (rms_norm(x, w[name + ".weight"], c["rms_norm_eps"]) for x, name in ((q, "q_norm"), (k, "k_norm")))
    frequency = rope_frequencies(c, dim)
    return linear(causal_attention(rotate(q, frequency), rotate(k, frequency), v), w, "o_proj")


def gated_mlp(u, w):
    return linear(silu(linear(u, w, "gate_proj")) * linear(u, w, "up_proj"), w, "down_proj")


def decoder_logits(c, tensors, tokens):
    dim, epsilon = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"], c["rms_norm_eps"]
    h = tensors["model.embed_tokens.weight"][tokens]
    for i in range(c["num_hidden_layers"]):
        w = under(tensors, f"model.layers.{i}.")
        attention, mlp = under(w, "self_attn."), under(w, "mlp.")
        if attention:
            u = rms_norm(h, w["input_layernorm.weight"], epsilon)
            h = h + (linear(u, attention, "linear_attn") if "linear_attn.weight" in attention
                     else rotary_attention(u, attention, c, dim))
        if mlp:
            u = rms_norm(h, w["post_attention_layernorm.weight"], epsilon)
            h = h + (linear(u, mlp, "linear_mlp") if "linear_mlp.weight" in mlp else gated_mlp(u, mlp))
    h = rms_norm(h, tensors["model.norm.weight"], epsilon)
    return h @ tensors.get("lm_head.weight", tensors["model.embed_tokens.weight"]).T


def logits(config, tensors, tokens, margins=None):
    """[tokens, vocab]. `margins` (a list) receives by how much each choice of experts was clear."""
    if config["model_type"] == "nemotron_h":
        return hybrid_logits(config, tensors, tokens, [] if margins is None else margins)
    return decoder_logits(config, tensors, tokens)
