// The rollout worker's engine, fed with the requests that the run made.
#include "orchestrator/cli/group_redraw.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/open_device.h"
#include "policy/model/weights.h"
#include "rollout/engine/engine.h"

namespace temper::cli {
namespace {

using orchestrator::Compared;
using orchestrator::RecordedGroup;
using orchestrator::RecordedSample;

v1::Episode ToWire(const rollout::Episode& episode) {
  v1::Episode wire;
  wire.set_group_id(episode.group_id);
  wire.set_sample(episode.sample);
  wire.mutable_prompt_tokens()->Add(episode.prompt_tokens.begin(), episode.prompt_tokens.end());
  wire.mutable_tokens()->Add(episode.tokens.begin(), episode.tokens.end());
  wire.mutable_logprobs()->Add(episode.logprobs.begin(), episode.logprobs.end());
  wire.add_versions(episode.version);
  wire.set_finish_reason(episode.finish_reason == rollout::FinishReason::kStop
                             ? v1::FINISH_REASON_STOP
                             : v1::FINISH_REASON_LENGTH);
  wire.set_text(episode.text);
  wire.set_entropy_sum(episode.entropy_sum);
  for (size_t i = 0; i < episode.forced.size(); ++i) {
    if (episode.forced[i] != 0) wire.add_forced(static_cast<int32_t>(i));
  }
  return wire;
}

bool MadeUnder(const v1::Episode& episode, int64_t version) {
  return std::all_of(episode.versions().begin(), episode.versions().end(),
                     [version](int64_t each) { return each == version; });
}

// Compares episodes as they come; the engine calls it on our thread.
class Comparer final : public rollout::EpisodeSink {
 public:
  Comparer(const RecordedGroup& group, orchestrator::ReplayTally& tally, int64_t& done)
      : group_(group), tally_(tally), done_(done) {}

  void Deliver(rollout::Episode episode) override {
    const v1::Episode redone = ToWire(episode);
    for (const RecordedSample& sample : group_.samples) {
      if (sample.entry->episode().sample() != redone.sample()) continue;
      tally_.AddEpisode(sample.entry->episode(), redone);
    }
  }
  void Done(const absl::Status& status) override {
    ++done_;
    if (status.ok() || absl::IsCancelled(status)) return;
    tally_.AddDifference(Compared::kTokens,
                         absl::StrCat("group ", group_.group.id(),
                                      " cannot be made again: ", std::string(status.message())));
  }

 private:
  const RecordedGroup& group_;
  orchestrator::ReplayTally& tally_;
  int64_t& done_;
};

rollout::GroupRequest RequestFor(const RecordedGroup& group, int64_t version,
                                 const v1::Sampling& sampling,
                                 std::shared_ptr<rollout::EpisodeSink> sink) {
  const v1::Prompt& prompt = group.group.prompt();
  rollout::GroupRequest request{
      .group_id = group.group.id(),
      .prompt_id = prompt.id(),
      .prompt_text = prompt.text(),
      .chat_json = prompt.chat_json(),
      .sampling = {.temperature = sampling.temperature(),
                   .top_p = sampling.top_p(),
                   .max_tokens = sampling.max_tokens(),
                   .stop = {sampling.stop().begin(), sampling.stop().end()},
                   .seed = sampling.seed()},
      .version = version,
      .sink = std::move(sink)};
  for (const RecordedSample& sample : group.samples) {
    if (!MadeUnder(sample.entry->episode(), version)) continue;
    request.samples.push_back(sample.entry->episode().sample());
  }
  return request;
}

}  // namespace

absl::StatusOr<std::unique_ptr<GroupRedraw>> GroupRedraw::Open(Options options) {
  TEMPER_ASSIGN_OR_RETURN(model::ModelFolder folder, model::OpenModelFolder(options.model_dir));
  TEMPER_ASSIGN_OR_RETURN(std::optional<model::ChatTemplate> chat,
                          model::ChatTemplate::ReadIfAny(folder.path));
  return std::unique_ptr<GroupRedraw>(
      new GroupRedraw(std::move(options), std::move(folder), std::move(chat)));
}

GroupRedraw::GroupRedraw(Options options, model::ModelFolder folder,
                         std::optional<model::ChatTemplate> chat)
    : options_(std::move(options)),
      folder_(std::move(folder)),
      chat_(std::move(chat)),
      layout_(folder_.config) {}

absl::Status GroupRedraw::Run(int64_t version, MappedFile weights, const v1::Sampling& sampling,
                              std::span<const RecordedGroup> groups, const StopToken& stop,
                              orchestrator::ReplayTally& tally,
                              const std::function<void(int64_t)>& show) {
  TEMPER_ASSIGN_OR_RETURN(
      const std::unique_ptr<kernels::Device> device,
      kernels::OpenDevice({.name = options_.device, .threads = options_.threads}));
  rollout::Engine::Options options;
  TEMPER_ASSIGN_OR_RETURN(options.dtype, model::ParseDtype(options_.dtype));
  options.sequences_max = options_.fleet.sequences_max();
  options.prefill_chunk = options_.fleet.prefill_chunk();
  rollout::Engine engine({folder_.config, layout_, folder_.tokenizer.get(), *device,
                          chat_.has_value() ? &*chat_ : nullptr},
                         options);
  engine.SetWeights(version, std::make_shared<const rollout::WeightValues>(std::move(weights)));
  int64_t done = 0, shown = -1;
  for (size_t next = 0;;) {
    while (next < groups.size()) {
      rollout::GroupRequest request = RequestFor(
          groups[next], version, sampling, std::make_shared<Comparer>(groups[next], tally, done));
      const auto left_out = static_cast<int64_t>(groups[next].samples.size()) -
                            static_cast<int64_t>(request.samples.size());
      const bool any = !request.samples.empty();
      const absl::Status taken = any ? engine.Submit(std::move(request)) : absl::OkStatus();
      if (absl::IsResourceExhausted(taken) && !engine.idle()) break;  // comes again
      if (!taken.ok()) {
        engine.Abandon(absl::CancelledError("stopped"));
        return absl::Status(taken.code(), absl::StrCat("group ", groups[next].group.id(), ": ",
                                                       std::string(taken.message())));
      }
      if (left_out > 0) {
        tally.LeaveOut(Compared::kTokens, left_out,
                       "samples that were made under other versions than the step's");
      }
      if (!any) ++done;
      ++next;
    }
    if (stop.stopped()) {
      engine.Abandon(absl::CancelledError("stopped"));
      return absl::CancelledError("the replay was stopped");
    }
    if (done != shown) show(shown = done);
    if (!engine.Step() && next == groups.size()) return absl::OkStatus();
  }
}

}  // namespace temper::cli
