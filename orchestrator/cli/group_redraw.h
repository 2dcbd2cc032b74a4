// Draws the groups of a recorded step again in this process and compares their episodes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "base/stop.h"
#include "kernels/device.h"
#include "orchestrator/replay/recorded_step.h"
#include "orchestrator/replay/tally.h"
#include "policy/model/chat/chat_template.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/parameters.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::cli {

class GroupRedraw {
 public:
  struct Options {
    std::string model_dir;
    std::string dtype;  // of packed matrices, as the spec names it
    v1::Fleet fleet;
    std::string device = "auto";
    int threads = 0;
  };
  static absl::StatusOr<std::unique_ptr<GroupRedraw>> Open(Options options);

  // `weights`: the float32 values of `version`. Samples made under other versions are left out.
  absl::Status Run(int64_t version, MappedFile weights, const v1::Sampling& sampling,
                   std::span<const orchestrator::RecordedGroup> groups, const StopToken& stop,
                   orchestrator::ReplayTally& tally,
                   const std::function<void(int64_t groups_done)>& show);

 private:
  GroupRedraw(Options options, model::ModelFolder folder, std::optional<model::ChatTemplate> chat);

  const Options options_;
  const model::ModelFolder folder_;
  const std::optional<model::ChatTemplate> chat_;
  const model::ParameterLayout layout_;
};

}  // namespace temper::cli
