"""Measures PyTorch at the sizes at which gpu_bench has measured Temper; prints gpu_bench's lines of JSON, named peer-...

    peer.py --config CONFIG.json [--like LOG ...] [--device cuda:0] [--seconds N] [--only torch|transformers]

Two peers, each labelled in details.peer:
  "plain torch restatement": the layers' maths written here with torch's own operations (bfloat16, float32 recurrence in chunks,
      scaled_dot_product_attention; decoding as a CUDA graph where that works). Not anybody's product: what one gets by writing
      the model down.
  "transformers": NemotronHForCausalLM of the installed transformers, where it is there, in eager mode.
--like: logs of gpu_bench, for the sizes. Exit code 4, with a word, where torch or the device is missing.
"""
import argparse
import json
import signal
import sys
import time

START = time.monotonic()


class Config:
    def __init__(self, values, layers=None):
        self.values = dict(values)
        self.pattern = values["hybrid_override_pattern"][:layers]
        self.vocab = values["vocab_size"]
        self.hidden = values["hidden_size"]
        self.mlp = values["intermediate_size"]
        self.heads = values["mamba_num_heads"]
        self.head_dim = values["mamba_head_dim"]
        self.groups = values["n_groups"]
        self.state = values["ssm_state_size"]
        self.taps = values["conv_kernel"]
        self.q_heads = values["num_attention_heads"]
        self.kv_heads = values["num_key_value_heads"]
        self.attention_dim = values.get("head_dim", values.get("attention_head_dim"))
        self.epsilon = values["layer_norm_epsilon"]
        self.inner = self.heads * self.head_dim
        self.channels = self.inner + 2 * self.groups * self.state


