// Reads the sources: nothing blocks but what takes a Wait.
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

struct Rule {
  const char* word;     // what a line must hold for the pattern to be tried
  const char* pattern;  // what blocks
  const char* instead;
  const char* unless = nullptr;  // in the same statement: it does not block
};

// `word` is a plain part of what `pattern` finds: most lines hold none, and a pattern is slow.
constexpr Rule kRules[] = {
    {"sleep", R"(\b(sleep_for|sleep_until|nanosleep|clock_nanosleep|usleep|sleep)\s*\()",
     "Sleep(Wait) or StopToken::WaitFor"},
    {"SleepFor", R"(\bSleepFor\s*\()", "Sleep(Wait) or StopToken::WaitFor"},
    {"condition_variable", R"(\bcondition_variable)", "Mutex::Await"},
    {"mutex", R"(\bstd::(recursive_|shared_|timed_)*mutex\b)", "Mutex of base/mutex.h"},
    {"absl::", R"(\babsl::(Mutex|CondVar|Notification|BlockingCounter|Barrier)\b)",
     "Mutex of base/mutex.h"},
    {"std::", R"(\bstd::(latch|barrier|counting_semaphore|binary_semaphore)\b)", "Mutex::Await"},
    {"std::", R"(\bstd::(shared_future|future|promise|async|packaged_task)\b)",
     "Thread and BoundedQueue"},
    {"thread", R"(\bstd::j?thread\b(?!::))", "Thread of base/thread.h"},
    {"join", R"((\.|->)join\s*\(\s*\))", "Thread::Join"},
    {"pthread", R"(\bpthread_(\w*join\w*|cond_\w*wait|mutex_lock|create|barrier_wait))",
     "Thread and Mutex of base"},
    {"wait", R"((\.|->)wait(_for|_until)?\s*\()", "Mutex::Await"},
    {"poll", R"((^|[^\w.>])p?poll\s*\()", "PollFor or PollNow of base/blocking.h"},
    {"epoll", R"(\bepoll_p?wait2?\s*\()", "PollFor of base/blocking.h"},
    {"select", R"((^|[^\w.>])p?select\s*\()", "PollFor of base/blocking.h"},
    {"wait", R"(\b(waitpid|waitid|wait3|wait4)\s*\()", "AwaitChild of base/blocking.h", "WNOHANG"},
    {"sigwait", R"(\bsigwait\w*\s*\()", "StopOnSignals"},
    {"sig", R"(\bsigsuspend\s*\()", "StopOnSignals"},
    {"pause", R"((^|[^\w.>])pause\s*\(\s*\))", "StopToken::WaitFor"},
    {"sem_", R"(\bsem_(timed|clock)?wait\s*\()", "Mutex::Await"},
    {"futex", R"(\bfutex\b)", "Mutex::Await"},
    {"flock", R"(\bflock\s*\()", "LOCK_NB", "LOCK_NB"},
    {"F_", R"(\bF_(OFD_)?SETLKW\b|\bF_LOCK\b)", "a lock that does not wait"},
    {"recv", R"((^|[^\w.>])recv(from|msg|mmsg)?\s*\()", "MSG_DONTWAIT, and PollFor",
     "MSG_DONTWAIT"},
    {"send", R"((^|[^\w.>])send(to|msg|mmsg)?\s*\(.*,)", "MSG_DONTWAIT, and PollFor",
     "MSG_DONTWAIT"},
    {"accept", R"((^|[^\w.>:])accept4?\s*\()", "Listen of base/rpc.h"},
    {"connect", R"((^|[^\w.>:])connect\s*\()", "Dial of base/rpc.h"},
    {"getaddrinfo", R"(\bgetaddrinfo\s*\()", "Dial of base/rpc.h"},
    {"open", R"(\bpopen\s*\()", "posix_spawn, and AwaitChild"},
    {"system", R"((^|[^\w.>])system\s*\()", "posix_spawn, and AwaitChild"},
    {"curl", R"(\bcurl_(easy_perform|multi_wait|multi_poll)\s*\()", "HttpClient"},
    {"ClientContext", R"(\bgrpc::ClientContext\s+\w+\s*[;({])", "BlockingCall of base/rpc.h"},
    {"ClientContext", R"(make_(unique|shared)<grpc::ClientContext>)", "BlockingCall of base/rpc.h"},
    {"Deadline", R"(\bDeadline\s*\()", "BlockingCall of base/rpc.h"},
    {"Shutdown", R"((\.|->)Shutdown\s*\()", "ShutDown of base/rpc.h"},
    {"Wait", R"((\.|->)Wait\s*\(\s*\))", "StopToken::WaitFor, then ShutDown"},
    {"CompletionQueue", R"(\b(Server)?CompletionQueue\b)", "gRPC's callback interface"},
    {"Synchronize", R"(\b(cuda|cu)(Stream|Event|Device|Ctx)Synchronize\s*\()",
     "a wait of the device that is named in docs/waits.md"},
    {"InfiniteDuration", R"((Or(Retry|Drop|Fail)|ForWork)\s*\(.*InfiniteDuration)", "a deadline"},
};

