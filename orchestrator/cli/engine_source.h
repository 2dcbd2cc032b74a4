// Responses of a model folder, drawn in this process.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "orchestrator/cli/sample_source.h"
#include "policy/model/chat/chat_template.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/parameters.h"

namespace temper::cli {

class EngineSource : public SampleSource {
 public:
  struct Options {
    std::string folder;
    std::string dtype = "source";
    std::string device = "auto";
  int threads = 0;  // 0: all cores
  };
  // Reads everything but the weights. INVALID_ARGUMENT: the folder has no tokenizer.
  static absl::StatusOr<std::unique_ptr<EngineSource>> Open(Options options);

  bool has_chat_template() const { return chat_.has_value(); }
  // XXH3-128 of everything that decides what the model says: weights, config, tokenizer, template.
  absl::StatusOr<std::string> Digest() const;

  // Loads the weights first. Delivers on the caller's thread. A prompt that the model cannot take
  // ends the drawing, with the task's id in the message.
  absl::Status Draw(std::span<const SampleJob> jobs, const Drawing& drawing,
                    const std::function<void(Drawn)>& deliver, const StopToken& stop) override;

 private:
  EngineSource(Options options, model::ModelFolder folder, std::optional<model::ChatTemplate> chat);

  const Options options_;
  const model::ModelFolder folder_;
  const std::optional<model::ChatTemplate> chat_;
  const model::ParameterLayout layout_;
};

}  // namespace temper::cli
