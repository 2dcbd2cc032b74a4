// `temper init`: a model folder with fresh weights.
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "orchestrator/cli/verbs.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/folder/model_folder_writer.h"

namespace temper::cli {
namespace {

struct Choice {
  std::string config, folder;
  uint64_t seed = 0;
  bool json = false;
};

// Refused before the memory is asked for, which would end the process.
absl::Status CheckMemory(const std::string& config, const model::ParameterLayout& layout) {
  const double needed = 4.0 * static_cast<double>(layout.size());
  const double present =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (needed <= present) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      config, ": ", layout.parameters(), " parameters take ", needed / 0x1p30,
      " GiB as float32, this machine has ", present / 0x1p30, " GiB; choose smaller sizes"));
}

absl::Status Make(const Choice& choice) {
  TEMPER_ASSIGN_OR_RETURN(const model::ModelConfig config, model::ReadModelConfig(choice.config));
  const model::ParameterLayout layout(config);
  TEMPER_RETURN_IF_ERROR(CheckMemory(choice.config, layout));
  std::vector<float> values(layout.size());
  model::Initialize(config, layout, choice.seed, values);
  TEMPER_RETURN_IF_ERROR(
      model::WriteModelFolder(choice.folder, Dirname(choice.config), config, layout, values));
  const bool tokenizer = Exists(JoinPath(choice.folder, "tokenizer.json"));
  if (choice.json) {
    const nlohmann::ordered_json result = {{"folder", choice.folder},
                                           {"pattern", config.Pattern()},
                                           {"parameters", layout.parameters()},
                                           {"seed", choice.seed},
                                           {"tokenizer", tokenizer}};
    std::printf("%s\n",
                result.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    std::printf("%s: %lld parameters, layers %s, seed %llu, %s\n", choice.folder.c_str(),
                static_cast<long long>(layout.parameters()), config.Pattern().c_str(),
                static_cast<unsigned long long>(choice.seed),
                tokenizer ? "with its tokenizer" : "without a tokenizer");
  }
  return absl::OkStatus();
}

}  // namespace

void AddInit(CLI::App& program, Chosen& chosen) {
  auto choice = std::make_shared<Choice>();
  CLI::App* verb =
      program.add_subcommand("init", "Makes a model folder with fresh weights from a config.json");
  verb->add_option("config", choice->config,
                   "The config.json; tokenizer files beside it are carried along")
      ->required();
  verb->add_option("folder", choice->folder, "The model folder to make: new or empty")->required();
  verb->add_option("--seed", choice->seed, "The same seed gives the same weights")
      ->capture_default_str();
  verb->add_flag("--json", choice->json, "Print the result as JSON");
  verb->callback([choice, &chosen] { chosen = [choice] { return Report(Make(*choice)); }; });
}

}  // namespace temper::cli
