"""Makes one report.json of what the parts of a GPU check left behind.

    report.py BUNDLE OUT [--no-gpu REASON]

Reads OUT/logs/parts.tsv (name, exit code or "skipped", seconds, limit, reason), the parts' logs and tests.json. Called after every
part, so that a run that is cut off leaves a report too. Exit code 0: all that ran passed; 1: not; 3: no GPU.
"""
import argparse
import datetime
import json
import os
import re
import subprocess
import sys


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def figures_of(text):
    figures = []
    for line in text.splitlines():
        if not line.startswith("{"):
            continue
        try:
            figure = json.loads(line)
        except ValueError:
            continue
        if isinstance(figure, dict) and "name" in figure and "value" in figure:
            figures.append(figure)
    return figures


def device_facts(figures):
    facts = {}
    query = output_of("nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader")
    fields = [field.strip() for field in query.splitlines()[0].split(",")] if query.strip() else []
    if len(fields) == 4:
        facts = dict(zip(["name", "driver_version", "memory", "compute_capability"], fields))
    cuda = re.search(r"CUDA Version:\s*([0-9.]+)", output_of("nvidia-smi"))
    facts["driver_cuda_version"] = cuda.group(1) if cuda else None
    nvcc = output_of("nvcc", "--version") or output_of("/usr/local/cuda/bin/nvcc", "--version")
    toolkit = re.search(r"release ([0-9.]+)", nvcc)
    facts["toolkit_version"] = toolkit.group(1) if toolkit else None
    for figure in figures:
        if figure["name"] == "device":
            facts.update(figure["details"])
            facts["name"] = figure["details"]["device"]
            facts["free_gib_at_start"] = figure["value"]
    return facts


def judge(name, code, seconds, limit, reason, logs):
    """One part's entry."""
    part = {"name": name, "seconds": int(seconds), "limit_seconds": int(limit)}
    text = read(os.path.join(logs, name + ".log"))
    if code == "skipped":
        part.update(result="skipped", reason=reason)
        return part
    code = int(code)
    part["exit_code"] = code
    part["result"] = "passed" if code == 0 else "failed"
    if code in (124, 137):
        part["reason"] = "cut off after %s s" % limit
    elif code:
        part["reason"] = "exit code %d" % code
    figures = figures_of(text)
    if figures:
        checks = [figure["details"]["passed"] for figure in figures if "passed" in figure["details"]]
        part["counts"] = {"figures": len(figures)}
        if checks:
            part["counts"].update(checks_passed=sum(checks), checks_failed=len(checks) - sum(checks))
        left_out = [figure["details"]["skipped"] for figure in figures if "skipped" in figure["details"]]
        if left_out and len(left_out) == len(figures) and code == 0:
            part.update(result="skipped", reason=left_out[0])
    if name == "tests":
        try:
            part["counts"] = json.loads(read(os.path.join(logs, "tests.json")))
        except ValueError:
            pass
        counts = part.get("counts", {})
        if code == 0 and counts.get("passed") == 0 and counts.get("skipped"):
            part.update(result="skipped", reason="every test found no GPU")
    if name in ("memcheck", "racecheck"):
        if "Device not supported" in text or "not supported on this" in text:
            part.update(result="skipped", reason="compute-sanitizer: the device is not supported")
        errors = re.search(r"(?:ERROR|RACECHECK) SUMMARY: (\d+)", text)
        tests = re.search(r"\[  PASSED  \] (\d+) test", text)
        part["counts"] = {"errors": int(errors.group(1)) if errors else None,
                          "tests_passed": int(tests.group(1)) if tests else None}
    if name == "peer" and code == 4:
        part.update(result="skipped", reason=text.strip().splitlines()[-1] if text.strip() else "peer.py")
    if part["result"] == "failed":
        part["output_tail"] = text[-4000:]
    return part


def key_of(figure):
    return figure["details"].get("key")


def compare(figures):
    """Ratios of tokens a second at the same sizes."""
    best = {}
    for figure in figures:
        if key_of(figure) is None or not figure["value"]:
            continue
        who = "peer" if figure["name"].startswith("peer-") else figure["details"].get("products", "own")
        slot = best.setdefault(key_of(figure), {})
        slot[who] = max(slot.get(who, 0), figure["value"])
    rows = []
    for key, slot in sorted(best.items()):
        row = {"key": key, "tokens_per_second": slot}
        if "own" in slot and "pinned" in slot:
            row["pinned_over_own"] = slot["pinned"] / slot["own"]
        ours = max(slot.get("own", 0), slot.get("pinned", 0))
        if ours and "peer" in slot:
            row["ours_over_peer"] = ours / slot["peer"]
        rows.append(row)
    return rows


CEILINGS = ("copy-bandwidth", "peer-copy-bandwidth", "gemm-own", "gemm-library", "peer-gemm")


def ceilings(figures):
    """The best of each, with its unit."""
    best = {}
    for figure in figures:
        if figure["name"] in CEILINGS and figure["value"] > best.get(figure["name"], {}).get("value", 0):
            best[figure["name"]] = {"value": figure["value"], "unit": figure["unit"]}
    return best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle")
    parser.add_argument("out")
    parser.add_argument("--no-gpu", metavar="REASON")
    choice = parser.parse_args()
    logs = os.path.join(choice.out, "logs")
    parts, figures = [], []
    for line in read(os.path.join(logs, "parts.tsv")).splitlines():
        name, code, seconds, limit, reason = line.split("\t")
        if choice.no_gpu and name == "device":
            continue
        parts.append(judge(name, code, seconds, limit, reason, logs))
        if code != "skipped":
            for figure in figures_of(read(os.path.join(logs, name + ".log"))):
                figures.append(dict(figure, part=name))
    if choice.no_gpu:
        reason = "no GPU: " + choice.no_gpu
        parts = [{"name": name, "result": "skipped", "reason": reason}
                 for name in ("tests", "bench", "peer", "memcheck", "racecheck")]
    failed = [part["name"] for part in parts if part["result"] == "failed"]
    passed = [part["name"] for part in parts if part["result"] == "passed"]
    skipped = [part["name"] for part in parts if part["result"] == "skipped"]
    result = "skipped: no GPU: " + choice.no_gpu if choice.no_gpu else "failed" if failed else "passed"
    report = {
        "format": "temper gpu check 1",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "result": result,
        "bundle_commit": read(os.path.join(choice.bundle, "commit")).strip() or "unknown",
        "device": None if choice.no_gpu else device_facts(figures),
        "host": {"cores": os.cpu_count(), "system": " ".join(os.uname())},
        "parts": parts,
        "ceilings": ceilings(figures),
        "comparisons": compare(figures),
        "figures": figures,
    }
    path = os.path.join(choice.out, "report.json")
    with open(path + ".part", "w") as file:
        json.dump(report, file, indent=1)
        file.write("\n")
    os.replace(path + ".part", path)
    if choice.no_gpu:
        print("gpu_check: " + result)
        return 3
    print("gpu_check: %s: passed %d parts, failed %d%s, skipped %d; %d figures in %s" % (
        result.upper(), len(passed), len(failed), " (" + ", ".join(failed) + ")" if failed else "", len(skipped),
        len(figures), path))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
