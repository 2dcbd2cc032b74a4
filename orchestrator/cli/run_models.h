// Models as the controller asks about them.
#pragma once

#include "orchestrator/controller/run_models.h"

namespace temper::cli {

class LinkedModels : public orchestrator::RunModels {
 public:
  absl::StatusOr<orchestrator::RunPlace> Open(const std::string& dir) override;
  absl::StatusOr<orchestrator::RunPlace> Prepare(const orchestrator::ResolvedSpec& spec,
                                                 const std::string& dir) override;
  absl::StatusOr<std::string> CheckModel(const orchestrator::ResolvedSpec& spec) override;
  absl::StatusOr<orchestrator::ModelMemory> Memory(const orchestrator::ResolvedSpec& spec) override;
  absl::StatusOr<TokenTexts> Tokens(const std::string& model_dir) override;
};

}  // namespace temper::cli
