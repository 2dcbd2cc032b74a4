// Requests are made on the loop, sent by a thread of the pool, and ended on the loop again.
#include "agents/endpoint/rollout_endpoint.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/philox.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using nlohmann::ordered_json;

constexpr size_t kJobsMax = 4096;
constexpr absl::Duration kLook = absl::Seconds(1);
// What a chat template puts around a message, at most.
constexpr int64_t kTokensAroundAMessage = 32;

std::string Dump(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

v1::Prompt PromptOf(const EndpointCall& call) {
  v1::Prompt prompt;
  prompt.set_id(call.key);
  ordered_json chat = {{"messages", call.messages}};
  if (call.extra.is_object()) chat.update(call.extra);
  prompt.set_chat_json(Dump(chat));
  for (const ordered_json& message : call.messages) {
    if (!message.is_object() || message.value("role", "") != "user") continue;
    const auto content = message.find("content");
    if (content != message.end() && content->is_string()) {
      prompt.set_text(content->get<std::string>());
    }
  }
  return prompt;
}

EndpointText TextOf(v1::Episode& episode) {
  return {.text = std::move(*episode.mutable_text()),
          .finish_reason = episode.finish_reason() == v1::FINISH_REASON_LENGTH ? "length" : "stop",
          .tokens = {episode.tokens().begin(), episode.tokens().end()},
          .logprobs = {episode.logprobs().begin(), episode.logprobs().end()}};
}

}  // namespace

struct RolloutWire::Job {
  uint64_t number = 0;
  bool score = false;
  int top_logprobs = 0;
  v1::GenerateRequest generate;  // of chat
  v1::MeasureRequest measure;    // of a score
  rollout::CallCancel cancel;
};

RolloutWire::RolloutWire(Options options, MultiLoop& loop)
    : options_(std::move(options)),
      loop_(loop),
      client_(options_.address),
      version_(options_.version.value_or(-1)),
      jobs_(kJobsMax) {
  for (int i = 0; i < options_.threads; ++i) {
    threads_.emplace_back("rollout calls", [this] { Work(); });
  }
}

RolloutWire::~RolloutWire() {
  jobs_.Close();
  for (Thread& thread : threads_) thread.Join(kLoopEnd, WaitPolicy::kFail);
  loop_.Run([] {});  // behind what the threads have posted
}

uint64_t RolloutWire::Send(const Attempt& attempt, std::function<void(AttemptEnd)> done) {
  const EndpointCall& call = *attempt.call;
  auto job = std::make_shared<Job>();
  job->number = ++last_number_;
  job->score = call.operation == EndpointCall::Operation::kScore;
  job->top_logprobs = call.top_logprobs;
  if (job->score) {
    *job->measure.mutable_prompt() = PromptOf(call);
    job->measure.set_run(options_.run);
    if (options_.version.has_value()) job->measure.set_version(*options_.version);
  } else {
    v1::GenerateRequest& request = job->generate;
    *request.mutable_prompt() = PromptOf(call);
    request.set_group_id(static_cast<int64_t>(HashName(call.key) >> 1));
    request.set_run(options_.run);
    for (const int64_t sample : attempt.samples) request.add_samples(static_cast<int>(sample));
    v1::Sampling& sampling = *request.mutable_sampling();
    sampling.set_temperature(call.temperature.value_or(1));
    sampling.set_top_p(call.top_p.value_or(1));
    sampling.set_max_tokens(static_cast<int>(std::min<int64_t>(call.max_tokens, INT32_MAX)));
    for (const std::string& stop : call.stop) sampling.add_stop(stop);
    sampling.set_seed(call.seed);
  }
  under_way_[job->number] = {job, std::move(done)};
  if (!jobs_.TryPush(job)) {
    loop_.Post([this, number = job->number] {
      const auto found = under_way_.find(number);
      if (found == under_way_.end()) return;
      const auto done = std::move(found->second.done);
      under_way_.erase(found);
      done({.status = absl::UnavailableError("too many calls at once"), .worth_a_retry = true});
    });
  }
  return job->number;
}

void RolloutWire::Abort(uint64_t attempt) {
  const auto found = under_way_.find(attempt);
  if (found == under_way_.end()) return;
  found->second.job->cancel.Cancel();
  under_way_.erase(found);
}

void RolloutWire::Work() {
  while (!jobs_.closed() || jobs_.size() > 0) {
    const auto job = jobs_.Pop(Wait::ForWork("a call for a rollout worker", kLook));
    if (!job.has_value() || (*job)->cancel.cancelled()) continue;
    loop_.Post([this, number = (*job)->number, end = Do(**job)]() mutable {
      const auto found = under_way_.find(number);
      if (found == under_way_.end()) return;  // aborted
      const auto done = std::move(found->second.done);
      under_way_.erase(found);
      done(std::move(end));
    });
  }
}

