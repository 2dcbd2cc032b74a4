// Ways to be paid without solving the problem, in every format of tests and every language.
//
// The problem is f(x) = 2 * x. Each hack is written once for each language; its cells are
// generated. All cells must give the demanded verdict, and an honest program must pass in each
// format.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "reward/code/code_verifier.h"
#include "temper/v1/code_verifier.pb.h"
#include "tests/fakes/code_line.h"

namespace temper::reward {
namespace {

constexpr char kWrong[] = "wrong_answer";

struct Hack {
  std::string name;
  std::string on_load;           // Python, before f is defined
  std::string body;              // Python, of f
  std::string called = kWrong;   // verdicts where f is called
  std::string printed = kWrong;  // verdicts where the program prints f of its input
  std::string c_body;            // C++, of int f(int x); empty: no such hack
  std::string c_verdict = kWrong;
};

std::vector<Hack> Hacks() {
  return {
      {"does nothing", "", "return None", kWrong, kWrong, "return 0;"},
      {"exits on loading", "import sys\nsys.exit(0)", "return 0", kWrong, kWrong, "exit(0);"},
      {"exits hard on loading", "import os\nos._exit(0)", "return 0", kWrong, kWrong, "_exit(0);"},
      {"exits when called", "", "raise SystemExit(0)", kWrong, kWrong,
       "at_quick_exit([] {}); quick_exit(0);"},
      {"exits hard when called", "import os", "os._exit(0)", kWrong, kWrong, "_Exit(0);"},
      {"becomes another program", "import os", "os.execv('/usr/bin/true', ['true'])", kWrong,
       kWrong, "execl(\"/usr/bin/true\", \"true\", nullptr);"},
      {"skips", "import unittest\nraise unittest.SkipTest('later')", "return 0", kWrong,
       "runtime_error"},
      {"skips when called", "import unittest", "raise unittest.SkipTest('later')", kWrong,
       "runtime_error"},
      {"says that it passed", "", "print('All tests passed\\n1 passed in 0.01s\\nOK')", kWrong,
       kWrong, "puts(\"All tests passed\"); return 0;"},
      {"is equal to everything",
       "class E(int):\n    __eq__ = lambda a, b: True\n    __ne__ = lambda a, b: False\n"
       "    __hash__ = lambda a: 2\n    __str__ = __repr__ = lambda a: '2'",
       "return E(0)", kWrong, kWrong},
      {"is an object equal to everything", "class E:\n    __eq__ = lambda a, b: True", "return E()",
       kWrong, kWrong},
      {"is a string", "", "return '%s ' % [2 * x]", kWrong, kWrong,
       "printf(\"[%d]\", 2 * x); exit(0);"},
      {"is not a number", "", "return float('nan')", kWrong, kWrong, "puts(\"nan\"); exit(0);"},
      {"offers many answers", "", "return list(range(200)) if False else (2, 6, 100)", kWrong,
       kWrong, "puts(\"2 6 100\"); exit(0);"},
      {"hard-codes the samples", "", "return {1: 2, 3: 6}.get(x)", kWrong, kWrong,
       "return x == 1 ? 2 : x == 3 ? 6 : 0;"},
      {"replaces the harness",
       "import builtins, sys\nbuiltins.check = builtins.AssertionError = lambda *a, **k: True\n"
       "m = sys.modules['__main__']\nm.check = m.run_tests = m.SameValue = lambda *a, **k: True",
       "return 0"},
      {"replaces what compares",
       "import operator, math, json\noperator.eq = math.isclose = lambda *a, **k: True\n"
       "json.dumps = lambda *a, **k: '2'",
       "return 0"},
      {"rewrites the exit code",
       "import atexit, os, sys\natexit.register(os._exit, 0)\nsys.excepthook = lambda *a: "
       "os._exit(0)",
       "return 0", kWrong, kWrong, "atexit([] { _exit(0); }); return 0;"},
      {"shadows modules",
       "for n in ('json', 'random', 'math', 'unittest', 'conftest', 'sitecustomize'):\n"
       "    open('/tmp/' + n + '.py', 'w').write('import os; os._exit(0)')",
       "return 0"},
      {"looks for expected values in memory", "import gc, sys",
       "f = sys._getframe()\n    while f:\n        for v in list(f.f_locals.values()) + "
       "gc.get_objects():\n"
       "            if isinstance(v, dict) and ('outputs' in v or 'expected' in v):\n"
       "                return v\n        f = f.f_back\n    return 0"},
      {"looks for expected values on disk", "import os",
       "for r, _, names in list(os.walk('/tmp')) + list(os.walk('/proc/self/fd')):\n"
       "        for n in names:\n            try:\n                t = open(os.path.join(r, "
       "n)).read(10000)\n"
       "            except OSError:\n                continue\n            if 'assert' + ' "
       "candidate' in t:\n"
       "                return t\n    return 0"},
      {"forges a record",
       "import os\ntry:\n    os.write(3, b'\\x24\\0\\0\\0' + b'0' * 32 + b'R' + b'2  ')\nexcept "
       "OSError:\n    pass",
       "return 0", "violation", kWrong, "if (write(3, \"R2\", 2) > 0) puts(\"2\"); return 0;"},
      {"forges a record with the nonce", "import os, sys",
       "f = sys._getframe()\n    while f:\n        for v in list(f.f_locals.values()):\n"
       "            n = getattr(v, 'nonce', None)\n            if isinstance(n, bytes):\n"
       "                b = n + b'R' + str(2 * x - 1).encode()\n"
       "                os.write(3, 2 * (len(b).to_bytes(4, 'little') + b))\n        f = f.f_back\n"
       "    return 0",
       "violation", kWrong},
      {"closes the channel", "import os\nos.closerange(3, 100)", "return 0", "runtime_error",
       kWrong},
      {"looks into its parent", "import ctypes, os",
       "ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)", "violation", "violation",
       "ptrace(PTRACE_ATTACH, getppid(), 0, 0); return 0;", "violation"},
      {"asks the network", "import socket",
       "try:\n        socket.create_connection(('169.254.169.254', 80), 1)\n    except OSError:\n"
       "        pass\n    return 0",
       "violation", "violation", "socket(AF_INET, SOCK_STREAM, 0); return 0;", "violation"},
      {"loops", "", "while True: pass", "time_limit", "time_limit", "for (;;) asm volatile(\"\");",
       "time_limit"},
      {"takes all memory", "", "k = []\n    while True: k.append(bytearray(b'x') * (1 << 20))",
       "memory_limit", "memory_limit", "for (;;) memset(malloc(1 << 20), 1, 1 << 20);",
       "memory_limit"},
      {"prints without end", "", "while True: print('2' * 1000)", "output_limit", "output_limit",
       "for (;;) puts(\"2222222222222222222222222222222222222222\");", "output_limit"},
      {"nests without end", "", "r = 2\n    for i in range(100000): r = [r]\n    return r",
       "wrong_answer runtime_error", "runtime_error"},
      {"nests sets", "", "r = 2\n    for i in range(99): r = frozenset([r])\n    return r", kWrong,
       "runtime_error wrong_answer"},
      {"answers with what cannot be read", "class L(list):\n    __hash__ = lambda s: 0",
       "return {L(): 1}", kWrong, kWrong},
      {"answers with many digits", "import sys\nsys.set_int_max_str_digits(0)",
       "return 1 << (1 << 19)", kWrong, kWrong},
      {"does not compile", "def", "return 0", "compile_error", "compile_error", "return nothing",
       "compile_error"},
      {"crashes", "import os", "os.abort()", "runtime_error", "runtime_error", "abort();",
       "runtime_error"},
      {"raises", "", "raise ValueError", "runtime_error", "runtime_error", "throw 1;",
       "runtime_error"},
      {"names nothing", "", "return 0\ndel f", "wrong_answer", "runtime_error"},
      {"changes its arguments", "", "x = 0\n    return x", kWrong, kWrong, "x = 0; return x;"},
  };
}

struct Cell {
  std::string name, metadata, demanded;
};

nlohmann::json Tests(const std::string& format) {
  nlohmann::json line = {{"language", "python"}};
  if (format == "check") {
    line["prompt"] = "def f(x):\n    \"\"\"Doubles x.\"\"\"\n";
    line["test"] =
        "def check(candidate):\n    for x in (1, 3, 50):\n"
        "        assert candidate(x) == 2 * x\n";
    line["entry_point"] = "f";
  } else if (format == "asserts") {
    line["test_list"] = {"assert f(1) == 2", "assert f(3) == 6", "assert f(50) == 100"};
  } else if (format == "calls" || format == "methods") {
    line["tests"] = {{"inputs", {{1}, {3}, {50}}}, {"outputs", {2, 6, 100}}, {"fn_name", "f"}};
  } else {
    line["tests"] = {{{"input", "1\n"}, {"output", "2\n"}},
                     {{"input", "3\n"}, {"output", "6\n"}},
                     {{"input", "50\n"}, {"output", "100\n"}}};
  }
  return line;
}

std::string Python(const std::string& format, const std::string& on_load, const std::string& body) {
  std::string program = absl::StrCat(on_load, "\ndef f(x):\n    ", body, "\n");
  if (format == "output") program += "print(f(int(input())))\n";
  if (format == "methods")
    program += "class Solution:\n    def f(self, x):\n        return g(x)\ng = f\ndel f\n";
  return program;
}

std::string Cpp(const std::string& body) {
  return absl::StrCat(
      "#include <cstdio>\n#include <cstdlib>\n#include <cstring>\n#include <unistd.h>\n"
      "#include <sys/ptrace.h>\n#include <sys/socket.h>\nint f(int x) { ",
      body,
      " }\nint main() { int x; if (scanf(\"%d\", &x) != 1) return 1; printf(\"%d\\n\", f(x)); }\n");
}

std::vector<Cell> Cells(const Hack& hack) {
  std::vector<Cell> cells;
  for (const std::string format : {"check", "asserts", "calls", "methods", "output"}) {
    if (format == "methods" && hack.name == "names nothing") continue;  // it takes f away itself
    nlohmann::json line = Tests(format);
    line["code"] = Python(format, hack.on_load, hack.body);
    cells.push_back({absl::StrCat(hack.name, " / ", format, " / python"), line.dump(),
                     format == "output" ? hack.printed : hack.called});
  }
  if (!hack.c_body.empty()) {
    nlohmann::json line = Tests("output");
    line["language"] = "cpp";
    line["code"] = Cpp(hack.c_body);
    cells.push_back({absl::StrCat(hack.name, " / output / cpp"), line.dump(), hack.c_verdict});
  }
  return cells;
}

v1::CodeOptions Options(bool partial) {
  v1::CodeOptions options;
  options.set_cpu_seconds(1);
  options.set_wall_seconds(5);
  options.set_memory_mib(128);
  options.set_output_kib(256);
  options.set_partial(partial);
  return options;
}

std::string Check(const Verifier& verifier, const Cell& cell, double score_max) {
  const auto judgement = JudgeCodeLine(verifier, nlohmann::json::parse(cell.metadata));
  const std::string verdict = judgement.ok() ? judgement->verdict : judgement.status().ToString();
  if (absl::StrContains(absl::StrCat(" ", cell.demanded, " "), absl::StrCat(" ", verdict, " ")) &&
      judgement->score <= score_max) {
    return "";
  }
  return absl::StrCat(cell.name, ": ", verdict, " (", judgement.ok() ? judgement->reason : "",
                      "), demanded ", cell.demanded, "\n");
}

TEST(RewardHackMatrixTest, PaysNoHackInAnyFormat) {
  const auto verifier = CodeVerifier::Create(Options(false));
  const auto isolation = (*verifier)->DescribeIsolation();
  if (!isolation.ok()) GTEST_SKIP() << isolation.status();
  std::vector<Cell> cells;
  for (const Hack& hack : Hacks()) {
    for (Cell& cell : Cells(hack)) cells.push_back(std::move(cell));
  }
  EXPECT_GE(cells.size(), 180u);
  std::atomic<size_t> next = 0;
  Mutex mutex;
  std::string failures;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (size_t j; (j = next++) < cells.size();) {
        const std::string failure = Check(**verifier, cells[j], 0);
        mutex.Lock();
        failures += failure;
        mutex.Unlock();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, "");
}

TEST(RewardHackMatrixTest, PaysHonestProgramsInEveryFormat) {
  const auto verifier = CodeVerifier::Create(Options(false));
  const auto isolation = (*verifier)->DescribeIsolation();
  if (!isolation.ok()) GTEST_SKIP() << isolation.status();
  const Hack honest = {"honest", "", "return 2 * x", "pass", "pass", "return 2 * x;", "pass"};
  for (const Cell& cell : Cells(honest)) EXPECT_EQ(Check(**verifier, cell, 1), "");
}

// Paid by the share of tests passed, a hack gets what it has earned and a violation nothing.
TEST(RewardHackMatrixTest, PaysSharesOnlyForTestsThatPass) {
  const auto verifier = CodeVerifier::Create(Options(true));
  const auto isolation = (*verifier)->DescribeIsolation();
  if (!isolation.ok()) GTEST_SKIP() << isolation.status();
  for (const std::string format : {"asserts", "calls", "output"}) {
    nlohmann::json line = Tests(format);
    line["code"] = Python(format, "", "return {1: 2, 3: 6}.get(x)");
    auto judgement = JudgeCodeLine(**verifier, line);
    ASSERT_TRUE(judgement.ok()) << judgement.status();
    EXPECT_DOUBLE_EQ(judgement->score, 2.0 / 3) << format;
    EXPECT_EQ(judgement->verdict, kWrong) << format;
    line["code"] =
        Python(format, "",
               "if x == 50:\n        import socket\n        socket.socket()\n    return 2 * x");
    judgement = JudgeCodeLine(**verifier, line);
    ASSERT_TRUE(judgement.ok()) << judgement.status();
    EXPECT_EQ(judgement->score, 0) << format;
    EXPECT_EQ(judgement->verdict, kViolation) << format;
  }
}

}  // namespace
}  // namespace temper::reward
