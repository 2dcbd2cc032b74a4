// `temper inspect`: what a model is made of, the memory that it needs, and what fits where.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "orchestrator/cli/inspect_report.h"
#include "orchestrator/cli/verbs.h"
#include "policy/model/folder/model_folder.h"

namespace temper::cli {
namespace {

struct Choice {
  std::string path, plan, dtype = "bfloat16";
  int64_t tokens = 8192;
  bool json = false;
};

// Whether a folder holds anything that may be weights, readable or not.
bool HoldsWeights(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string extension = entry.path().extension();
    for (const char* known : {".safetensors", ".bin", ".pt", ".pth", ".gguf"}) {
      if (extension == known) return true;
    }
  }
  return Exists(JoinPath(folder, "model.safetensors.index.json"));
}

absl::StatusOr<Inspected> Look(const std::string& path) {
  Inspected inspected{.path = path};
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    TEMPER_ASSIGN_OR_RETURN(inspected.config, model::ReadModelConfig(path));
    return inspected;
  }
  TEMPER_ASSIGN_OR_RETURN(model::ModelFolder folder, model::OpenModelFolder(path));
  if (HoldsWeights(path)) {
    const model::ParameterLayout layout(folder.config);
    TEMPER_ASSIGN_OR_RETURN(inspected.dtypes, model::CountWeights(path, layout));
  }
  if (folder.tokenizer != nullptr) inspected.tokens = folder.tokenizer->vocab_size();
  inspected.config = std::move(folder.config);
  return inspected;
}

absl::StatusOr<std::optional<PlanQuestion>> Question(const Choice& choice) {
  if (choice.plan.empty()) return std::nullopt;
  const absl::StatusOr<model::Accelerators> accelerators = model::ParseAccelerators(choice.plan);
  if (!accelerators.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--plan: ", accelerators.status().message()));
  }
  return PlanQuestion{choice.plan, *accelerators,
                      choice.dtype == "float32" ? model::kFloat32 : model::kBfloat16,
                      choice.tokens};
}

absl::Status Inspect(const Choice& choice) {
  TEMPER_ASSIGN_OR_RETURN(const std::optional<PlanQuestion> question, Question(choice));
  TEMPER_ASSIGN_OR_RETURN(const Inspected inspected, Look(choice.path));
  const nlohmann::ordered_json description = Describe(inspected, question);
  if (choice.json) {
    std::printf("%s\n",
                description.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    std::fputs(DescriptionText(description).c_str(), stdout);
  }
  return absl::OkStatus();
}

}  // namespace

void AddInspect(CLI::App& program, Chosen& chosen) {
  auto choice = std::make_shared<Choice>();
  CLI::App* verb = program.add_subcommand(
      "inspect", "Shows config, layers, parameters, dtypes and memory of a model");
  verb->add_option("path", choice->path,
                   "A model folder (it may lack the weights), or a config.json")
      ->required();
  verb->add_option("--plan", choice->plan,
                   "Says what fits on N accelerators of MEM GiB each: NxMEM, as in 8x80");
  verb->add_option("--tokens", choice->tokens, "Length of the sequences of the plan")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 32))
      ->capture_default_str();
  verb->add_option("--dtype", choice->dtype, "Weights, keys and values of the plan")
      ->check(CLI::IsMember({"bfloat16", "float32"}))
      ->capture_default_str();
  verb->add_flag("--json", choice->json, "Print one JSON document");
  verb->callback([choice, &chosen] { chosen = [choice] { return Report(Inspect(*choice)); }; });
}

}  // namespace temper::cli
