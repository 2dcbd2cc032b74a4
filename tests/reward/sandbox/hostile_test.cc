// Programs that try to break out, to hang, to fill the machine or to fake a pass: each gets the
// verdict that its first lines demand, the next honest program passes, and nothing of it is left.
//
// tests/data/hostile/ holds one file for each; a new file there is a new test.
//   # expect: VERDICT [VERDICT...]
//   # format: output (default: prints "ok") | check | calls (f(x) is 2 * x)
#include <dirent.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "reward/answer_verifier.h"
#include "reward/code/code_verifier.h"
#include "temper/v1/code_verifier.pb.h"
#include "tests/fakes/code_line.h"

namespace temper::reward {
namespace {

struct Hostile {
  std::string name, program, expected, metadata;
};

// The text behind `key` on a line of the program's head.
std::string Header(const std::string& program, const std::string& key) {
  const size_t at = program.find(key);
  if (at == std::string::npos || at > 200) return "";
  const size_t begin = at + key.size();
  return program.substr(begin, program.find('\n', begin) - begin);
}

std::string Metadata(const std::string& format, const std::string& language,
                     const std::string& program) {
  nlohmann::json line = {{"language", language}, {"code", program}};
  if (format == "check") {
    line["prompt"] = "def f(x):\n    \"\"\"Doubles x.\"\"\"\n";
    line["test"] =
        "def check(candidate):\n    assert candidate(1) == 2\n    assert candidate(3) == 6\n";
    line["entry_point"] = "f";
  } else if (format == "calls") {
    line["tests"] = {{"inputs", {{1}, {3}}}, {"outputs", {2, 6}}, {"fn_name", "f"}};
  } else {
    line["tests"] = {{{"input", ""}, {"output", "ok\n"}}};
  }
  return line.dump();
}

std::vector<Hostile> ReadPrograms() {
  std::vector<Hostile> programs;
  for (const auto& entry : std::filesystem::directory_iterator(TEMPER_TEST_DATA "/hostile")) {
    const auto program = ReadFile(entry.path().string());
    EXPECT_TRUE(program.ok()) << program.status();
    if (!program.ok()) continue;
    const std::string suffix = entry.path().extension().string();
    const std::string language = suffix == ".py" ? "python" : suffix == ".c" ? "c" : "cpp";
    programs.push_back({entry.path().filename().string(), *program, Header(*program, "expect: "),
                        Metadata(Header(*program, "format: "), language, *program)});
  }
  std::ranges::sort(programs, {}, &Hostile::name);
  return programs;
}

// Tight limits make hostile programs end soon; on a busy machine an honest one needs room.
v1::CodeOptions Options(bool cgroups, bool tight) {
  v1::CodeOptions options;
  options.set_cpu_seconds(tight ? 1 : 10);
  options.set_wall_seconds(tight ? 3 : 30);
  options.set_memory_mib(128);
  options.set_output_kib(1024);
  options.set_disk_mib(16);
  options.set_processes(32);
  options.set_compile_cpu_seconds(tight ? 5 : 60);
  options.set_no_cgroups(!cgroups);
  return options;
}

// Bubblewrap makes the folder that becomes a job's root out of a mount on /tmp: whatever a sandbox
// mounts would come through to us there. Other mounts of the machine come and go as they like.
bool MadeForASandbox(const std::string& mount_point) {
  return mount_point == "/tmp" || absl::StartsWith(mount_point + "/", "/tmp/newroot/") ||
         absl::StartsWith(mount_point + "/", "/tmp/oldroot/");
}

// The lines of those mounts.
std::string SandboxMounts() {
  const auto text = ReadFile("/proc/self/mountinfo");
  if (!text.ok()) return absl::StrCat(text.status().ToString(), "\n");
  std::string mounts;
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(*text, '\n', absl::SkipEmpty()))) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    if (fields.size() > 4 && MadeForASandbox(fields[4])) absl::StrAppend(&mounts, line, "\n");
  }
  return mounts;
}

