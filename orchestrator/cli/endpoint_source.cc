// Threads that take the next sample until there is none.
#include "orchestrator/cli/endpoint_source.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/philox.h"
#include "base/status_macros.h"
#include "base/thread.h"

namespace temper::cli {
namespace {

using nlohmann::ordered_json;

// In 31 bits, which every server takes.
uint64_t SeedOf(uint64_t seed, const std::string& id, int sample) {
  return Philox(seed, HashName(id), static_cast<uint64_t>(sample))[0] >> 1;
}

ChatRequest RequestFor(const SampleJob& job, int sample, const Drawing& drawing,
                       const std::string& model, absl::Duration timeout) {
  ChatRequest request{.model = model,
                      .max_tokens = drawing.max_tokens,
                      .temperature = drawing.temperature,
                      .seed = SeedOf(drawing.seed, job.id, sample),
                      .stop = drawing.stop,
                      .timeout = timeout};
  if (drawing.top_p > 0 && drawing.top_p < 1) request.top_p = drawing.top_p;
  if (job.question.chat_json.empty()) {
    request.prompt = job.question.text;
    return request;
  }
  const ordered_json chat = ordered_json::parse(job.question.chat_json, nullptr, false);
  request.messages = chat["messages"];
  if (chat.contains("tools")) request.extra["tools"] = chat["tools"];
  if (chat.contains("enable_thinking")) {
    request.extra["chat_template_kwargs"]["enable_thinking"] = chat["enable_thinking"];
  }
  return request;
}

// One sample's failure, or one that all would share.
bool EndsAll(const absl::Status& status) {
  return !absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status) &&
         !absl::IsResourceExhausted(status);
}

}  // namespace

absl::StatusOr<std::unique_ptr<EndpointSource>> EndpointSource::Create(Options options) {
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<OpenAiClient> client,
                          OpenAiClient::Create(options.client));
  return std::unique_ptr<EndpointSource>(new EndpointSource(std::move(options), std::move(client)));
}

EndpointSource::EndpointSource(Options options, std::unique_ptr<OpenAiClient> client)
    : options_(std::move(options)), client_(std::move(client)) {}

absl::Status EndpointSource::Draw(std::span<const SampleJob> jobs, const Drawing& drawing,
                                  const std::function<void(Drawn)>& deliver,
                                  const StopToken& stop) {
  std::vector<std::pair<size_t, int>> wanted;
  for (size_t job = 0; job < jobs.size(); ++job) {
    for (const int sample : jobs[job].samples) wanted.emplace_back(job, sample);
  }
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  Mutex mutex;
  absl::Status first_failure;  // guarded by mutex
  const auto draw = [&] {
    for (size_t i = next++; i < wanted.size() && !failed && !stop.stopped(); i = next++) {
      const auto [job, sample] = wanted[i];
      Drawn drawn{.job = job, .sample = sample};
      auto answers = client_->Complete(
          RequestFor(jobs[job], sample, drawing, options_.model, options_.timeout));
      if (!answers.ok() && EndsAll(answers.status())) {
        MutexLock lock(mutex);
        if (first_failure.ok()) first_failure = answers.status();
        failed = true;
        return;
      }
      if (answers.ok()) {
        ChatResponse& answer = answers->front();
        drawn.response = std::move(answer.text);
        drawn.reasoning = std::move(answer.reasoning);
        drawn.finish_reason = answer.finish_reason.empty() ? "stop" : answer.finish_reason;
        drawn.tokens = answer.completion_tokens;
      } else {
        drawn.error = std::string(answers.status().message());
      }
      deliver(std::move(drawn));
    }
  };
  std::vector<Thread> threads;
  const size_t count = std::min(wanted.size(), static_cast<size_t>(options_.concurrency));
  for (size_t i = 0; i < count; ++i) threads.emplace_back("endpoint", draw);
  for (Thread& thread : threads) thread.Join(absl::Minutes(10), WaitPolicy::kRetry);
  if (stop.stopped()) return absl::CancelledError("stopped");
  return first_failure;
}

}  // namespace temper::cli
