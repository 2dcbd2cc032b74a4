"""Tests of the GPU check that need no GPU: the shape of what is printed, never how fast anything was.

    gpu_check_test.py lines PROGRAM NAMES ARGUMENTS...   gpu_bench prints these figures
    gpu_check_test.py no_gpu SOURCE                      scripts/gpu_check run says that there is no GPU
    gpu_check_test.py stub_gpu SOURCE BENCH TESTS LAYERS  the whole run on a stub of a machine: emulated programs
    gpu_check_test.py stopped SOURCE                     a kernel test that stops its process is counted, and no other
"""
import json
import os
import stat
import subprocess
import sys
import tempfile


def check(condition, *words):
    if not condition:
        sys.exit("FAILED: " + " ".join(map(str, words)))


def check_figure(figure):
    check(sorted(figure) == ["details", "fraction", "limit", "name", "unit", "value"], figure)
    check(isinstance(figure["name"], str) and isinstance(figure["unit"], str), figure)
    check(isinstance(figure["value"], (int, float)) and figure["value"] >= 0, figure)
    check(isinstance(figure["details"], dict) and figure["details"].get("device"), figure)
    if figure["limit"] is None:
        check(figure["fraction"] is None, figure)
    else:
        check(figure["limit"] > 0 and abs(figure["fraction"] * figure["limit"] - figure["value"]) <= 1e-6 * figure["value"] + 1e-12,
              figure)
    check(figure["details"].get("passed", True) and figure["details"].get("finite", True), figure)