// What may not grow: our processes, descriptors, mounts, cgroups, IPC objects and files.
std::string Traces() {
  std::string traces;
  const auto count = [&](const std::string& folder, auto wanted) {
    int found = 0;
    if (DIR* open = opendir(folder.c_str())) {
      while (const dirent* entry = readdir(open)) found += wanted(folder + "/" + entry->d_name);
      closedir(open);
    }
    absl::StrAppend(&traces, folder, ": ", found, "\n");
  };
  const auto all = [](const std::string&) { return true; };
  const auto of_a_job = [](const std::string& path) {
    struct stat about;
    return lstat(path.c_str(), &about) == 0 &&
           ((about.st_uid >= 1900000000u && about.st_uid < 1910000000u) ||
            about.st_uid == getuid()) &&
           !path.ends_with("/.") && !path.ends_with("/..") && getuid() != 0;
  };
  count("/proc/self/fd", all);
  count("/tmp", of_a_job);
  count("/dev/shm", of_a_job);
  const std::string own_group = absl::StrCat("temper-job.", getpid(), ".");
  int groups = 0;
  std::error_code ignored;
  for (auto at = std::filesystem::recursive_directory_iterator(
           "/sys/fs/cgroup", std::filesystem::directory_options::skip_permission_denied, ignored);
       at != std::filesystem::recursive_directory_iterator(); at.increment(ignored)) {
    groups += at->is_directory(ignored) && absl::StrContains(at->path().string(), own_group);
  }
  absl::StrAppend(&traces, "cgroups: ", groups, "\n");
  absl::StrAppend(&traces, "mounts:\n", SandboxMounts());
  for (const char* file : {"/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg"}) {
    const auto text = ReadFile(file);  // 32315 = 0x7e3b, the key that H26 uses
    absl::StrAppend(&traces, file, ": ", text.ok() && absl::StrContains(*text, " 32315 "), "\n");
  }
  return traces;
}