struct Allowed {
  const char* path;     // a file, or the beginning of several names
  const char* pattern;  // what is found there, "" for all
  const char* why;
};

constexpr Allowed kAllowed[] = {
    {"base/wait.", "", "the list of waits itself stands below every lock"},
    {"base/mutex.h", "", "Await"},
    {"base/thread.", "", "Thread::Join"},
    {"base/blocking.", "", "PollFor and AwaitChild"},
    {"base/rpc.", "", "BlockingCall and ShutDown"},
    {"base/http_client.cc", "curl_easy_perform", "under a Wait, with curl's own deadline"},
    {"agents/endpoint/multi_loop.cc", "curl_multi_poll", "under a Wait, with a deadline"},
    {"base/tsan_absl_sync.cc", "", "tells ThreadSanitizer of absl's locks; only in its build"},
    {"kernels/cpu/thread_pool.", "",
     "shares one op's arithmetic; kernels stand below base. A hang there is a heartbeat without "
     "progress"},
    {"kernels/cuda/cublas_lt.cc", "mutex", "guards a list for a few lines; kernels stand below base"},
    {"kernels/cuda/shared_memory.cc", "mutex",
     "guards a list for a few lines; kernels stand below base"},
    {"reward/sandbox/starter.cc", "",
     "process 1 of a sandbox, linked with nothing; Process kills it at the job's deadline"},
    {"reward/sandbox/seccomp_filter.cc", "F_", "forbids it to others"},
    {"orchestrator/controller/fleet.cc", "Deadline", "of calls that do not block"},
    {"base/access/listen_address.cc", "connect", "of a socket that does not block"},
    {"orchestrator/controller_client.cc", "C", "streams that stream_reading.h asks"},
    {"orchestrator/dashboard/generic_call.", "Shutdown", "of an empty queue"},
    {"orchestrator/stream_reading.h", "Shutdown", "of an empty queue"},
    {"orchestrator/dashboard/generic_call.", "C", "asks its queue with a deadline, under a Wait"},
    {"orchestrator/stream_reading.h", "C", "asks its queue with a deadline, under a Wait"},
    {"orchestrator/cli/worker.cc", "Deadline", "of a call whose end is awaited under a Wait"},
};

bool IsAllowed(const std::string& path, const std::string& found) {
  for (const Allowed& each : kAllowed) {
    if (path.starts_with(each.path) && absl::StrContains(found, each.pattern)) return true;
  }
  return false;
}

// Without comments, and with empty literals; `in_comment` goes from line to line.
std::string CodeOf(std::string_view line, bool& in_comment) {
  std::string code;
  char literal = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const std::string_view rest = line.substr(i);
    if (in_comment) {
      if (rest.starts_with("*/")) in_comment = false, ++i;
    } else if (literal != 0) {
      if (rest[0] == '\\') ++i;
      if (rest[0] == literal) literal = 0, code.push_back(rest[0]);
    } else if (rest.starts_with("//")) {
      break;
    } else if (rest.starts_with("/*")) {
      in_comment = true, ++i;
    } else {
      // The apostrophe of 1'000 begins no literal.
      const bool digits = rest[0] == '\'' && i > 0 && std::isalnum(line[i - 1]) != 0;
      if ((rest[0] == '"' || rest[0] == '\'') && !digits) literal = rest[0];
      code.push_back(rest[0]);
    }
  }
  return code;
}

std::vector<std::string> CodeOf(const fs::path& file) {
  std::vector<std::string> lines;
  std::ifstream stream(file);
  bool in_comment = false;
  std::string line;
  while (std::getline(stream, line)) lines.push_back(CodeOf(line, in_comment));
  return lines;
}

