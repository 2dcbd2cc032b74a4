// What the controller needs to know of models, which it never opens itself: the command line links
// the model and answers.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "orchestrator/controller/run_loop.h"
#include "orchestrator/spec.h"

namespace temper::orchestrator {

// Bytes that one process needs for a run.
struct ModelMemory {
  int64_t learner = 0;
  int64_t rollout = 0;
};

// Any thread.
class RunModels {
 public:
  virtual ~RunModels() = default;

  // Opens a run folder: its spec, checked, and where its model lies.
  virtual absl::StatusOr<RunPlace> Open(const std::string& dir) = 0;
  // Makes a whole run folder, or checks the one that is there: spec.json, DIR/model for specs with
  // `init`.
  virtual absl::StatusOr<RunPlace> Prepare(const ResolvedSpec& spec, const std::string& dir) = 0;
  // Says what is wrong with the model of a spec without making anything; one line about it if OK.
  virtual absl::StatusOr<std::string> CheckModel(const ResolvedSpec& spec) = 0;
  virtual absl::StatusOr<ModelMemory> Memory(const ResolvedSpec& spec) = 0;
  // The bytes of each token.
  using TokenTexts = std::function<std::vector<std::string>(const std::vector<int32_t>&)>;
  virtual absl::StatusOr<TokenTexts> Tokens(const std::string& model_dir) = 0;
};

}  // namespace temper::orchestrator
