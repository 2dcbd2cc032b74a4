"""Every verb of live control once, against a controller with two rollout workers; ends with 1 at the first surprise.

    PYTHONPATH=examples/python TEMPER_STUBS=DIR python live_control_scenario.py ADDRESS SPEC [NAME]

The run must last longer than the scenario takes (some hundred steps); it is stopped at the end.
"""
import sys
import time

import grpc

import temper_client

address, spec = sys.argv[1:3]
name = sys.argv[3] if len(sys.argv) > 3 else "scenario"
client = temper_client.connect(address, patience=60)


def expect(what, holds, found=""):
    print("%s  %s %s" % ("ok  " if holds else "FAIL", what, found), flush=True)
    if not holds:
        sys.exit(1)


def refused(what, code, call):
    try:
        call()
    except grpc.RpcError as error:
        expect(what, error.code() == code, error.details())
    else:
        expect(what, False, "it was not refused")


def steps_until(wanted, from_sequence=0):
    """Follows the run until policy step `wanted`; the numbers of the events and of the steps seen."""
    numbers, steps = [], []
    for event in client.watch(name, from_sequence):
        numbers.append(event.sequence)
        if event.HasField("step") and event.step.stage != "warm_start":
            steps.append(event.step)
            if event.step.step >= wanted:
                break
    return numbers, steps


# Submit, twice under one id.
request_id = "scenario-%s-%d" % (name, time.time_ns())
started = client.submit(spec, {"name": name}, request_id=request_id)
again = client.submit(spec, {"name": name}, request_id=request_id)
expect("a submit that is repeated is answered as before", started.spec == again.spec)
refused("another run of that name is refused", grpc.StatusCode.ALREADY_EXISTS,
        lambda: client.submit(spec, {"name": name}))
expect("it is listed", name in [run.name for run in client.runs()])

# Watch.
numbers, steps = steps_until(2)
expect("events have no holes", numbers == list(range(1, len(numbers) + 1)), numbers[-1])
expect("steps come in order", [step.step for step in steps] == [1, 2])

# Pause: nothing moves.
expect("pause", client.pause(name, reason="the scenario pauses") == "paused")
expect("pause again is harmless", client.pause(name) == "paused")
before = client.get(name)
time.sleep(1)
after = client.get(name)
expect("a paused run makes no step", before.step == after.step, after.step)
expect("it says so", temper_client.state_word(after.state) == "paused", after.reason)

# Alter.
altered = client.alter(name, learning_rate=1e-4, temperature=0.9, reason="the scenario alters")
changes = {change.field: (float(change.before), float(change.after)) for change in altered.changes}
expect("alter records old and new", changes["learning_rate"][1] == 1e-4 and changes["temperature"][1] == 0.9, changes)
refused("a rate below 0 is refused", grpc.StatusCode.INVALID_ARGUMENT, lambda: client.alter(name, learning_rate=-1.0))
try:
    client.alter(name, seed=3)
    expect("a field that cannot change is refused", False)
except ValueError as error:
    expect("a field that cannot change is refused", "seed" in str(error))

# Resume: the change is in force from the step that was promised.
expect("resume", client.resume(name) in ("running", "submitted"))
_, steps = steps_until(altered.from_step, from_sequence=after.sequence)
expect("the altered step was made with it", steps[-1].learning_rate <= 1e-4 * 1.000001, steps[-1].learning_rate)

# Checkpoint, fork, replay.
kept = client.checkpoint(name)
expect("a checkpoint is kept", kept.path != "", kept.path)
forked = client.fork(name, step=kept.step, name=name + "-fork", settings={"clip_high": 0.1})
expect("the fork has its own clip range", forked.spec.clip_high == 0.1 and forked.run == name + "-fork")
expect("the fork knows its parent", client.get(forked.run).parent == name)
refused("a fork at a step that was never reached is refused", grpc.StatusCode.OUT_OF_RANGE,
        lambda: client.fork(name, step=1000000, name=name + "-never"))
report = client.replay(name, step=1, on_progress=lambda progress: print("      ", progress.what))
expect("a replay finds the same bits", report.equal, [(c.name, c.differing) for c in report.comparisons])

# The fleet.
rollouts = [worker.name for worker in client.workers() if worker.role == temper_client.run_pb2.ROLE_ROLLOUT]
expect("two rollout workers", len(rollouts) >= 2, rollouts)
expect("cordon", client.cordon(rollouts[0], reason="the scenario cordons").cordoned)
done = client.get(name).step - client.get(name).warm_start_steps
_, steps = steps_until(done + 2)
expect("the run goes on without it", steps[-1].step >= done + 2, steps[-1].step)
expect("uncordon", not client.uncordon(rollouts[0]).cordoned)

# Samples, waits, and the end.
for sample in client.samples(name, step=1, limit=3):
    expect("a sample of step 1", sample.step == 1, sample.state)
print("      ", len(client.waits()), "waits")
for run in (forked.run, name):
    expect("stop", client.stop(run, reason="the scenario is over") in ("stopped", "running", "draining"))
deadline = time.monotonic() + 120
while any(temper_client.state_word(client.get(run).state) != "stopped" for run in (forked.run, name)):
    expect("both stop in time", time.monotonic() < deadline)
    time.sleep(0.2)
print("all is as it should be")