// From this line to the end of what it begins.
std::string Statement(const std::vector<std::string>& lines, size_t at) {
  std::string statement = lines[at];
  while (!absl::StrContains(lines[at], ';') && at + 1 < lines.size()) statement += lines[++at];
  return statement;
}

class Rules {
 public:
  Rules() {
    for (const Rule& rule : kRules) patterns_.emplace_back(rule.pattern, std::regex::optimize);
  }

  // "path:line: what was found; use what instead", by line.
  std::map<int, std::string> Broken(const fs::path& file, const std::string& name) const {
    std::map<int, std::string> broken;
    const std::vector<std::string> lines = CodeOf(file);
    for (size_t at = 0; at < lines.size(); ++at) {
      const std::string& code = lines[at];
      if (code.empty() || code[0] == '#') continue;
      const int number = static_cast<int>(at) + 1;
      for (size_t i = 0; i < patterns_.size(); ++i) {
        std::smatch found;
        const Rule& rule = kRules[i];
        if (!absl::StrContains(code, rule.word) || !std::regex_search(code, found, patterns_[i]) ||
            IsAllowed(name, found.str())) {
          continue;
        }
        if (rule.unless != nullptr && absl::StrContains(Statement(lines, at), rule.unless))
          continue;
        broken[number] = absl::StrCat(name, ":", number, ": ", found.str(), "  use ", rule.instead);
      }
    }
    return broken;
  }

 private:
  std::vector<std::regex> patterns_;
};

bool IsSource(const fs::path& path) {
  const std::string kind = path.extension().string();
  return kind == ".cc" || kind == ".h" || kind == ".cu" || kind == ".cuh";
}

std::vector<fs::path> Sources() {
  std::vector<fs::path> sources;
  for (const char* floor :
       {"base", "kernels", "policy", "rollout", "reward", "orchestrator", "agents", "proto"}) {
    const fs::path folder = fs::path(TEMPER_SOURCE_DIR) / floor;
    if (!fs::exists(folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file() && IsSource(entry.path())) sources.push_back(entry.path());
    }
  }
  return sources;
}

TEST(NoSilentWaitTest, NothingBlocksButWhatTakesAWait) {
  const Rules rules;
  const std::vector<fs::path> sources = Sources();
  ASSERT_GT(sources.size(), 200u) << TEMPER_SOURCE_DIR;
  std::vector<std::string> broken;
  for (const fs::path& source : sources) {
    const std::string name = source.lexically_relative(TEMPER_SOURCE_DIR).string();
    for (const auto& [line, words] : rules.Broken(source, name)) broken.push_back(words);
  }
  EXPECT_THAT(broken, IsEmpty()) << "waits without a name (docs/waits.md says how to wait):\n  "
                                 << absl::StrJoin(broken, "\n  ");
}

// What stands after "// BLOCKS" there must be found, and nothing else.
TEST(NoSilentWaitTest, EveryKnownWayToBlockIsFoundInAFileOfThemAll) {
  const Rules rules;
  const fs::path file = fs::path(TEMPER_TEST_DATA) / "silent_waits.txt";
  std::vector<int> wanted;
  std::ifstream stream(file);
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    if (absl::StrContains(line, "// BLOCKS")) wanted.push_back(number);
  }
  ASSERT_GE(wanted.size(), std::size(kRules));
  std::vector<int> found;
  for (const auto& [number, words] : rules.Broken(file, "silent_waits.cc")) {
    found.push_back(number);
  }
  EXPECT_THAT(found, ElementsAreArray(wanted));
}

TEST(NoSilentWaitTest, EveryRuleFindsSomethingInThatFile) {
  const fs::path file = fs::path(TEMPER_TEST_DATA) / "silent_waits.txt";
  for (const Rule& rule : kRules) {
    const std::regex pattern(rule.pattern);
    bool found = false;
    for (const std::string& code : CodeOf(file)) {
      found = found || (absl::StrContains(code, rule.word) && std::regex_search(code, pattern));
    }
    EXPECT_TRUE(found) << rule.pattern;
  }
}

// An exception that nobody needs any more would hide the next silent wait.
TEST(NoSilentWaitTest, EveryExceptionIsOfAFileThatIsThere) {
  for (const Allowed& each : kAllowed) {
    bool there = false;
    for (const fs::path& source : Sources()) {
      there = there || source.lexically_relative(TEMPER_SOURCE_DIR).string().starts_with(each.path);
    }
    EXPECT_TRUE(there) << each.path;
  }
}

}  // namespace
}  // namespace temper
