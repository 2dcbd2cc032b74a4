"""Runs a GoogleTest program suite by suite, so that a test that stops the process takes no other with it.

    kernel_tests.py PROGRAM FOLDER [--seconds N]     FOLDER/tests.json holds the counts and what failed
    kernel_tests.py PROGRAM FOLDER --first-of-each   prints a filter: the first test of every suite

Exit code 0 where every test passed or was skipped, else 1.
"""
import argparse
import json
import os
import subprocess
import sys
import time


def list_tests(program):
    text = subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True, timeout=60).stdout
    suites = {}
    suite = None
    for line in text.splitlines():
        name = line.split("#")[0].rstrip()
        if name.startswith(" ") and suite:
            suites[suite].append(name.strip())
        elif name.endswith("."):
            suite = name
            suites[suite] = []
    return {suite: tests for suite, tests in suites.items() if tests}


def run(program, pattern, path, seconds):
    """What GoogleTest wrote, or None where it could not; and how the process ended."""
    if os.path.exists(path):
        os.remove(path)
    command = [program, "--gtest_filter=" + pattern, "--gtest_output=json:" + path, "--gtest_brief=1"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
        ended, output = "exit code %d" % done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        ended, output = "no end within %d s" % seconds, late.stdout or b""
    try:
        with open(path) as file:
            return json.load(file), ended, output
    except (OSError, ValueError):
        return None, ended, output


def add(report, counts):
    for suite in report["testsuites"]:
        for test in suite["testsuite"]:
            name = suite["name"] + "." + test["name"]
            if test.get("failures"):
                counts["failed"] += 1
                counts["failures"].append({"test": name, "what": test["failures"][0]["failure"][:1500]})
            elif test.get("result") == "SKIPPED":
                counts["skipped"] += 1
            elif test.get("status") == "RUN":
                counts["passed"] += 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--seconds", type=float, default=100)
    parser.add_argument("--first-of-each", action="store_true")
    choice = parser.parse_args()
    suites = list_tests(choice.program)
    if choice.first_of_each:
        print(":".join(suite + tests[0] for suite, tests in suites.items()))
        return 0

    deadline = time.monotonic() + choice.seconds
    path = os.path.join(choice.folder, "suite.json")
    summary = os.path.join(choice.folder, "tests.json")
    counts = {"total": sum(map(len, suites.values())), "passed": 0, "failed": 0, "skipped": 0, "stopped_the_process": 0,
              "not_run": 0, "failures": [], "suites_seconds": {}}

    def alone(suite, test):
        report, ended, output = run(choice.program, suite + test, path, min(30, max(deadline - time.monotonic(), 1)))
        if report is not None:
            add(report, counts)
            return
        counts["stopped_the_process"] += 1
        tail = output.decode(errors="replace")[-1500:]
        counts["failures"].append({"test": suite + test, "what": ended + "\n" + tail})

    for suite, tests in suites.items():
        start = time.monotonic()
        if start > deadline:
            counts["not_run"] += len(tests)
            continue
        report, ended, output = run(choice.program, suite + "*", path, max(deadline - start, 1))
        sys.stdout.write("== %s %s\n%s" % (suite, ended, output.decode(errors="replace")[-20000:]))
        if report is not None:
            add(report, counts)
        else:
            for test in tests:
                if time.monotonic() > deadline:
                    counts["not_run"] += 1
                else:
                    alone(suite, test)
        counts["suites_seconds"][suite] = round(time.monotonic() - start, 2)
        sys.stdout.flush()
        with open(summary, "w") as file:
            json.dump(counts, file)
    with open(summary, "w") as file:
        json.dump(counts, file)
    if os.path.exists(path):
        os.remove(path)
    print("kernel tests: %(passed)d of %(total)d passed, %(failed)d failed, %(stopped_the_process)d stopped the process, "
          "%(skipped)d skipped, %(not_run)d not run" % counts)
    good = counts["failed"] + counts["stopped_the_process"] + counts["not_run"] == 0 and counts["total"] > 0
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
