// The folder of a run as the verbs find and prepare it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/spec.h"

namespace temper::cli {

struct RunFolder {
  std::string dir;
  std::string model_dir;  // config, tokenizer and first weights
  orchestrator::ResolvedSpec spec;
  bool resumed = false;
};

// `target`: a spec file, or the folder of a run to resume. dir "": runs/<name>. Creates the folder,
// keeps the canonical spec.json, makes DIR/model for specs with `init` and for reward models that
// begin as a language model. A folder that belongs to
// another spec is refused.
absl::StatusOr<RunFolder> PrepareRunFolder(const std::string& target, const std::string& dir,
                                           const std::vector<std::string>& settings);

// Of a spec that came by another way; `dir` holds no run yet, or this one.
absl::StatusOr<RunFolder> MakeRunFolder(const orchestrator::ResolvedSpec& spec,
                                        const std::string& dir);

// Opens what PrepareRunFolder made.
absl::StatusOr<RunFolder> OpenRunFolder(const std::string& dir);

// Holds DIR/<file> locked for this process's life. FAILED_PRECONDITION with `who` when another has
// it.
absl::Status LockForever(const std::string& path, const std::string& who);

// Where the controller of a run folder listens now; NOT_FOUND when none does.
absl::StatusOr<std::string> ControllerAddress(const std::string& dir);

// "runs/x" as typed, or the name of a run under `root`.
absl::StatusOr<std::string> FindRunFolder(const std::string& name, const std::string& root);

}  // namespace temper::cli
