// The real program, as a child.
#include "tests/end_to_end/program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/philox.h"
#include "gtest/gtest.h"

namespace temper::end_to_end {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(2);

pid_t Spawn(std::vector<std::string> arguments, int out, int err) {
  std::vector<char*> argv = {const_cast<char*>(TEMPER_PROGRAM)};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execv(TEMPER_PROGRAM, argv.data());
    _exit(127);
  }
  return pid;
}

int ExitCode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string TemporaryFile() {
  std::string path = ::testing::TempDir() + "/temper_output_XXXXXX";
  const int fd = mkstemp(path.data());
  close(fd);
  return path;
}

// Name, state and place in the kernel of each thread.
std::string ThreadsOf(pid_t pid) {
  std::string threads;
  std::error_code gone;
  const std::string tasks = absl::StrCat("/proc/", pid, "/task");
  for (const auto& task : std::filesystem::directory_iterator(tasks, gone)) {
    absl::StrAppend(&threads, "  ", task.path().filename().string());
    for (const char* file : {"comm", "wchan", "syscall", "stat"}) {
      const auto text = ReadFile(absl::StrCat(task.path().string(), "/", file));
      absl::StrAppend(&threads, "  ",
                      text.ok() ? absl::StripAsciiWhitespace(*text).substr(0, 100) : "?");
    }
    absl::StrAppend(&threads, "\n");
  }
  return threads;
}

std::string Take(const std::string& path) {
  const auto text = ReadFile(path);
  unlink(path.c_str());
  return text.ok() ? *text : "";
}

}  // namespace

Outcome Temper(const std::vector<std::string>& arguments) {
  const std::string out = TemporaryFile(), err = TemporaryFile();
  const int out_fd = open(out.c_str(), O_WRONLY | O_CLOEXEC);
  const int err_fd = open(err.c_str(), O_WRONLY | O_CLOEXEC);
  const pid_t pid = Spawn(arguments, out_fd, err_fd);
  close(out_fd);
  close(err_fd);
  int status = 0;
  const absl::Time give_up = absl::Now() + kPatience;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (absl::Now() > give_up) kill(pid, SIGKILL);
    absl::SleepFor(absl::Milliseconds(5));
  }
  return {ExitCode(status), Take(out), Take(err)};
}

LiveRun::LiveRun(const std::vector<std::string>& arguments) : errors_path_(TemporaryFile()) {
  std::vector<std::string> all = {"run", "--json"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const int err = open(errors_path_.c_str(), O_WRONLY | O_CLOEXEC);
  pid_ = Spawn(all, ends[1], err);
  close(ends[1]);
  close(err);
  events_ = ends[0];
}

LiveRun::~LiveRun() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(events_);
  unlink(errors_path_.c_str());
}

bool LiveRun::WaitFor(const std::function<bool(const std::string&)>& wanted) {
  const absl::Time give_up = absl::Now() + kPatience;
  while (absl::Now() < give_up) {
    size_t end;
    while ((end = unread_.find('\n')) != std::string::npos) {
      const std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      if (wanted(line)) return true;
    }
    pollfd ready{events_, POLLIN, 0};
    if (poll(&ready, 1, 100) <= 0) continue;
    char buffer[4096];
    const ssize_t got = read(events_, buffer, sizeof(buffer));
    if (got <= 0) return false;
    unread_.append(buffer, got);
    output_.append(buffer, got);
  }
  ADD_FAILURE() << "the run took more than two minutes; so far it said:\n" << output_;
  return false;
}

std::vector<pid_t> LiveRun::Children() const {
  const auto text = ReadFile(absl::StrCat("/proc/", pid_, "/task/", pid_, "/children"));
  std::vector<pid_t> pids;
  if (!text.ok()) return pids;
  for (const auto word : absl::StrSplit(*text, ' ', absl::SkipWhitespace())) {
    pids.push_back(std::atoi(std::string(word).c_str()));
  }
  return pids;
}

pid_t LiveRun::Child(const std::string& name) const {
  for (const pid_t pid : Children()) {
    const auto command = ReadFile(absl::StrCat("/proc/", pid, "/cmdline"));
    if (!command.ok()) continue;
    const std::vector<std::string> words = absl::StrSplit(*command, '\0');
    if (std::find(words.begin(), words.end(), name) != words.end()) return pid;
  }
  return -1;
}

Outcome LiveRun::Wait() {
  WaitFor([](const std::string&) { return false; });
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  const auto errors = ReadFile(errors_path_);
  return {ExitCode(status), output_, errors.ok() ? *errors : ""};
}

