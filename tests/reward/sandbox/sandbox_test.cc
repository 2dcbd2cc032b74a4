// What the sandbox promises those who use it: limits, files in and out, and that nothing stays.
#include "reward/sandbox/sandbox.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::sandbox {
namespace {

using testing::HasSubstr;

class SandboxTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Sandbox::Open({});
    if (!opened.ok()) GTEST_SKIP() << opened.status();
    sandbox_ = *std::move(opened);
  }

  static Job Python(const std::string& program) {
    Job job;
    job.argv = {"/usr/bin/python3", "-s", "-S", "-P", "-B", "main.py"};
    job.files = {{"main.py", program, false}};
    job.limits.cpu_seconds = 5;
    return job;
  }

  Outcome Run(const Job& job) {
    const auto outcome = sandbox_->Run(job);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? *outcome : Outcome{};
  }

  std::unique_ptr<Sandbox> sandbox_;
};

TEST_F(SandboxTest, GivesInputAndBringsOutputBack) {
  Job job;
  job.argv = {"/usr/bin/rev"};
  job.standard_input = "abc\n";
  const Outcome outcome = Run(job);
  EXPECT_TRUE(outcome.Succeeded());
  EXPECT_EQ(outcome.standard_output, "cba\n");
}

TEST_F(SandboxTest, TellsExitCodeFromSignal) {
  EXPECT_EQ(Run(Python("raise SystemExit(137)")).exit_code, 137);
  const Outcome killed = Run(Python("import os\nos.kill(os.getpid(), 9)"));
  EXPECT_EQ(killed.exit_code, -1);
  EXPECT_EQ(killed.signal, 9);
  EXPECT_EQ(killed.limit, Limit::kNone);
}

TEST_F(SandboxTest, CountsTheProcessorTimeOfAllProcesses) {
  const Outcome outcome =
      Run(Python("import os, time\nif os.fork() == 0:\n    while time.process_time() < 0.3: pass\n"
                 "    os._exit(0)\nos.wait()\n"));
  EXPECT_TRUE(outcome.Succeeded());
  EXPECT_GE(outcome.cpu_seconds, 0.3);
}

TEST_F(SandboxTest, RefusesPathsBeforeAnythingStarts) {
  for (const std::string& path :
       {std::string("../../x"), std::string("/etc/x"), std::string("a/../b"), std::string(""),
        std::string("a//b"), std::string("./a"), std::string("a\0b", 3), std::string(5000, 'x')}) {
    Job job = Python("");
    job.files.push_back({path, "", false});
    EXPECT_EQ(sandbox_->Run(job).status().code(), absl::StatusCode::kInvalidArgument) << path;
    job = Python("");
    job.fetch = {path};
    EXPECT_EQ(sandbox_->Run(job).status().code(), absl::StatusCode::kInvalidArgument) << path;
  }
  Job job = Python("");
  job.files.push_back(job.files[0]);
  EXPECT_THAT(std::string(sandbox_->Run(job).status().message()), HasSubstr("files[1].path"));
  job = Python("");
  job.argv[0] = "python3";
  EXPECT_EQ(sandbox_->Run(job).status().code(), absl::StatusCode::kInvalidArgument);
  job = Python("");
  job.limits.cpu_seconds = 0;
  EXPECT_THAT(std::string(sandbox_->Run(job).status().message()), HasSubstr("limits.cpu_seconds"));
}

TEST_F(SandboxTest, WritesFilesInFoldersAndFetchesThem) {
  Job job =
      Python("print(open('a/b/c.txt').read(), end='')\nopen('made', 'wb').write(b'\\0\\xff')\n");
  job.files.push_back({"a/b/c.txt", "inside", false});
  job.fetch = {"made", "a/b/c.txt", "absent"};
  const Outcome outcome = Run(job);
  EXPECT_EQ(outcome.standard_output, "inside");
  ASSERT_EQ(outcome.fetched.size(), 3u);
  EXPECT_EQ(outcome.fetched[0].content, std::string("\0\xff", 2));
  EXPECT_EQ(outcome.fetched[1].content, "inside");
  EXPECT_NE(outcome.fetched[2].problem, "");
}

// H36, H37, H41: whatever lies where a result is looked for.
TEST_F(SandboxTest, FetchesNothingButRegularFiles) {
  Job job = Python(
      "import os, socket\n"
      "os.symlink('/etc/passwd', 'link')\nos.symlink('/tmp/main.py', 'inner')\n"
      "os.symlink('/usr/bin', 'folder')\nos.mkfifo('fifo')\nos.mkdir('directory')\n"
      "os.symlink('/dev/zero', 'zero')\n");
  job.fetch = {"link", "inner", "folder/env", "fifo", "directory", "zero"};
  const Outcome outcome = Run(job);
  EXPECT_TRUE(outcome.Succeeded()) << outcome.standard_error;
  for (const FetchedFile& file : outcome.fetched) {
    EXPECT_NE(file.problem, "") << file.path;
    EXPECT_EQ(file.content, "") << file.path;
  }
}