def scan_in_chunks(torch, x, dt, a, b, c, chunk, state):
    """The Mamba-2 recurrence (arXiv 2405.21060), chunk form. x: [B, T, G, R, P], dt: [B, T, G, R] float32 after softplus, a: [G, R],
    b, c: [B, T, G, N], state: [B, G, R, P, N] float32. Returns y as x, and the last state. T is a multiple of chunk."""
    batch, tokens, groups, repeat, width = x.shape
    cut = lambda t: t.reshape(batch, tokens // chunk, chunk, *t.shape[2:])
    x, dt, b, c = cut(x), cut(dt), cut(b), cut(c)
    s = torch.cumsum(dt * a, dim=2)  # [B, C, Q, G, R], never above zero
    last = s[:, :, -1:]
    u = x * dt[..., None].to(x.dtype)
    rows = s.permute(0, 1, 3, 4, 2)  # [B, C, G, R, Q]
    gap = rows[..., :, None] - rows[..., None, :]
    lower = torch.ones(chunk, chunk, dtype=torch.bool, device=x.device).tril()
    decay = torch.exp(gap.masked_fill(~lower, float("-inf")))
    scores = torch.einsum("zcign,zcjgn->zcgij", c, b)
    mixed = (scores[:, :, :, None] * decay.to(x.dtype))
    y = torch.einsum("zcgrij,zcjgrp->zcigrp", mixed, u)
    ends = torch.einsum("zcjgn,zcjgrp->zcgrpn", b, u * torch.exp(last - s)[..., None].to(x.dtype)).to(state.dtype)
    keep = torch.exp(last[:, :, 0])  # [B, C, G, R]
    before = []
    for i in range(tokens // chunk):
        before.append(state)
        state = keep[:, i, :, :, None, None] * state + ends[:, i]
    before = torch.stack(before, dim=1).to(x.dtype)
    y = y + torch.einsum("zcign,zcgrpn->zcigrp", c, before) * torch.exp(s)[..., None].to(x.dtype)
    return y.reshape(batch, tokens, groups, repeat, width), state


def scan_step(torch, x, dt, a, b, c, state):
    """One token: x [B, G, R, P], dt [B, G, R], b, c [B, G, N]; the state changes in place."""
    keep = torch.exp(dt * a)[..., None, None]
    state.mul_(keep).addcmul_((dt[..., None] * x)[..., None], b[:, :, None, None, :].to(state.dtype))
    return (state * c[:, :, None, None, :].to(state.dtype)).sum(-1)


def self_check(torch):
    """The chunk form beside the recurrence token by token, in float64: the largest difference."""
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)
    x, b, c = draw(2, 16, 2, 3, 4), draw(2, 16, 2, 5), draw(2, 16, 2, 5)
    dt, a = torch.nn.functional.softplus(draw(2, 16, 2, 3)), -torch.exp(draw(2, 3))
    state = draw(2, 2, 3, 4, 5)
    y, last = scan_in_chunks(torch, x, dt, a, b, c, 4, state)
    worst = 0.0
    for t in range(16):
        step = scan_step(torch, x[:, t], dt[:, t], a, b[:, t], c[:, t], state)
        worst = max(worst, (step - y[:, t]).abs().max().item())
    return max(worst, (state - last).abs().max().item())


class Model:
    """The whole restated model: weights drawn on the device."""

    def __init__(self, torch, config, device, grad=False):
        self.torch, self.config, self.device = torch, config, device
        self.recompute = False  # layers again in backward, where all of forward does not fit
        self.weights = []
        c = config
        matrix = lambda out, in_: self._own(torch.empty(out, in_, dtype=torch.bfloat16, device=device).normal_(0, 0.02), grad)
        vector = lambda n, value, dtype=torch.bfloat16: self._own(torch.full((n,), value, dtype=dtype, device=device), grad)
        self.embedding, self.head = matrix(c.vocab, c.hidden), matrix(c.vocab, c.hidden)
        self.final_norm = vector(c.hidden, 1.0)
        self.layers = []
        for letter in c.pattern:
            w = {"kind": letter, "norm": vector(c.hidden, 1.0)}
            if letter == "M":
                w.update(in_proj=matrix(c.inner + c.channels + c.heads, c.hidden), out_proj=matrix(c.hidden, c.inner),
                         conv=matrix(c.channels, c.taps), conv_bias=vector(c.channels, 0.0), d=vector(c.heads, 1.0),
                         a_log=vector(c.heads, 1.0, torch.float32), dt_bias=vector(c.heads, -3.0, torch.float32),
                         gate_norm=vector(c.inner, 1.0))
            elif letter == "*":
                q, kv = c.q_heads * c.attention_dim, c.kv_heads * c.attention_dim
                w.update(q=matrix(q, c.hidden), k=matrix(kv, c.hidden), v=matrix(kv, c.hidden), o=matrix(c.hidden, q))
            elif letter == "-":
                w.update(up=matrix(c.mlp, c.hidden), down=matrix(c.hidden, c.mlp))
            else:
                raise ValueError("the restatement has no layer %r" % letter)
            self.layers.append(w)

    def _own(self, tensor, grad):
        self.weights.append(tensor.requires_grad_(grad))
        return tensor

    def norm(self, x, gain):
        return self.torch.nn.functional.rms_norm(x, (x.shape[-1],), gain, self.config.epsilon)

    def _gated_out(self, w, y, z):
        c, f = self.config, self.torch.nn.functional
        v = y * f.silu(z)
        grouped = v.reshape(*v.shape[:-1], c.groups, c.inner // c.groups)
        grouped = f.rms_norm(grouped, (c.inner // c.groups,), None, c.epsilon)
        return f.linear(grouped.reshape(v.shape) * w["gate_norm"], w["out_proj"])

    def _split(self, w, u):
        c = self.config
        return self.torch.nn.functional.linear(u, w["in_proj"]).split([c.inner, c.channels, c.heads], dim=-1)

    def _heads(self, xbc, dt, w):
        """xbc after the convolution: x, b, c and dt in the shapes of the recurrence."""
        c, f = self.config, self.torch.nn.functional
        lead = xbc.shape[:-1]
        repeat = c.heads // c.groups
        x, b, cc = xbc.split([c.inner, c.groups * c.state, c.groups * c.state], dim=-1)
        dt = f.softplus(dt.float() + w["dt_bias"]).reshape(*lead, c.groups, repeat)
        a = -self.torch.exp(w["a_log"]).reshape(c.groups, repeat)
        return (x.reshape(*lead, c.groups, repeat, c.head_dim), b.reshape(*lead, c.groups, c.state),
                cc.reshape(*lead, c.groups, c.state), dt, a)

    def _mamba(self, w, u, state):
        c, f, torch = self.config, self.torch.nn.functional, self.torch
        z, xbc, dt = self._split(w, u)
        if state is not None:
            state["conv"] = f.pad(xbc, (0, 0, c.taps - 1, 0))[:, -(c.taps - 1):].contiguous()
        xbc = f.conv1d(f.pad(xbc.transpose(1, 2), (c.taps - 1, 0)), w["conv"][:, None], w["conv_bias"], groups=c.channels)
        x, b, cc, dt, a = self._heads(f.silu(xbc).transpose(1, 2), dt, w)
        tokens = u.shape[1]
        chunk = next(size for size in (128, 64, 32, 16, 8, 4, 2, 1) if tokens % size == 0)
        zero = torch.zeros(u.shape[0], c.groups, c.heads // c.groups, c.head_dim, c.state, device=self.device)
        y, last = scan_in_chunks(torch, x, dt, a, b, cc, chunk, zero)
        if state is not None:
            state["ssm"] = last.contiguous()
        y = y + w["d"].reshape(c.groups, -1)[..., None] * x
        return self._gated_out(w, y.reshape(*u.shape[:2], c.inner), z)

    def _mamba_step(self, w, u, state):
        c, f, torch = self.config, self.torch.nn.functional, self.torch
        z, xbc, dt = self._split(w, u)
        window = torch.cat([state["conv"], xbc[:, None]], dim=1)  # [B, K, channels]
        state["conv"].copy_(window[:, 1:])
        xbc = f.silu((window * w["conv"].t()).sum(1) + w["conv_bias"])
        x, b, cc, dt, a = self._heads(xbc, dt, w)
        y = self.step_of_scan(torch, x, dt, a, b, cc, state["ssm"]).to(u.dtype)
        y = y + w["d"].reshape(c.groups, -1)[..., None] * x
        return self._gated_out(w, y.reshape(u.shape[0], c.inner), z)

    step_of_scan = staticmethod(scan_step)

    def _attention(self, w, u, state, room=0):
        c, f, torch = self.config, self.torch.nn.functional, self.torch
        shape = lambda t, heads: t.reshape(*u.shape[:2], heads, c.attention_dim).transpose(1, 2)
        q, k, v = (shape(f.linear(u, w[name]), heads) for name, heads in (("q", c.q_heads), ("k", c.kv_heads), ("v", c.kv_heads)))
        if state is not None:
            state["k"], state["v"] = (f.pad(t, (0, 0, 0, room)).contiguous() for t in (k, v))
        y = f.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return f.linear(y.transpose(1, 2).reshape(*u.shape[:2], -1), w["o"])

    def _attention_step(self, w, u, state):
        c, f = self.config, self.torch.nn.functional
        shape = lambda t, heads: t.reshape(u.shape[0], heads, 1, c.attention_dim)
        q, k, v = (shape(f.linear(u, w[name]), heads) for name, heads in (("q", c.q_heads), ("k", c.kv_heads), ("v", c.kv_heads)))
        state["k"][:, :, -1:].copy_(k)  # every measured step is at the same position
        state["v"][:, :, -1:].copy_(v)
        y = f.scaled_dot_product_attention(q, state["k"], state["v"], enable_gqa=True)
        return f.linear(y.reshape(u.shape[0], -1), w["o"])

    def _mlp(self, w, u):
        f = self.torch.nn.functional
        return f.linear(f.relu(f.linear(u, w["up"])).square(), w["down"])

    def forward(self, tokens, states=None, room=0):
        h = self.embedding[tokens]
        for i, w in enumerate(self.layers):
            if self.recompute:
                from torch.utils.checkpoint import checkpoint
                h = checkpoint(self._layer, w, h, use_reentrant=False)
            else:
                h = self._layer(w, h, states[i] if states is not None else None, room)
        return h

    def _layer(self, w, h, state=None, room=0):
        u = self.norm(h, w["norm"])
        if w["kind"] == "M":
            return h + self._mamba(w, u, state)
        if w["kind"] == "*":
            return h + self._attention(w, u, state, room)
        return h + self._mlp(w, u)

    def step(self, tokens, states):
        """Log-probabilities after one token of every sequence."""
        h = self.embedding[tokens]
        for w, state in zip(self.layers, states):
            u = self.norm(h, w["norm"])
            if w["kind"] == "M":
                h = h + self._mamba_step(w, u, state)
            elif w["kind"] == "*":
                h = h + self._attention_step(w, u, state)
            else:
                h = h + self._mlp(w, u)
        logits = self.torch.nn.functional.linear(self.norm(h, self.final_norm), self.head)
        return self.torch.log_softmax(logits.float(), dim=-1)

    def states(self, batch, context):
        """As after a prompt of so many tokens; the attention has room for one more."""
        first = [{} for _ in self.layers]
        self.forward(self.tokens(1, context), first, room=1)
        spread = lambda t: t.expand(batch, *t.shape[1:]).contiguous()
        return [{name: spread(tensor) for name, tensor in state.items()} for state in first]

    def tokens(self, *shape):
        return self.torch.randint(0, self.config.vocab, shape, device=self.device)


class Measured:
    def __init__(self, torch, device, choice):
        self.torch, self.device, self.choice = torch, device, choice

    def left(self):
        return self.choice.seconds - (time.monotonic() - START)

    def finish(self):
        if self.device.startswith("cuda"):
            self.torch.cuda.synchronize()

    def times(self, work, runs=10, seconds=3.0):
        work()
        self.finish()
        times, begin = [], time.perf_counter()
        while len(times) < runs and (len(times) < 2 or time.perf_counter() - begin < min(seconds, self.left())):
            start = time.perf_counter()
            work()
            self.finish()
            times.append(time.perf_counter() - start)
        return sorted(times)

    def report(self, name, amount, times, unit, **details):
        median = times[len(times) // 2]
        details.update(seconds=median, seconds_min=times[0], seconds_max=times[-1], runs=len(times),
                       torch=self.torch.__version__, dtype=details.get("dtype", "bfloat16"))
        self.line(name, amount / median, unit, details)

    def line(self, name, value, unit, details):
        print(json.dumps({"name": name, "value": value, "unit": unit, "limit": None, "fraction": None, "details": details}), flush=True)

    def attempt(self, what, work):
        """A figure that cannot be had is said, and the next one is tried."""
        if self.left() < 2:
            print("peer: %s: no time left" % what, flush=True)
            return
        try:
            work()
        except Exception as error:  # whatever torch says: the other figures still count
            print("peer: %s: %s: %s" % (what, type(error).__name__, str(error)[:600]), flush=True)
        if self.device.startswith("cuda"):
            self.torch.cuda.empty_cache()


def sizes_like(paths):
    """The sizes gpu_bench has measured at."""
    found = {"decode": [], "prefill": [], "train": []}
    for path in paths:
        try:
            lines = open(path, errors="replace").read().splitlines()
        except OSError:
            continue
        for line in lines:
            try:
                figure = json.loads(line)
            except ValueError:
                continue
            if isinstance(figure, dict) and figure.get("name") in found and "key" in figure.get("details", {}):
                found[figure["name"]].append(figure["details"])
    return found


def measure_machine(m, side, mbytes):
    torch, device = m.torch, m.device

    def copy():
        source = torch.randint(0, 255, (mbytes << 20,), dtype=torch.uint8, device=device)
        target = torch.empty_like(source)
        m.report("peer-copy-bandwidth", 2 * (mbytes << 20) / 1e9, m.times(lambda: target.copy_(source)), "GB/s")

    def gemm():
        a = torch.randn(side, side, device=device).to(torch.bfloat16)
        b = torch.randn(side, side, device=device).to(torch.bfloat16)

        def several():
            for _ in range(10):
                a @ b
        m.report("peer-gemm", 10 * 2 * side ** 3 / 1e12, m.times(several), "TFLOP/s", rows=side, out=side)

    m.attempt("copy", copy)
    m.attempt("gemm", gemm)


PLAIN = "plain torch restatement"


def measure_plain(m, values, sizes):
    torch, device = m.torch, m.device
    check = self_check(torch)
    if check > 1e-9:
        print("peer: the restatement is wrong: its chunk form differs by %g" % check)
        sys.exit(1)

    def inference():
        layers = (sizes["decode"] + sizes["prefill"])[0]["layers"]
        with torch.inference_mode():
            model = Model(torch, Config(values, layers), device)

            def decode(batch, context, key):
                states = model.states(batch, context)
                next_tokens = model.tokens(batch)
                step = lambda: model.step(next_tokens, states)
                eager = m.times(step, runs=20, seconds=1.5)
                best, mode = eager, "eager"
                try:
                    side = torch.cuda.Stream()
                    side.wait_stream(torch.cuda.current_stream())
                    with torch.cuda.stream(side):
                        step()
                    torch.cuda.current_stream().wait_stream(side)
                    graph = torch.cuda.CUDAGraph()
                    with torch.cuda.graph(graph):
                        step()
                    replayed = m.times(graph.replay, runs=50, seconds=1.5)
                    if replayed[len(replayed) // 2] < eager[len(eager) // 2]:
                        best, mode = replayed, "CUDA graph"
                except Exception as error:  # no GPU, or a step that cannot be captured
                    print("peer: no CUDA graph: %s" % str(error)[:200], flush=True)
                m.report("peer-decode", batch, best, "tokens/s", key=key, batch=batch, context=context, layers=layers, peer=PLAIN,
                         mode=mode, seconds_eager=eager[len(eager) // 2], self_check=check)

            def prefill(tokens, key):
                prompt = model.tokens(1, tokens)

                def work():
                    h = model.forward(prompt)
                    torch.nn.functional.linear(model.norm(h[:, -1], model.final_norm), model.head)
                m.report("peer-prefill", tokens, m.times(work, runs=5), "tokens/s", key=key, tokens=tokens, layers=layers, peer=PLAIN)

            for d in sizes["decode"]:
                m.attempt(d["key"], lambda d=d: decode(d["batch"], d["context"], d["key"]))
            for d in sizes["prefill"]:
                m.attempt(d["key"], lambda d=d: prefill(d["tokens"], d["key"]))

    def train(d):
        model = Model(torch, Config(values, d["layers"]), device, grad=True)
        tokens = model.tokens(d["batch"], d["tokens"])

        def work():
            for weight in model.weights:
                weight.grad = None
            h = model.norm(model.forward(tokens), model.final_norm)[:, :-1].reshape(-1, model.config.hidden)
            targets = tokens[:, 1:].reshape(-1)
            # The head in blocks, as nobody keeps [tokens, vocab] in float32.
            total = h.new_zeros((), dtype=torch.float32)
            for begin in range(0, h.shape[0], 1024):
                logits = torch.nn.functional.linear(h[begin:begin + 1024], model.head).float()
                total = total + torch.nn.functional.cross_entropy(logits, targets[begin:begin + 1024], reduction="sum")
            (total / targets.shape[0]).backward()
        try:
            times = m.times(work, runs=3, seconds=8)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            model.recompute = True
            times = m.times(work, runs=3, seconds=8)
        m.report("peer-train", d["batch"] * d["tokens"], times, "tokens/s", recompute=model.recompute, key=d["key"], batch=d["batch"],
                 tokens=d["tokens"], layers=d["layers"], gradients="bfloat16", peer=PLAIN)

    if sizes["decode"] or sizes["prefill"]:
        m.attempt("the restated model", inference)
    for d in sizes["train"]:
        m.attempt(d["key"], lambda d=d: train(d))


def measure_transformers(m, values, sizes):
    """Decoding by generate(): the time of 17 new tokens less that of one."""
    torch = m.torch
    try:
        import transformers
        from transformers import NemotronHConfig, NemotronHForCausalLM
    except ImportError as error:
        print("peer: transformers' NemotronH is not there: %s" % error, flush=True)
        return
    label = "transformers %s, eager" % transformers.__version__

    def everything():
        layers = (sizes["decode"] + sizes["prefill"])[0]["layers"]
        settings = {name: value for name, value in values.items() if name not in ("architectures", "model_type", "torch_dtype")}
        settings["hybrid_override_pattern"] = values["hybrid_override_pattern"][:layers]
        settings["num_hidden_layers"] = layers
        settings.pop("time_step_limit", None)
        config = NemotronHConfig(**settings)
        torch.set_default_dtype(torch.bfloat16)
        try:
            with torch.device(m.device):
                model = NemotronHForCausalLM(config).eval()
        finally:
            torch.set_default_dtype(torch.float32)
        model.to(torch.bfloat16)

        def generate(batch, context, key):
            prompt = torch.randint(0, config.vocab_size, (batch, context), device=m.device)

            def tokens(count):
                return m.times(lambda: model.generate(prompt, min_new_tokens=count, max_new_tokens=count, do_sample=False,
                                                      pad_token_id=0), runs=2, seconds=4)
            one, many = tokens(1), tokens(17)
            step = max((many[0] - one[0]) / 16, 1e-9)
            m.report("peer-decode", batch, [step], "tokens/s", key=key, batch=batch, context=context, layers=layers, peer=label)

        with torch.inference_mode():
            for d in sizes["decode"]:
                m.attempt("transformers " + d["key"], lambda d=d: generate(d["batch"], d["context"], d["key"]))
            for d in sizes["prefill"]:
                prompt = torch.randint(0, config.vocab_size, (1, d["tokens"]), device=m.device)
                m.attempt("transformers " + d["key"], lambda d=d: m.report(
                    "peer-prefill", d["tokens"], m.times(lambda: model(prompt, logits_to_keep=1), runs=3), "tokens/s", key=d["key"],
                    tokens=d["tokens"], layers=layers, peer=label))

    if sizes["decode"] or sizes["prefill"]:
        m.attempt("transformers", everything)


def out_of_time(*_):
    raise TimeoutError("the time for the comparison is up")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--like", action="append", default=[])
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--only", choices=["torch", "transformers"])
    choice = parser.parse_args()
    try:
        import torch
    except ImportError:
        print("peer: skipped: torch is not installed")
        return 4
    if choice.device.startswith("cuda") and not torch.cuda.is_available():
        print("peer: skipped: torch sees no GPU")
        return 4
    with open(choice.config) as file:
        values = json.load(file)
    sizes = sizes_like(choice.like)
    small = values["hidden_size"] <= 256
    depth = len(values["hybrid_override_pattern"])
    if not any(sizes.values()):
        for batch in (1, 4) if small else (1, 64):
            for context in (16,) if small else (128, 1024):
                sizes["decode"].append({"batch": batch, "context": context, "layers": depth, "key": "decode b%d c%d" % (batch, context)})
        tokens = 80 if small else 8192
        sizes["prefill"].append({"tokens": tokens, "layers": depth, "key": "prefill t%d" % tokens})
        train = 24 if small else 2048
        sizes["train"].append({"batch": 2, "tokens": train, "layers": depth, "key": "train 2x%d" % train})
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(max(int(choice.seconds), 1))
    m = Measured(torch, choice.device, choice)
    measure_machine(m, 256 if small else 4096, 16 if small else 2048)
    if choice.only != "transformers":
        measure_plain(m, values, sizes)
    if choice.only != "torch":
        measure_transformers(m, values, sizes)
    signal.alarm(0)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except TimeoutError as late:
        print("peer: %s" % late)
