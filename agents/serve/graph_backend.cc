// One request: submit, show progress, wait, hand the answer over.
#include "agents/serve/graph_backend.h"

#include <algorithm>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bounded_queue.h"
#include "base/digest.h"
#include "base/mutex.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

constexpr int kChoicesMax = 16;

std::string FreshId() {
  std::random_device device;
  return absl::StrFormat("%08x%08x%08x%08x", device(), device(), device(), device());
}

// What one request waits for; shared with callbacks that may outlive the request.
struct Desk {
  explicit Desk(size_t choices) : ends(choices + 1) {}
  BoundedQueue<ExecutionEnd> ends;
  Mutex mutex;
  ExecutionProgress progress ABSL_GUARDED_BY(mutex);
};

std::string ProgressLine(const ExecutionProgress& progress) {
  return absl::StrCat(progress.newest, " ", progress.wanted - progress.open, "/", progress.wanted);
}

}  // namespace

absl::Status GraphBackend::Check(const Graph& graph) {
  if (graph.inputs.size() == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(graph.path, ": a served graph has one input, the conversation; this one has ",
                   graph.inputs.size()));
}

std::string GraphBackend::NameOf(const Graph& graph) {
  return graph.name.substr(0, graph.name.find('/'));
}

std::vector<ServedModel> GraphBackend::Models() {
  return {{.id = name_, .created = absl::ToUnixSeconds(clock_.Now())}};
}

absl::StatusOr<ServedUsage> GraphBackend::Serve(const ServedRequest& request, ServedSink& sink,
                                                const CallEnd& end) {
  if (request.kind != ServedRequest::Kind::kChat) {
    return absl::InvalidArgumentError("a graph answers chats: use /v1/chat/completions");
  }
  if (request.n > kChoicesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("n: ", request.n, " is more than ", kChoicesMax));
  }
  const std::string base =
      request.idempotency_key.empty() ? FreshId() : absl::StrCat("key ", request.idempotency_key);
  auto desk = std::make_shared<Desk>(static_cast<size_t>(request.n));
  std::vector<std::string> ids;
  absl::Status status;
  for (int choice = 0; choice < request.n && status.ok(); ++choice) {
    ids.push_back(request.n == 1 ? base : absl::StrCat(base, "#", choice));
    status = runner_.Submit(
        {.id = ids.back(),
         .inputs = {{graph_.inputs.front(), request.messages}},
         .on_progress =
             [desk](const ExecutionProgress& progress) {
               MutexLock lock(desk->mutex);
               desk->progress = progress;
             },
         .on_end = [desk](ExecutionEnd one) { (void)desk->ends.TryPush(std::move(one)); }});
    if (!status.ok()) ids.pop_back();
  }
  ServedUsage usage;
  nlohmann::ordered_json roles = nlohmann::ordered_json::object();
  nlohmann::ordered_json outcomes = nlohmann::ordered_json::array();
  std::string shown;
  std::set<std::string> open(ids.begin(), ids.end());  // asked for and not ended
  while (status.ok() && !open.empty()) {
    if (end.ended()) {
      status = absl::CancelledError("the client has gone");
      break;
    }
    std::optional<ExecutionEnd> one =
        desk->ends.Pop(Wait::ForWork("the answer of a graph", absl::Milliseconds(100)));
    if (!one.has_value()) {
      std::string line;
      {
        MutexLock lock(desk->mutex);
        line = ProgressLine(desk->progress);
      }
      if (request.stream && line != shown) sink.Progress(shown = line);
      continue;
    }
    const int choice = static_cast<int>(std::find(ids.begin(), ids.end(), one->id) - ids.begin());
    open.erase(one->id);
    if (one->output.empty()) {
      if (one->outcome == "cancelled") {
        status = absl::CancelledError(one->why);
      } else if (one->outcome == "refused") {
        status = absl::InvalidArgumentError(one->why);
      } else if (one->outcome == "budget_exhausted") {
        status = absl::InvalidArgumentError(
            absl::StrCat("the graph's budget has no room for this request: ", one->why));
      } else {
        status = absl::AbortedError(absl::StrCat(one->outcome, ": ", one->why));
      }
      break;
    }
    const Item& chosen = one->output.front();
    sink.Text(choice, TextOf(chosen, {}), {});
    sink.Finish(choice,
                {.reason = chosen.candidate->result.finish_reason == "length" ? "length" : "stop"});
    outcomes.push_back(one->outcome);
    for (const auto& [role, used] : one->usage) {
      usage.prompt_tokens += used.tokens_in;
      usage.completion_tokens += used.tokens_out;
      nlohmann::ordered_json& split = roles[role];
      if (split.is_null()) split = nlohmann::ordered_json::object();
      split["calls"] = split.value("calls", int64_t{0}) + used.calls;
      split["prompt_tokens"] = split.value("prompt_tokens", int64_t{0}) + used.tokens_in;
      split["completion_tokens"] = split.value("completion_tokens", int64_t{0}) + used.tokens_out;
      split["usd"] = split.value("usd", 0.0) + used.usd;
    }
  }
  if (!status.ok()) {
    for (const std::string& id : open) runner_.Cancel(id);
    return status;
  }
  usage.extra = {{"temper", {{"execution", base}, {"outcome", outcomes}, {"roles", roles}}}};
  return usage;
}

}  // namespace temper::agents