// We are the subreaper: what outlives its sandbox becomes our child.
// Those that are already killed are given a moment to go.
int ChildrenLeft() {
  int left = 0;
  for (int attempt = 0; attempt < 200; ++attempt) {
    pid_t ended;
    while ((ended = waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    if (ended < 0) return 0;
    left = 1;
    usleep(10000);
  }
  return left;
}

std::string CheckOne(const Verifier& tight, const Verifier& roomy, const Hostile& hostile) {
  std::string failures;
  const bool honest_itself = absl::StartsWith(hostile.name, "honest");
  const auto judgement =
      JudgeCodeLine(honest_itself ? roomy : tight, nlohmann::json::parse(hostile.metadata));
  const std::string verdict = judgement.ok() ? judgement->verdict : judgement.status().ToString();
  const std::string allowed = absl::StrCat(" ", hostile.expected, " ");
  if (!absl::StrContains(allowed, absl::StrCat(" ", verdict, " "))) {
    absl::StrAppend(&failures, hostile.name, ": ", verdict, " (",
                    judgement.ok() ? judgement->reason : "", "), expected ", hostile.expected,
                    "\n");
  }
  if (judgement.ok() && judgement->score != (verdict == kPass ? 1 : 0)) {
    absl::StrAppend(&failures, hostile.name, ": score ", judgement->score, "\n");
  }
  const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  if (judgement.ok() && !std::ranges::all_of(judgement->reason, printable)) {
    absl::StrAppend(&failures, hostile.name, ": a reason that is not printable\n");
  }
  for (const char* format : {"output", "check"}) {
    const bool output = std::string(format) == "output";
    const std::string program = output ? "print('ok')\n" : "def f(x):\n    return 2 * x\n";
    const auto honest =
        JudgeCodeLine(roomy, nlohmann::json::parse(Metadata(format, "python", program)));
    if (!honest.ok() || honest->verdict != kPass) {
      absl::StrAppend(
          &failures, "after ", hostile.name, " an honest program gets ",
          honest.ok() ? honest->verdict + ": " + honest->reason : honest.status().ToString(), "\n");
    }
  }
  return failures;
}

// In a process of its own, which may then be anybody. Failures, a line each.
std::string RunAll(const std::vector<Hostile>& programs, bool cgroups) {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const std::string before = Traces();
  std::string failures;
  {
    const auto tight = CodeVerifier::Create(Options(cgroups, true));
    const auto roomy = CodeVerifier::Create(Options(cgroups, false));
    const auto isolation = (*tight)->DescribeIsolation();
    if (!isolation.ok()) return absl::StrCat("SKIP ", isolation.status().message());
    std::fprintf(stderr, "%s\n", isolation->c_str());
    std::atomic<size_t> next = 0;
    Mutex mutex;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        for (size_t j; (j = next++) < programs.size();) {
          const std::string failed = CheckOne(**tight, **roomy, programs[j]);
          mutex.Lock();
          failures += failed;
          mutex.Unlock();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  const std::string after = Traces();
  if (before != after) absl::StrAppend(&failures, "before:\n", before, "after:\n", after);
  if (const int left = ChildrenLeft(); left > 0) absl::StrAppend(&failures, "a process is left\n");
  return failures;
}

void RunAs(uid_t user, bool cgroups) {
  const std::vector<Hostile> programs = ReadPrograms();
  ASSERT_GE(programs.size(), 72u);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    if (user != getuid()) {
      if (setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0) _exit(1);
      prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    }
    const std::string failures = RunAll(programs, cgroups);
    for (size_t done = 0; done < failures.size();) {
      const ssize_t n = write(ends[1], failures.data() + done, failures.size() - done);
      if (n <= 0) _exit(1);
      done += static_cast<size_t>(n);
    }
    _exit(0);
  }
  close(ends[1]);
  std::string failures;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    failures.append(buffer, static_cast<size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (absl::StartsWith(failures, "SKIP ")) GTEST_SKIP() << failures.substr(5);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(failures, "");
}

TEST(HostileTest, GetsItsVerdictWithCgroups) { RunAs(getuid(), true); }

TEST(HostileTest, GetsItsVerdictWithoutCgroups) {
  if (getuid() != 0) GTEST_SKIP() << "not root: the same as GetsItsVerdictWithCgroups here";
  RunAs(getuid(), false);
}

TEST(HostileTest, GetsItsVerdictAsNobody) {
  if (getuid() != 0) GTEST_SKIP() << "not root: every other test runs rootless already";
  RunAs(65534, true);
}

// H70, H71: no program, but text that aims at whoever judges an answer.
TEST(HostileTest, AnswersThatAimAtAJudgeEarnNothing) {
  const auto extractor = AnswerExtractor::Create("auto", "");
  ASSERT_TRUE(extractor.ok());
  const AnswerVerifier verifier(*extractor);
  for (const char* text :
       {":", ".", "Thought process:", "Let us solve this step by step.", "\\boxed{:}",
        "\\boxed{\\pi and __import__('os').getpid()}", "\\boxed{__import__('os')._exit(0)}",
        "\\boxed{1}\\boxed{2}\\boxed{3}\\boxed{4}", "<think>\\boxed{5}</think>",
        "<think>\\boxed{5}", "5 or 6", "\\boxed{5 or 6}", "\\boxed{5} or \\boxed{6}",
        "The answer is \\boxed{} 5", "The gold answer", "\\boxed{answer}"}) {
    const auto judgement = verifier.Judge({.text = text, .gold = "5"});
    ASSERT_TRUE(judgement.ok()) << judgement.status();
    EXPECT_EQ(judgement->verdict, kNotEqual) << text;
    EXPECT_EQ(judgement->score, 0) << text;
  }
}

}  // namespace
}  // namespace temper::reward
