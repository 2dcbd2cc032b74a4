// The rollout worker's engine, fed with one group a task.
#include "orchestrator/cli/engine_source.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "kernels/open_device.h"
#include "orchestrator/cli/dtype_option.h"
#include "policy/model/weights.h"
#include "rollout/engine/engine.h"

namespace temper::cli {
namespace {

// Passes episodes on; a group that broke says so for each sample that did not come.
class Sink final : public rollout::EpisodeSink {
 public:
  Sink(size_t job, const SampleJob& wanted, const Drawing& drawing,
       const std::function<void(Drawn)>& deliver)
      : job_(job), missing_(wanted.samples), stop_(drawing.stop), deliver_(deliver) {}

  void Deliver(rollout::Episode episode) override {
    std::erase(missing_, episode.sample);
    deliver_(
        {.job = job_,
         .sample = episode.sample,
         .response = WithoutStop(std::move(episode.text)),
         .finish_reason = episode.finish_reason == rollout::FinishReason::kStop ? "stop" : "length",
         .tokens = static_cast<int64_t>(episode.tokens.size())});
  }
  void Done(const absl::Status& status) override {
    if (absl::IsCancelled(status)) return;
    for (const int sample : missing_) {
      deliver_({.job = job_, .sample = sample, .error = std::string(status.message())});
    }
  }

 private:
  // Servers leave it out too.
  std::string WithoutStop(std::string text) const {
    size_t end = text.size();
    for (const std::string& stop : stop_) end = std::min(end, text.find(stop));
    text.resize(end);
    return text;
  }

  const size_t job_;
  std::vector<int> missing_;
  const std::vector<std::string>& stop_;
  const std::function<void(Drawn)>& deliver_;
};

rollout::GroupRequest RequestFor(size_t job, const SampleJob& wanted, const Drawing& drawing,
                                 const std::function<void(Drawn)>& deliver) {
  rollout::GroupRequest request{.group_id = static_cast<int64_t>(job),
                                .prompt_id = wanted.id,
                                .prompt_text = wanted.question.text,
                                .chat_json = wanted.question.chat_json,
                                .sampling = {.temperature = drawing.temperature,
                                             .top_p = drawing.top_p,
                                             .max_tokens = drawing.max_tokens,
                                             .stop = drawing.stop,
                                             .seed = drawing.seed},
                                .version = 0,
                                .sink = std::make_shared<Sink>(job, wanted, drawing, deliver)};
  for (const int sample : wanted.samples) request.samples.push_back(sample);
  return request;
}

bool DecidesWhatIsSaid(const std::filesystem::path& file) {
  const std::string name = file.filename().string();
  return file.extension() == ".safetensors" || name == "config.json" ||
         name == "generation_config.json" || name == "tokenizer.json" ||
         name == "tokenizer_config.json" || name == "chat_template.jinja";
}

}  // namespace

absl::StatusOr<std::unique_ptr<EngineSource>> EngineSource::Open(Options options) {
  TEMPER_ASSIGN_OR_RETURN(model::ModelFolder folder, model::OpenModelFolder(options.folder));
  if (folder.tokenizer == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder.path, ": has no tokenizer.json, which an evaluation needs"));
  }
  TEMPER_ASSIGN_OR_RETURN(std::optional<model::ChatTemplate> chat,
                          model::ChatTemplate::ReadIfAny(folder.path));
  return std::unique_ptr<EngineSource>(
      new EngineSource(std::move(options), std::move(folder), std::move(chat)));
}

EngineSource::EngineSource(Options options, model::ModelFolder folder,
                           std::optional<model::ChatTemplate> chat)
    : options_(std::move(options)),
      folder_(std::move(folder)),
      chat_(std::move(chat)),
      layout_(folder_.config) {}

absl::StatusOr<std::string> EngineSource::Digest() const {
  std::vector<std::string> files;
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path, problem)) {
    if (DecidesWhatIsSaid(entry.path())) files.push_back(entry.path().string());
  }
  if (problem) return absl::UnavailableError(absl::StrCat(folder_.path, ": ", problem.message()));
  std::sort(files.begin(), files.end());
  std::string digests;
  for (const std::string& file : files) {
    TEMPER_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::Open(file));
    TEMPER_RETURN_IF_ERROR(mapped.Load(0, static_cast<int64_t>(mapped.bytes().size())));
    absl::StrAppend(&digests, std::filesystem::path(file).filename().string(), " ",
                    Hex(Xxh3Digest(mapped.bytes())), "\n");
  }
  return Hex(Xxh3Digest(digests));
}

absl::Status EngineSource::Draw(std::span<const SampleJob> jobs, const Drawing& drawing,
                                const std::function<void(Drawn)>& deliver, const StopToken& stop) {
  TEMPER_ASSIGN_OR_RETURN(
      const std::unique_ptr<kernels::Device> device,
      kernels::OpenDevice({.name = options_.device, .threads = options_.threads}));
  TEMPER_ASSIGN_OR_RETURN(
      std::unique_ptr<model::Weights> weights,
      model::Weights::Load(folder_.path, layout_, *device, DtypeOf(options_.dtype)));
  rollout::Engine engine({folder_.config, layout_, folder_.tokenizer.get(), *device,
                          chat_.has_value() ? &*chat_ : nullptr},
                         {});
  engine.SetWeights(0, std::move(weights));
  for (size_t next = 0;;) {
    while (next < jobs.size()) {
      const absl::Status taken = engine.Submit(RequestFor(next, jobs[next], drawing, deliver));
      if (absl::IsResourceExhausted(taken) && !engine.idle()) break;  // comes again
      if (!taken.ok()) {
        engine.Abandon(absl::CancelledError("stopped"));
        return absl::Status(taken.code(), absl::StrCat("task \"", jobs[next].id,
                                                       "\": ", std::string(taken.message())));
      }
      ++next;
    }
    if (stop.stopped()) {
      engine.Abandon(absl::CancelledError("stopped"));
      return absl::CancelledError("stopped");
    }
    if (!engine.Step() && next == jobs.size()) return absl::OkStatus();
  }
}

}  // namespace temper::cli