def lines(program, names, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([program, "--json", "--table", folder + "/table", *arguments], capture_output=True, text=True)
    check(done.returncode == 0, done.returncode, done.stdout, done.stderr)
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    for figure in figures:
        check_figure(figure)
    found = [figure["name"] for figure in figures]
    check(sorted(set(found)) == sorted(names.split(",")), "figures", found)
    for name, batch in (("decode", (1, 4)), ("prefill", (1,)), ("train", (2,))):
        details = [figure["details"] for figure in figures if figure["name"] == name]
        check(tuple(d["batch"] for d in details) == (batch if name in names.split(",") else ()), name, details)
        for d in details:
            check(d["seconds_min"] <= d["seconds"] <= d["seconds_max"] and d["runs"] >= 2, d)
            check(0 < d["layers"] <= d["layers_of_model"] and d["key"], d)


def make_bundle(source, folder):
    done = subprocess.run([source + "/scripts/gpu_check", "build", "--scripts-only", folder], capture_output=True, text=True)
    check(done.returncode == 0, done.stdout, done.stderr)
    check("gpu_check: made" in done.stdout.splitlines()[-1], done.stdout)


def run_bundle(source, folder, out, **environment):
    done = subprocess.run([source + "/scripts/gpu_check", "run", folder, out], capture_output=True, text=True,
                          env={**os.environ, **environment})
    with open(out + "/report.json") as file:
        report = json.load(file)
    check(set(os.listdir(out)) <= {"logs.tar.gz", "report.json", "algorithms_quick.txt"}, os.listdir(out))
    for field in ("format", "date", "result", "bundle_commit", "device", "host", "parts", "ceilings", "comparisons", "figures"):
        check(field in report, "no", field)
    for part in report["parts"]:
        check(part["result"] in ("passed", "failed", "skipped") and part["name"], part)
        check(part["result"] == "passed" or part["reason"], part)
    return done, report


def no_gpu(source):
    with tempfile.TemporaryDirectory() as folder:
        make_bundle(source, folder + "/bundle")
        done, report = run_bundle(source, folder + "/bundle", folder + "/out", CUDA_VISIBLE_DEVICES="")
        check(done.returncode == 3, done.returncode, done.stdout, done.stderr)
        check(report["result"].startswith("skipped: no GPU"), report["result"])
        check("skipped: no GPU" in done.stdout.splitlines()[-1], done.stdout)
        check(report["figures"] == [] and all(part["result"] == "skipped" for part in report["parts"]), report)


def write_program(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)


def stub_gpu(source, bench, tests):
    with tempfile.TemporaryDirectory() as folder:
        bundle, stubs = folder + "/bundle", folder + "/stubs"
        make_bundle(source, bundle)
        os.symlink(bench, bundle + "/bin/gpu_bench")
        os.symlink(tests, bundle + "/bin/kernels.gpu_test")
        os.mkdir(stubs)
        write_program(stubs + "/nvidia-smi", "#!/bin/sh\necho 'Stub 9000, 580.1, 143771 MiB, 9.0'\n")
        write_program(stubs + "/compute-sanitizer",
                      "#!/bin/sh\n[ \"$2\" = memcheck ] || exit 9\nwhile [ \"${1#/}\" = \"$1\" ]; do shift; done\n\"$@\" || exit 1\n"
                      "echo '========= ERROR SUMMARY: 0 errors'\n")
        environment = {"CUDA_VISIBLE_DEVICES": "0", "PATH": stubs + ":" + os.environ["PATH"], "TEMPER_GPU_CHECK_SECONDS": "280",
                       "TEMPER_GPU_CHECK_BENCH": "--preset tiny --copy-mbytes 1 --gemm-side 64",
                       "TEMPER_GPU_CHECK_PEER": "--config %s/configs/tiny.json --device cpu" % bundle}
        done, report = run_bundle(source, bundle, folder + "/out", **environment)
        results = {part["name"]: part for part in report["parts"]}
        for name in ("device", "tests", "agree-tiny", "agree", "tune", "bench-own", "bench-pinned", "train", "agree-pinned",
                     "memcheck"):
            check(results[name]["result"] == "passed", results[name])
        check(results["racecheck"]["result"] == "failed" and results["racecheck"]["exit_code"] == 9, results["racecheck"])
        check(results["peer"]["result"] in ("skipped", "passed"), results["peer"])
        check(done.returncode == 1 and "FAILED" in done.stdout.splitlines()[-1], done.returncode, done.stdout)
        counts = results["tests"]["counts"]
        check(counts["passed"] == counts["total"] > 0, counts)
        check(results["memcheck"]["counts"]["errors"] == 0, results["memcheck"])
        check(report["device"]["driver_version"] == "580.1", report["device"])
        for figure in report["figures"]:
            if not figure["name"].startswith("peer-"):
                check_figure({name: value for name, value in figure.items() if name != "part"})
        check(any("pinned_over_own" in row for row in report["comparisons"]), report["comparisons"])
        tuned = [figure["details"] for figure in report["figures"] if figure["name"] == "tune"]
        check(all(d["chosen"] == "steady" and d["admitted"] == 1 for d in tuned) and len(tuned) >= 8, tuned)
        check({"decode b1 c16", "prefill t80", "train 2x24"} <= {row["key"] for row in report["comparisons"]}, report["comparisons"])


STOPPING = """#!/bin/sh
for word in "$@"; do
  case "$word" in
    --gtest_list_tests) printf 'Good.\\n  A\\nBad.\\n  B\\n  C\\n'; exit 0 ;;
    --gtest_filter=*) filter=${word#*=} ;;
    --gtest_output=json:*) path=${word#*json:} ;;
  esac
done
case "$filter" in Bad.C | Bad.\\*) kill -ABRT $$ ;; esac
suite=${filter%.*}
test=${filter#*.}
[ "$test" = '*' ] && test=A
echo '{"testsuites": [{"name": "'$suite'", "testsuite": [{"name": "'$test'", "status": "RUN", "result": "COMPLETED"}]}]}' >"$path"
"""


def stopped(source):
    with tempfile.TemporaryDirectory() as folder:
        write_program(folder + "/program", STOPPING)
        done = subprocess.run([sys.executable, source + "/tests/gpu_check/kernel_tests.py", folder + "/program", folder],
                              capture_output=True, text=True)
        check(done.returncode == 1, done.stdout, done.stderr)
        with open(folder + "/tests.json") as file:
            counts = json.load(file)
        check((counts["total"], counts["passed"], counts["stopped_the_process"]) == (3, 2, 1), counts)
        check([failure["test"] for failure in counts["failures"]] == ["Bad.C"], counts)


if __name__ == "__main__":
    {"lines": lines, "no_gpu": no_gpu, "stub_gpu": stub_gpu, "stopped": stopped}[sys.argv[1]](*sys.argv[2:])
