# %% [markdown]
# # Operating a run while it runs
#
# Cell by cell in an editor that knows `# %%`, or whole: `python live_control.py --controller 127.0.0.1:7000`.
# Needs a controller with workers: `temper controller --dir runs --listen 127.0.0.1:7000`, then
# `temper learner`, `temper reward` and two of `temper rollout`, each with `--controller 127.0.0.1:7000`.

# %%
import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__)) if "__file__" in globals() else os.getcwd()
sys.path.insert(0, HERE)
import temper_client  # noqa: E402

arguments = argparse.ArgumentParser()
arguments.add_argument("--controller", default=os.environ.get("TEMPER_CONTROLLER", "127.0.0.1:7000"))
arguments.add_argument("--spec", default=os.path.join(HERE, "..", "arithmetic.json"))
arguments.add_argument("--name", default="arithmetic-" + time.strftime("%H%M%S"))
arguments.add_argument("--look", type=int, default=6, help="steps to look at before and after the change")
options, _ = arguments.parse_known_args()

client = temper_client.connect(options.controller)
for worker in client.workers():
    print(worker.name, worker.capabilities.device, "cordoned" if worker.cordoned else "")

# %% Submit. Sent twice under one id, a run is started once.
run = client.submit(options.spec, {"name": options.name}, request_id="start-" + options.name).spec.name
print("submitted", run)

# %% Watch: the first steps. Leaving the loop leaves the run alone.
rewards = []


def follow(until, first=1):
    """Collects rewards of policy steps first..until; returns the number of the next event."""
    following = 0
    for event in client.watch(run):
        following = event.sequence + 1
        if event.HasField("step") and event.step.stage != "warm_start" and event.step.step >= first:
            rewards.append(event.step.reward_mean)
            print("step %3d  reward %.3f  length %5.1f  learning rate %g" %
                  (event.step.step, event.step.reward_mean, event.step.length_mean, event.step.learning_rate))
            if event.step.step >= until:
                break
    return following


follow(options.look)

# %% Alter: a bolder learning rate, from the next step on.
altered = client.alter(run, reason="trying a bolder rate", learning_rate=3e-4, temperature=0.9)
for change in altered.changes:
    print("from step %d: %s %s -> %s" % (altered.from_step, change.field, change.before, change.after))

# %% ... and what became of it.
follow(2 * options.look, first=len(rewards) + 1)

# %% The worst samples of the last step, and why.
for sample in client.samples(run, step=2 * options.look, score_max=0.5, limit=3):
    print(repr(sample.prompt), "->", repr(sample.response), "score %.2f" % sample.score.value, sample.score.reason)

# %% Plot.
try:
    import matplotlib

    matplotlib.use(os.environ.get("MPLBACKEND", "Agg"))
    import matplotlib.pyplot as plt

    plt.plot(range(1, len(rewards) + 1), rewards, marker="o")
    plt.axvline(altered.from_step - 0.5, linestyle="--", color="grey")
    plt.xlabel("step")
    plt.ylabel("reward")
    plt.savefig(run + ".png", dpi=120)
    print("drawn:", os.path.abspath(run + ".png"))
except ImportError:
    for step, reward in enumerate(rewards, start=1):
        print("%4d %.3f %s%s" % (step, reward, "#" * round(50 * reward), "  <- altered" if step == altered.from_step else ""))

# %% Enough seen.
print(run, "is", client.stop(run, reason="the example is over"))