// H72: the size is looked at before a byte is read.
TEST_F(SandboxTest, FetchesNoLargeFile) {
  Job job = Python("open('large', 'wb').truncate(32 << 20)\n");
  job.fetch = {"large"};
  job.limits.output_bytes = 1 << 20;
  EXPECT_THAT(Run(job).fetched[0].problem, HasSubstr("33554432 bytes"));
}

// H46.
TEST_F(SandboxTest, GivesTheNextJobAnEmptyFolder) {
  EXPECT_TRUE(Run(Python("open('/tmp/left', 'w')\nopen('/dev/shm/left', 'w')\n")).Succeeded());
  EXPECT_EQ(
      Run(Python("import os\nprint(os.listdir('/tmp'), os.listdir('/dev/shm'))")).standard_output,
      "['main.py'] ['main.py']\n");
}

TEST_F(SandboxTest, SpeaksThroughTheChannel) {
  Job job = Python("import os\nos.write(3, os.read(3, 100)[::-1])\n");
  job.channel = true;
  auto process = sandbox_->Start(job);
  ASSERT_TRUE(process.ok()) << process.status();
  std::string heard;
  (*process)->on_channel = [&](std::string_view bytes) { heard += bytes; };
  (*process)->Send("abc");
  Process* const driven[] = {process->get()};
  Drive(driven);
  EXPECT_EQ(heard, "cba");
  EXPECT_TRUE((*process)->outcome().Succeeded());
}

TEST_F(SandboxTest, StopsAJobThatIsNoLongerWanted) {
  auto process = sandbox_->Start(Python("import time\ntime.sleep(1000)"));
  ASSERT_TRUE(process.ok()) << process.status();
  (*process)->Stop();
  Process* const driven[] = {process->get()};
  Drive(driven);
  EXPECT_TRUE((*process)->status().ok()) << (*process)->status();
  EXPECT_TRUE((*process)->outcome().stopped);
}

TEST_F(SandboxTest, SaysThatAProgramCannotBeExecuted) {
  Job job;
  job.argv = {"/usr/bin/no-such-program"};
  const Outcome outcome = Run(job);
  EXPECT_FALSE(outcome.Succeeded());
  EXPECT_THAT(outcome.exec_error, HasSubstr("/usr/bin/no-such-program cannot be executed"));
}

TEST_F(SandboxTest, RefusesLessIsolationThanIsAsked) {
  const auto refused = Sandbox::Open({.isolation_min = "cgroup", .use_cgroups = false});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("isolation_min"));
  EXPECT_EQ(Sandbox::Open({.isolation_min = "docker"}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(SandboxOpenTest, SaysWhatToInstallWhereBubblewrapIsMissing) {
  const auto refused = Sandbox::Open({.bubblewrap = "/nowhere/bwrap"});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("apt-get install bubblewrap"));
}

// Killed without a word, the owner takes its jobs along; the next one sweeps its cgroups.
TEST_F(SandboxTest, DiesWithItsOwner) {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const pid_t owner = fork();
  if (owner == 0) {
    const auto own = Sandbox::Open({});
    auto process = (*own)->Start(Python("import time\ntime.sleep(1000)"));
    Process* const driven[] = {process->get()};
    Drive(driven);
    _exit(0);
  }
  usleep(500'000);
  kill(owner, SIGKILL);
  bool gone = false;
  for (int attempt = 0; attempt < 500 && !gone; ++attempt) {
    pid_t ended;
    while ((ended = waitpid(-1, nullptr, WNOHANG)) > 0) {
    }
    gone = ended < 0;
    usleep(10'000);
  }
  prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
  EXPECT_TRUE(gone);
  const CgroupPool swept;
  int left = 0;
  std::error_code ignored;
  for (auto at = std::filesystem::recursive_directory_iterator(
           "/sys/fs/cgroup", std::filesystem::directory_options::skip_permission_denied, ignored);
       at != std::filesystem::recursive_directory_iterator(); at.increment(ignored)) {
    left += at->path().filename().string().starts_with(absl::StrCat("temper-job.", owner, "."));
  }
  EXPECT_EQ(left, 0);
}

}  // namespace
}  // namespace temper::sandbox