AttemptEnd RolloutWire::Do(Job& job) {
  AttemptEnd end;
  end.status = job.score ? Measure(job, end.answer) : Generate(job, end.answer);
  if (end.status.ok()) return end;
  end.tokens_wasted = end.answer.tokens_in + end.answer.tokens_out;
  end.answer = EndpointAnswer();
  const absl::StatusCode code = end.status.code();
  const std::string words(end.status.message());
  if (absl::IsResourceExhausted(end.status)) {  // the waiting line is full
    end.status = absl::UnavailableError(words);
    end.worth_a_retry = end.overloaded = true;
  } else if (code == absl::StatusCode::kInternal) {
    end.status = absl::DataLossError(words);
    end.worth_a_retry = true;
  } else if (code == absl::StatusCode::kFailedPrecondition) {
    // Another version has become current: learn which, unless one was wanted.
    end.worth_a_retry = end.other_words = !options_.version.has_value();
    if (end.other_words) version_ = -1;
  } else {
    end.worth_a_retry = absl::IsUnavailable(end.status) || absl::IsDeadlineExceeded(end.status) ||
                        absl::IsAborted(end.status);
  }
  return end;
}

// The current version, from whatever answer names it.
absl::Status RolloutWire::LearnVersion(Job& job) {
  v1::MeasureRequest request;
  request.mutable_prompt()->set_id("version");
  request.mutable_prompt()->set_text("1");
  request.add_continuations("2");
  request.set_run(options_.run);
  TEMPER_ASSIGN_OR_RETURN(const v1::MeasureResponse response,
                          client_.Measure(request, options_.timeout, &job.cancel));
  version_ = response.version();
  return absl::OkStatus();
}

absl::Status RolloutWire::Generate(Job& job, EndpointAnswer& answer) {
  if (version_ < 0) TEMPER_RETURN_IF_ERROR(LearnVersion(job));
  job.generate.set_version(version_);
  const auto& samples = job.generate.samples();
  answer.texts.resize(static_cast<size_t>(samples.size()));
  TEMPER_RETURN_IF_ERROR(client_.Generate(
      job.generate, options_.timeout,
      [&](v1::Episode episode) {
        const auto found = std::find(samples.begin(), samples.end(), episode.sample());
        answer.prompt_tokens.assign(episode.prompt_tokens().begin(), episode.prompt_tokens().end());
        answer.tokens_in = episode.prompt_tokens_size();
        answer.tokens_out += episode.tokens_size();
        if (!episode.versions().empty()) answer.version = episode.versions(0);
        answer.texts[static_cast<size_t>(found - samples.begin())] = TextOf(episode);
      },
      &job.cancel));
  if (job.top_logprobs > 0) TEMPER_RETURN_IF_ERROR(MeasureFirstTokens(job, answer));
  return absl::OkStatus();
}

// A worker tells no alternatives of what it samples; a judge's two words it can measure.
absl::Status RolloutWire::MeasureFirstTokens(Job& job, EndpointAnswer& answer) {
  v1::MeasureRequest request;
  *request.mutable_prompt() = job.generate.prompt();
  request.set_run(options_.run);
  request.set_version(job.generate.version());
  const std::vector<std::string> words = {"Yes", "No"};
  for (const std::string& word : words) request.add_continuations(word);
  TEMPER_ASSIGN_OR_RETURN(const v1::MeasureResponse response,
                          client_.Measure(request, options_.timeout, &job.cancel));
  std::vector<std::pair<std::string, double>> first;
  for (size_t i = 0; i < words.size(); ++i) {
    double sum = 0;
    for (const float logprob : response.continuations(static_cast<int>(i)).logprobs()) {
      sum += logprob;
    }
    first.emplace_back(words[i], sum);
  }
  std::stable_sort(first.begin(), first.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  for (EndpointText& text : answer.texts) text.first_token = first;
  return absl::OkStatus();
}

absl::Status RolloutWire::Measure(Job& job, EndpointAnswer& answer) {
  TEMPER_ASSIGN_OR_RETURN(const v1::MeasureResponse response,
                          client_.Measure(job.measure, options_.timeout, &job.cancel));
  if (!response.has_value()) {
    return absl::InvalidArgumentError("the worker's model has no reward head");
  }
  answer.score = response.value();
  answer.version = response.version();
  answer.prompt_tokens.assign(response.prompt_tokens().begin(), response.prompt_tokens().end());
  answer.tokens_in = response.prompt_tokens_size();
  return absl::OkStatus();
}

int64_t RolloutWire::PromptTokensMax(const ordered_json& messages) const {
  return static_cast<int64_t>(Dump(messages).size()) +
         kTokensAroundAMessage * (static_cast<int64_t>(messages.size()) + 1);
}

}  // namespace temper::agents