LiveProcess::LiveProcess(const std::vector<std::string>& arguments, std::string log_path)
    : log_stays_(!log_path.empty()),
      errors_path_(log_stays_ ? std::move(log_path) : TemporaryFile()) {
  const int err = open(errors_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  pid_ = Spawn(arguments, err, err);
  close(err);
}

LiveProcess::~LiveProcess() {
  Kill();
  if (!log_stays_) unlink(errors_path_.c_str());
}

std::string LiveProcess::Address() {
  const absl::Time give_up = absl::Now() + kPatience;
  while (absl::Now() < give_up) {
    const bool ended = !Runs();
    const std::string log = Errors();
    const std::string key = "\"address\":\"";
    const size_t at = log.find(key);
    const size_t end = at == std::string::npos ? at : log.find('"', at + key.size());
    if (end != std::string::npos) return log.substr(at + key.size(), end - at - key.size());
    if (ended) return "";
    absl::SleepFor(absl::Milliseconds(5));
  }
  return "";
}

int LiveProcess::Stop() {
  int status = 0;
  kill(pid_, SIGTERM);
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return ExitCode(status);
}

void LiveProcess::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

bool LiveProcess::Runs() {
  int status = 0;
  if (pid_ > 0 && waitpid(pid_, &status, WNOHANG) == pid_) {
    ended_ = WIFSIGNALED(status) ? absl::StrCat("died of signal ", WTERMSIG(status))
                                 : absl::StrCat("ended with code ", WEXITSTATUS(status));
    pid_ = -1;
  }
  return pid_ > 0;
}

std::string LiveProcess::Condition() {
  std::string condition =
      Runs() ? absl::StrCat("process ", pid_, " runs\n", ThreadsOf(pid_))
             : absl::StrCat(ended_.empty() ? "the test ended it" : "it " + ended_, "\n");
  std::vector<std::string> lines = absl::StrSplit(Errors(), '\n', absl::SkipEmpty());
  constexpr size_t kLinesMax = 40;
  if (lines.size() > kLinesMax) lines.erase(lines.begin(), lines.end() - kLinesMax);
  absl::StrAppend(&condition, "the end of ", errors_path_, ":\n", absl::StrJoin(lines, "\n"), "\n");
  return condition;
}

std::string LiveProcess::Errors() const {
  const auto text = ReadFile(errors_path_);
  return text.ok() ? *text : "";
}

std::string WriteTinyJob(const std::string& folder, const std::string& extra) {
  EXPECT_TRUE(MakeDirectories(folder).ok());
  const std::string config = R"({"model_type": "nemotron_h", "hybrid_override_pattern": "M-*-",
    "num_hidden_layers": 4, "vocab_size": 272, "hidden_size": 32, "intermediate_size": 64,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "mamba_num_heads": 2,
    "mamba_head_dim": 16, "n_groups": 1, "ssm_state_size": 16, "conv_kernel": 4,
    "layer_norm_epsilon": 1e-5, "tie_word_embeddings": false, "eos_token_id": 2})";
  std::filesystem::copy_file(absl::StrCat(TEMPER_SOURCE_DIR, "/examples/arithmetic/tokenizer.json"),
                             folder + "/tokenizer.json",
                             std::filesystem::copy_options::overwrite_existing);
  std::string examples, problems, held_out;
  for (int i = 0; i < 40; ++i) {
    const int a = static_cast<int>(Philox(5, 0, i)[0] % 5),
              b = static_cast<int>(Philox(5, 0, i)[1] % 5);
    const std::string prompt = absl::StrCat(a, "+", b, "=");
    absl::StrAppend(&examples, "{\"prompt\": \"", prompt, "\", \"response\": \"#", a + b, "\"}\n");
    std::string& to = i < 30 ? problems : held_out;
    absl::StrAppend(&to, "{\"prompt\": \"", prompt, "\", \"answer\": \"", a + b, "\"}\n");
  }
  const std::string spec =
      absl::StrCat(R"({"name": "tiny", "seed": 3, "init": "config.json", )", extra,
                   R"(
    "dataset": {"path": "problems.jsonl"},
    "rubric": {"parts": [{"verifier": "answer", "extract": "after", "marker": "#"}]},
    "warm_start": {"dataset": {"path": "examples.jsonl"}, "steps": 8, "batch_size": 8, "learning_rate": 0.01},
    "steps": 12, "prompts_per_step": 4, "group_size": 4, "max_tokens": 12, "learning_rate": 0.001,
    "checkpoint": {"every": 4}, "evaluate": {"path": "held_out.jsonl", "every": 6}})");
  EXPECT_TRUE(WriteFileAtomically(folder + "/config.json", config).ok());
  EXPECT_TRUE(WriteFileAtomically(folder + "/examples.jsonl", examples).ok());
  EXPECT_TRUE(WriteFileAtomically(folder + "/problems.jsonl", problems).ok());
  EXPECT_TRUE(WriteFileAtomically(folder + "/held_out.jsonl", held_out).ok());
  EXPECT_TRUE(WriteFileAtomically(folder + "/spec.json", spec).ok());
  return folder + "/spec.json";
}

std::string FinalModelSha256(const std::string& dir) {
  std::string newest;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(dir + "/checkpoints", none)) {
    newest = std::max(newest, entry.path().string());
  }
  const auto sha = Sha256HexOfFile(newest + "/model.safetensors");
  return sha.ok() ? *sha : "";
}

}  // namespace temper::end_to_end
