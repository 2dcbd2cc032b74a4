// Models as the controller asks about them.
#pragma once

#include <string>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "orchestrator/controller/run_models.h"

namespace temper::cli {

class LinkedModels : public orchestrator::RunModels {
 public:
  absl::StatusOr<orchestrator::RunPlace> Open(const std::string& dir) override;
  absl::StatusOr<orchestrator::RunPlace> Prepare(const orchestrator::ResolvedSpec& spec,
                                                 const std::string& dir) override;
  absl::StatusOr<std::string> CheckModel(const orchestrator::ResolvedSpec& spec) override;
  absl::StatusOr<orchestrator::ModelMemory> Memory(const orchestrator::ResolvedSpec& spec) override;
  absl::StatusOr<TokenTexts> Tokens(const std::string& model_dir) override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Mutex mutex_;
  std::string tokens_of_ ABSL_GUARDED_BY(mutex_);  // the folder asked for last, and its answer
  TokenTexts tokens_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace temper::cli
