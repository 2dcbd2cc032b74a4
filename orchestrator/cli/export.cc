// `temper export`: a model folder or checkpoint written again, in the form others published it in.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/cli/verbs.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/folder/model_folder_writer.h"
#include "policy/model/folder/weight_source.h"

namespace temper::cli {
namespace {

namespace fs = std::filesystem;

struct Choice {
  std::string folder, out, source, dtype = "source";
  bool json = false;
};

// The newest checkpoint of a run; any other folder stands for itself.
std::string WeightsFolder(const std::string& path) {
  std::string newest;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(JoinPath(path, "checkpoints"), error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("step-") && !name.ends_with(".corrupt")) newest = std::max(newest, name);
  }
  return newest.empty() ? path : JoinPath(JoinPath(path, "checkpoints"), newest);
}

// A checkpoint takes the form of the model that its run started from.
std::string SourceOf(const std::string& weights) {
  const fs::path parent = fs::weakly_canonical(weights).parent_path();
  if (parent.filename() != "checkpoints") return weights;
  const auto run = OpenRunFolder(parent.parent_path().string());
  return run.ok() && Exists(run->model_dir) ? run->model_dir : weights;
}

model::SaveDtype DtypeOf(const std::string& name) {
  if (name == "float32") return model::SaveDtype::kFloat32;
  return name == "bfloat16" ? model::SaveDtype::kBfloat16 : model::SaveDtype::kSource;
}

absl::Status Export(const Choice& choice) {
  const std::string weights = WeightsFolder(choice.folder);
  const std::string source = choice.source.empty() ? SourceOf(weights) : choice.source;
  TEMPER_ASSIGN_OR_RETURN(const model::ModelFolder folder, model::OpenModelFolder(weights));
  const model::ParameterLayout layout(folder.config);
  TEMPER_ASSIGN_OR_RETURN(const model::WeightSource values,
                          model::WeightSource::Open(weights, layout.specs()));
  const auto read = [&values](size_t i, int64_t first, kernels::View<float> rows) {
    const absl::Status status = values.Read(i, first, rows);
    values.Release(i, first, rows.rows);
    return status;
  };
  const model::FolderForm form{
      .source = source, .like_source = true, .dtype = DtypeOf(choice.dtype)};
  TEMPER_RETURN_IF_ERROR(
      model::WriteModelFolder(choice.out, form, folder.config.json, layout.specs(), read));
  TEMPER_ASSIGN_OR_RETURN(const auto counts, model::CountWeights(choice.out, layout));
  if (choice.json) {
    const nlohmann::ordered_json result = {{"folder", choice.out},
                                           {"weights", weights},
                                           {"source", source},
                                           {"parameters", layout.parameters()},
                                           {"dtypes", counts}};
    std::printf("%s\n",
                result.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return absl::OkStatus();
  }
  std::string dtypes;
  for (const auto& [dtype, count] : counts) absl::StrAppend(&dtypes, ", ", dtype, " ", count);
  std::printf("%s: weights of %s in the form of %s, %lld parameters%s\n", choice.out.c_str(),
              weights.c_str(), source.c_str(), static_cast<long long>(layout.parameters()),
              dtypes.c_str());
  return absl::OkStatus();
}

}  // namespace

void AddExport(CLI::App& program, Chosen& chosen) {
  auto choice = std::make_shared<Choice>();
  CLI::App* verb = program.add_subcommand(
      "export",
      "Writes a model folder or checkpoint for others: names, dtypes and shards of its source");
  verb->add_option("folder", choice->folder,
                   "A model folder, a checkpoint, or a run folder (its newest checkpoint)")
      ->required();
  verb->add_option("out", choice->out, "The model folder to make: new or empty")->required();
  verb->add_option("--dtype", choice->dtype,
                   "source: that of each tensor in the source; quantised ones become bfloat16")
      ->check(CLI::IsMember({"source", "float32", "bfloat16"}))
      ->capture_default_str();
  verb->add_option("--source", choice->source,
                   "Folder whose tensor names, dtypes, shards, mtp.* tensors and tokenizer files "
                   "are kept; default: the model that the checkpoint's run started from");
  verb->add_flag("--json", choice->json, "Print the result as JSON");
  verb->callback([choice, &chosen] { chosen = [choice] { return Report(Export(*choice)); }; });
}

}  // namespace temper::cli
