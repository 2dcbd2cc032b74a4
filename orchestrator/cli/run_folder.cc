// Run folders: found, checked, prepared.
#include "orchestrator/cli/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/json_config.h"
#include "base/status_macros.h"
#include "orchestrator/run_files.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/folder/model_folder_writer.h"
#include "policy/model/reward_folder.h"

namespace temper::cli {
namespace {

constexpr char kSpecFile[] = "spec.json";

// A run keeps a model of its own where the spec's is no folder, or no reward model yet.
std::string ModelDir(const std::string& dir, const orchestrator::ResolvedSpec& resolved) {
  const std::string own = JoinPath(dir, "model");
  const std::string& model = resolved.spec.model();
  return model.empty() || (resolved.makes_reward_model() && Exists(own)) ? own : model;
}

// Makes DIR/model where the run needs one of its own; there already: kept.
absl::Status MakeModel(const std::string& path, const orchestrator::ResolvedSpec& resolved) {
  const v1::RunSpec& spec = resolved.spec;
  if (Exists(path)) return absl::OkStatus();
  if (resolved.makes_reward_model()) {
    if (!spec.init().empty()) {
      return model::InitializeRewardFolder(spec.init(), spec.seed(), path);
    }
    TEMPER_ASSIGN_OR_RETURN(const model::ModelConfig config,
                            model::ReadModelConfig(JoinPath(spec.model(), "config.json")));
    return config.reward_head ? absl::OkStatus()
                              : model::MakeRewardFolder(spec.model(), spec.seed(), path);
  }
  if (spec.init().empty()) return absl::OkStatus();
  TEMPER_ASSIGN_OR_RETURN(const model::ModelConfig config, model::ReadModelConfig(spec.init()));
  TEMPER_RETURN_IF_ERROR(model::CheckLanguageModel(config, spec.init()));
  const model::ParameterLayout layout(config);
  std::vector<float> values(layout.size());
  model::Initialize(config, layout, spec.seed(), values);
  return model::WriteModelFolder(path, Dirname(spec.init()), config, layout, values);
}

absl::Status CheckModel(const std::string& path, bool reward_model) {
  TEMPER_ASSIGN_OR_RETURN(const model::ModelFolder folder, model::OpenModelFolder(path));
  if (!reward_model) TEMPER_RETURN_IF_ERROR(model::CheckLanguageModel(folder.config, path));
  if (folder.tokenizer != nullptr) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat(path, ": no tokenizer.json; a run needs one to turn prompts into tokens"));
}

}  // namespace

absl::StatusOr<RunFolder> OpenRunFolder(const std::string& dir) {
  RunFolder folder;
  folder.dir = std::filesystem::absolute(dir).string();
  TEMPER_ASSIGN_OR_RETURN(folder.spec, orchestrator::LoadSpec(JoinPath(folder.dir, kSpecFile), {}));
  folder.model_dir = ModelDir(folder.dir, folder.spec);
  folder.resumed = true;
  return folder;
}

absl::StatusOr<RunFolder> PrepareRunFolder(const std::string& target, const std::string& dir,
                                           const std::vector<std::string>& settings) {
  if (std::filesystem::is_directory(target)) {
    if (!settings.empty() || !dir.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          target, ": is the folder of a run; it resumes as it is, without --set and --dir"));
    }
    if (!Exists(JoinPath(target, kSpecFile))) {
      return absl::NotFoundError(
          absl::StrCat(target, ": holds no spec.json, so it is not the folder of a run"));
    }
    return OpenRunFolder(target);
  }
  TEMPER_ASSIGN_OR_RETURN(const orchestrator::ResolvedSpec spec,
                          orchestrator::LoadSpec(target, settings));
  return MakeRunFolder(spec, dir.empty() ? JoinPath("runs", spec.spec.name()) : dir);
}

absl::StatusOr<RunFolder> MakeRunFolder(const orchestrator::ResolvedSpec& resolved,
                                        const std::string& dir) {
  RunFolder folder;
  folder.spec = resolved;
  const v1::RunSpec& spec = folder.spec.spec;
  folder.dir = std::filesystem::absolute(dir).lexically_normal().string();
  const std::string spec_path = JoinPath(folder.dir, kSpecFile);
  if (Exists(spec_path)) {
    TEMPER_ASSIGN_OR_RETURN(const orchestrator::ResolvedSpec before,
                            orchestrator::LoadSpec(spec_path, {}));
    TEMPER_RETURN_IF_ERROR(orchestrator::CheckResumable(before.spec, spec));
    folder.resumed = true;
  }
  TEMPER_RETURN_IF_ERROR(
      orchestrator::OpenRunFiles(spec).status());  // every line is checked before anything is made
  TEMPER_RETURN_IF_ERROR(MakeDirectories(folder.dir));
  TEMPER_RETURN_IF_ERROR(MakeModel(JoinPath(folder.dir, "model"), resolved));
  folder.model_dir = ModelDir(folder.dir, resolved);
  TEMPER_RETURN_IF_ERROR(CheckModel(folder.model_dir, resolved.makes_reward_model()));
  TEMPER_RETURN_IF_ERROR(MakeDirectories(JoinPath(folder.dir, "logs")));
  TEMPER_RETURN_IF_ERROR(WriteFileAtomically(spec_path, ToJson(spec) + "\n"));
  return folder;
}

absl::Status LockForever(const std::string& path, const std::string& who) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(path, "cannot open");
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  if (errno != EWOULDBLOCK) return ErrnoStatus(path, "cannot lock");
  return absl::FailedPreconditionError(
      absl::StrCat(Dirname(path), ": ", who, " is already at work on this folder"));
}

absl::StatusOr<std::string> ControllerAddress(const std::string& dir) {
  return ReadFile(JoinPath(dir, "controller.address"));
}

absl::StatusOr<std::string> FindRunFolder(const std::string& name, const std::string& root) {
  for (const std::string& path : {name, JoinPath(root, name)}) {
    if (Exists(JoinPath(path, kSpecFile))) return path;
  }
  return absl::NotFoundError(absl::StrCat(name, ": no run folder of that name here or under ", root,
                                          "/ (`temper list` shows them)"));
}

}  // namespace temper::cli
