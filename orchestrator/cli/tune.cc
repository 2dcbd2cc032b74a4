// `temper tune`: chooses cuBLASLt's algorithms for a model's weights on a GPU, once for a machine.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "kernels/cuda/algorithms.h"
#include "kernels/open_device.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/verbs.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/parameters.h"

namespace temper::cli {
namespace {

struct Choice {
  std::string model, device = "cuda:0", table;
  bool json = false;
};

// Of the matrices that may be bfloat16 and have products of their own, each shape once.
std::vector<kernels::WeightSides> SidesOf(const model::ParameterLayout& layout) {
  std::set<kernels::WeightSides> sides;
  for (const model::ParameterSpec& spec : layout.specs()) {
    if (!spec.packed || spec.expert || spec.training == model::Training::kRouter) continue;
    sides.insert({.out = spec.shape[0], .in = spec.shape[1]});
  }
  return {sides.begin(), sides.end()};
}

void Tell(const kernels::TunedProduct& product, bool json) {
  const char* const direction = product.backward ? "input gradient" : "product";
  if (json) {
    const nlohmann::ordered_json line = {
        {"out", product.sides.out},      {"in", product.sides.in},
        {"direction", direction},        {"candidates", product.candidates},
        {"admitted", product.admitted},  {"chosen", product.chosen},
        {"from_rows", product.from_rows}};
    std::printf("%s\n", line.dump().c_str());
  } else {
    const std::string fewer =
        product.from_rows > 1
            ? absl::StrCat(" from ", product.from_rows, " rows on, our own kernels below")
            : "";
    std::printf("%lld/%lld  %lld x %lld, %s: %lld of %lld candidates admitted, %s%s\n",
                static_cast<long long>(product.done), static_cast<long long>(product.total),
                static_cast<long long>(product.sides.out), static_cast<long long>(product.sides.in),
                direction, static_cast<long long>(product.admitted),
                static_cast<long long>(product.candidates),
                product.chosen.empty() ? "our own kernels stay" : product.chosen.c_str(),
                fewer.c_str());
  }
  std::fflush(stdout);
}

absl::Status Tune(const Choice& choice) {
  TEMPER_ASSIGN_OR_RETURN(const int gpu, kernels::GpuNumber(choice.device));
  model::ModelConfig config;
  if (std::filesystem::is_directory(choice.model)) {
    TEMPER_ASSIGN_OR_RETURN(model::ModelFolder folder, model::OpenModelFolder(choice.model));
    config = std::move(folder.config);
  } else {
    TEMPER_ASSIGN_OR_RETURN(config, model::ReadModelConfig(choice.model));
  }
  const std::string path = choice.table.empty() ? kernels::AlgorithmTablePath() : choice.table;
  if (path.empty()) {
    return absl::InvalidArgumentError("no place for the table: set HOME, or give --table FILE");
  }
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (!parent.empty()) TEMPER_RETURN_IF_ERROR(MakeDirectories(parent));
  const model::ParameterLayout layout(config);
  TEMPER_RETURN_IF_ERROR(
      kernels::TuneProducts(gpu, SidesOf(layout), path,
                            [&](const kernels::TunedProduct& one) { Tell(one, choice.json); }));
  if (!choice.json) std::printf("the table is %s\n", path.c_str());
  return absl::OkStatus();
}

}  // namespace

void AddTune(CLI::App& program, Chosen& chosen) {
  auto choice = std::make_shared<Choice>();
  CLI::App* verb = program.add_subcommand(
      "tune",
      "Chooses cuBLASLt's algorithms for a model's bfloat16 weights on a GPU, once for a machine.\n"
      "Only algorithms whose rows do not depend on the batch are admitted. All processes of a run\n"
      "must read the same table: not while one runs.");
  verb->add_option("model", choice->model, "Model folder or config.json")
      ->required()
      ->check(CLI::ExistingPath);
  verb->add_option("--device", choice->device, "The GPU")->capture_default_str();
  verb->add_option("--table", choice->table,
                   "The file [$TEMPER_CUDA_ALGORITHMS or ~/.cache/temper/cuda_algorithms.txt]");
  verb->add_flag("--json", choice->json, "One JSON line a product");
  verb->callback([choice, &chosen] { chosen = [choice] { return Report(Tune(*choice)); }; });
}

}  // namespace temper::cli
