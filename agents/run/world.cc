// Tools on threads, answers by looking for files.
#include "agents/run/world.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agents/run/tool_process.h"
#include "base/file.h"
#include "base/http_client.h"
#include "base/json_text.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;

// What a tool says is JSON, or text.
Json ValueOf(const std::string& output) {
  Json value = Json::parse(output, nullptr, /*allow_exceptions=*/false);
  if (!value.is_discarded()) return value;
  std::string text = output;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

absl::StatusOr<std::string> Ask(const Question& question, const std::string& key,
                                const std::string& input, const StopToken& stop) {
  const Node& node = *question.node;
  const absl::Duration timeout = absl::Seconds(node.timeout_seconds);
  if (!node.command.empty()) return RunTool(node.command, input, timeout, stop);
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<HttpClient> http,
                          HttpClient::Create(node.url, &stop));
  TEMPER_ASSIGN_OR_RETURN(const HttpAnswer answer,
                          http->Post({.path = "",
                                      .body = input,
                                      .headers = {"Content-Type: application/json",
                                                  absl::StrCat("Idempotency-Key: ", key)},
                                      .timeout = timeout,
                                      .answer_bytes_max = kToolOutputMax}));
  if (answer.status / 100 == 2) return answer.body;
  return absl::AbortedError(
      absl::StrCat(node.url, " answered ", answer.status, ": ", answer.body.substr(0, 300)));
}

}  // namespace

std::string AnswerPath(const std::string& folder, const std::string& key_hex) {
  return absl::StrCat(folder, "/answers/", key_hex, ".json");
}

World::World(std::string folder, const Clock& clock, int threads)
    : folder_(std::move(folder)), clock_(clock) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back("graph tool", [this] { Serve(); });
  if (!folder_.empty()) threads_.emplace_back("graph answers", [this] { WatchAnswers(); });
}

World::~World() {
  stop_.Stop();
  tasks_.Close();
  for (Thread& thread : threads_) thread.Join(kLoopEnd, WaitPolicy::kFail);
}

void World::Start(int64_t call, const std::string& key, const Question& question, Done done) {
  const std::string hex = absl::BytesToHexString(key);
  if (question.kind == Question::Kind::kTool) {
    {
      MutexLock lock(mutex_);
      queued_.insert(call);
    }
    if (!tasks_.TryPush({.call = call, .key = hex, .question = question, .done = done})) {
      {
        MutexLock lock(mutex_);
        queued_.erase(call);
      }
      done(absl::ResourceExhaustedError("too many tools are waiting"), Json());
    }
    return;
  }
  if (folder_.empty()) {
    done(absl::FailedPreconditionError("there is nobody to ask here"), Json());
    return;
  }
  const Json asked = {{"key", hex}, {"node", question.path}, {"inputs", question.inputs}};
  absl::Status written = MakeDirectories(folder_ + "/asks");
  if (written.ok()) written = MakeDirectories(folder_ + "/answers");
  if (written.ok()) {
    written = WriteFileAtomically(absl::StrCat(folder_, "/asks/", hex, ".json"),
                                  asked.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  }
  if (!written.ok()) {
    done(written, Json());
    return;
  }
  MutexLock lock(mutex_);
  const double seconds = question.node->timeout_seconds;
  asked_[call] = {
      .key = hex,
      .deadline = seconds > 0 ? clock_.Uptime() + absl::Seconds(seconds) : absl::InfiniteDuration(),
      .default_answer = question.node->default_answer,
      .done = std::move(done)};
}

void World::Cancel(int64_t call) {
  Done done;
  {
    MutexLock lock(mutex_);
    const auto asked = asked_.find(call);
    if (asked == asked_.end()) {
      queued_.erase(call);  // what runs already goes on
      return;
    }
    done = asked->second.done;
    asked_.erase(asked);
  }
  done(absl::CancelledError("not needed any more"), Json());
}

void World::Serve() {
  for (;;) {
    const std::optional<Task> task = tasks_.Pop(Wait::ForWork("a graph's tool", absl::Seconds(1)));
    if (task.has_value()) {
      RunOne(*task);
    } else if (tasks_.closed()) {
      return;
    }
  }
}

void World::RunOne(const Task& task) {
  bool wanted = false;
  {
    MutexLock lock(mutex_);
    wanted = queued_.erase(task.call) > 0 && !stop_.stopped();
  }
  if (!wanted) {
    task.done(absl::CancelledError("not needed any more"), Json());
    return;
  }
  const std::string input =
      task.question.inputs.dump(-1, ' ', false, Json::error_handler_t::replace);
  const absl::StatusOr<std::string> output = Ask(task.question, task.key, input, stop_);
  task.done(output.status(), output.ok() ? ValueOf(*output) : Json());
}

void World::WatchAnswers() {
  while (!stop_.WaitFor(Wait::ForWork("people's answers", absl::Milliseconds(300)))) {
    LookForAnswers();
  }
}

void World::LookForAnswers() {
  struct Found {
    Done done;
    absl::Status status;
    Json value;
  };
  std::vector<Found> found;
  {
    MutexLock lock(mutex_);
    for (auto at = asked_.begin(); at != asked_.end();) {
      const std::string path = AnswerPath(folder_, at->second.key);
      const bool late = clock_.Uptime() >= at->second.deadline;
      if (Exists(path)) {
        const absl::StatusOr<std::string> text = ReadFile(path);
        found.push_back({at->second.done, text.status(), text.ok() ? ValueOf(*text) : Json()});
      } else if (late && !at->second.default_answer.is_null()) {
        found.push_back({at->second.done, absl::OkStatus(), at->second.default_answer});
      } else if (late) {
        found.push_back({at->second.done,
                         absl::DeadlineExceededError(
                             absl::StrCat("nobody answered; put the answer into ", path)),
                         Json()});
      } else {
        ++at;
        continue;
      }
      at = asked_.erase(at);
    }
  }
  for (const Found& one : found) one.done(one.status, one.value);
}

}  // namespace temper::agents
