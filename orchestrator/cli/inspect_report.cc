#include "orchestrator/cli/inspect_report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "policy/model/footprint.h"

namespace temper::cli {
namespace {

using Json = nlohmann::ordered_json;
using model::Footprint;

Json LayerCounts(const model::ModelConfig& config) {
  std::map<std::string, int64_t> counts;
  for (const model::LayerConfig& layer : config.layers) {
    ++counts[std::string(model::LayerKindName(layer.kind))];
  }
  return counts;
}

Json ParametersByKind(const model::ModelConfig& config, const Footprint& footprint) {
  std::map<std::string, int64_t> counts = {{"embeddings", footprint.embeddings},
                                           {"norm", footprint.final_norm}};
  if (footprint.head > 0) {
    counts[config.reward_head ? "reward_head" : "lm_head"] = footprint.head;
  }
  for (const auto& [kind, parameters] : footprint.layers) {
    counts[std::string(model::LayerKindName(kind))] = parameters;
  }
  return counts;
}

Json WeightBytes(const Footprint& footprint) {
  Json bytes;
  for (const model::WeightDtype& dtype :
       {model::kFloat32, model::kBfloat16, model::kFloat8, model::kNvfp4}) {
    bytes[std::string(dtype.name)] = model::BytesOf(footprint.total, dtype);
  }
  return bytes;
}

Json TrainingJson(const model::TrainingPlan& plan) {
  return {{"weights", plan.weights},
          {"gradients", plan.gradients},
          {"master", plan.master},
          {"moments", plan.moments},
          {"total", plan.total()}};
}

Json Training(const Footprint& footprint, const model::WeightDtype& dtype) {
  return TrainingJson(model::PlanTraining(footprint, {1, 1}, dtype));
}

// The plain names are float32 throughout.
Json Memory(const Footprint& footprint) {
  const auto wide = [](int64_t numbers) { return model::BytesOf(numbers, model::kFloat32); };
  return {{"weights", wide(footprint.total)},
          {"gradients", wide(footprint.total)},
          {"optimizer", 2 * wide(footprint.total)},
          {"kv_per_token", wide(footprint.kv_per_token)},
          {"kv_per_token_bfloat16", model::BytesOf(footprint.kv_per_token, model::kBfloat16)},
          {"state_per_sequence", wide(footprint.ssm_state + footprint.conv_state)},
          {"ssm_state_per_sequence", wide(footprint.ssm_state)},
          {"conv_state_per_sequence", wide(footprint.conv_state)},
          {"weights_by_dtype", WeightBytes(footprint)},
          {"training_float32", Training(footprint, model::kFloat32)},
          {"training_bfloat16", Training(footprint, model::kBfloat16)}};
}

Json Plan(const Footprint& footprint, const PlanQuestion& question) {
  const model::ServingPlan serving =
      model::PlanServing(footprint, question.accelerators, question.dtype, question.tokens);
  const model::TrainingPlan training =
      model::PlanTraining(footprint, question.accelerators, question.dtype);
  Json training_json = TrainingJson(training);
  training_json["fits"] = training.fits;
  training_json["accelerators_needed"] = training.accelerators_needed;
  return {{"accelerators", question.text},
          {"dtype", question.dtype.name},
          {"tokens", question.tokens},
          {"available", static_cast<int64_t>(serving.available)},
          {"serving",
           {{"weights", serving.weights},
            {"per_sequence", serving.sequence},
            {"sequences", serving.sequences},
            {"fits", serving.fits}}},
          {"training", std::move(training_json)}};
}

std::string Bytes(const Json& bytes) {
  const double value = bytes.get<double>();
  if (value >= 0x1p30) return absl::StrFormat("%.2f GiB", value / 0x1p30);
  if (value >= 0x1p20) return absl::StrFormat("%.1f MiB", value / 0x1p20);
  return absl::StrFormat("%.1f KiB", value / 0x1p10);
}

std::string Listed(const Json& counts) {
  std::string text;
  for (const auto& [name, count] : counts.items()) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", name, " ", count.get<int64_t>());
  }
  return text;
}

// Four digits, as models are called: "31.58 billion".
std::string Rounded(const Json& count) {
  const double value = count.get<double>();
  if (value >= 1e9) return absl::StrFormat("%.4g billion", value / 1e9);
  if (value >= 1e6) return absl::StrFormat("%.4g million", value / 1e6);
  return absl::StrCat(count.get<int64_t>());
}

std::string Training(const Json& bytes) {
  std::string text = absl::StrCat(Bytes(bytes["total"]), " (weights ", Bytes(bytes["weights"]),
                                  ", gradients ", Bytes(bytes["gradients"]));
  if (bytes["master"] > 0) absl::StrAppend(&text, ", master copy ", Bytes(bytes["master"]));
  return absl::StrCat(text, ", moments ", Bytes(bytes["moments"]), ")");
}

class Lines {
 public:
  void Add(const char* name, const std::string& value) {
    absl::StrAppendFormat(&text_, "%-20s %s\n", name, value);
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

void AddPlan(const Json& plan, Lines& lines) {
  const Json& serving = plan["serving"];
  const Json& training = plan["training"];
  lines.Add("plan", absl::StrCat(plan["accelerators"].get<std::string>(), " GiB, ",
                                 absl::StrFormat("%.0f%%", 100 * model::kPlannedPart),
                                 " planned with: ", Bytes(plan["available"])));
  const std::string weights =
      absl::StrCat("weights ", Bytes(serving["weights"]), " in ", plan["dtype"].get<std::string>());
  const std::string sequences = absl::StrCat(" of ", plan["tokens"].get<int64_t>(), " tokens, ",
                                             Bytes(serving["per_sequence"]), " each");
  lines.Add("  serving",
            serving["fits"]
                ? absl::StrCat("fits: ", weights, ", then ", serving["sequences"].get<int64_t>(),
                               " sequences", sequences)
                : absl::StrCat("does not fit: ", weights, ", then no sequence", sequences));
  lines.Add("  training",
            absl::StrCat(training["fits"] ? "fits: " : "does not fit: ", Training(training),
                         ", activations beside it; at least ",
                         training["accelerators_needed"].get<int64_t>(), " of them needed"));
}

}  // namespace

Json Describe(const Inspected& inspected, const std::optional<PlanQuestion>& question) {
  const model::ModelConfig& config = inspected.config;
  const Footprint footprint = model::FootprintOf(config);
  Json result = {{"path", inspected.path},
                 {"model_type", model::FamilyName(config.family)},
                 {"pattern", config.Pattern()},
                 {"layers", LayerCounts(config)},
                 {"hidden_size", config.hidden_size},
                 {"vocab_size", config.vocab_size},
                 {"tie_word_embeddings", config.tie_word_embeddings},
                 {"head", config.reward_head ? "reward" : "language"},
                 {"eos_token_ids", config.eos_token_ids},
                 {"parameters", footprint.total},
                 {"parameters_active", footprint.active},
                 {"parameters_active_beyond_lookup", footprint.active_beyond_lookup},
                 {"parameters_by_kind", ParametersByKind(config, footprint)},
                 {"bytes", Memory(footprint)}};
  if (!inspected.dtypes.empty()) result["dtypes"] = inspected.dtypes;
  if (inspected.tokens >= 0) result["tokenizer_tokens"] = inspected.tokens;
  if (question.has_value()) result["plan"] = Plan(footprint, *question);
  return result;
}

std::string DescriptionText(const Json& model) {
  const Json& bytes = model["bytes"];
  Lines lines;
  lines.Add("model", absl::StrCat(model["path"].get<std::string>(), " (",
                                  model["model_type"].get<std::string>(), ")"));
  lines.Add("layers",
            absl::StrCat(model["pattern"].get<std::string>(), " (", Listed(model["layers"]), ")"));
  lines.Add("sizes", absl::StrCat("hidden ", model["hidden_size"].get<int64_t>(), ", vocabulary ",
                                  model["vocab_size"].get<int64_t>(),
                                  model["tie_word_embeddings"] ? ", tied embeddings" : ""));
  if (model["head"] == "reward") lines.Add("head", "reward head, 1 value");
  lines.Add("tokenizer", model.contains("tokenizer_tokens")
                             ? absl::StrCat(model["tokenizer_tokens"].get<int64_t>(), " tokens")
                             : "none");
  lines.Add("parameters",
            absl::StrCat(Rounded(model["parameters"]), ": ", model["parameters"].get<int64_t>(),
                         " (", Listed(model["parameters_by_kind"]), ")"));
  lines.Add("active per token", absl::StrCat(Rounded(model["parameters_active"]), "; ",
                                             Rounded(model["parameters_active_beyond_lookup"]),
                                             " without the look-up of the input embedding"));
  lines.Add("on disk", model.contains("dtypes") ? Listed(model["dtypes"]) : "no weights");
  std::string weights;
  for (const auto& [dtype, size] : bytes["weights_by_dtype"].items()) {
    absl::StrAppend(&weights, weights.empty() ? "" : ", ", dtype, " ", Bytes(size));
  }
  lines.Add("weights", weights);
  lines.Add("training, float32", Training(bytes["training_float32"]));
  lines.Add("training, bfloat16", Training(bytes["training_bfloat16"]));
  lines.Add("a sequence",
            bytes["state_per_sequence"] == 0
                ? "nothing beside its tokens"
                : absl::StrCat(Bytes(bytes["ssm_state_per_sequence"]), " of SSM state and ",
                               Bytes(bytes["conv_state_per_sequence"]),
                               " of convolution window, float32"));
  lines.Add("a token",
            absl::StrCat(Bytes(bytes["kv_per_token_bfloat16"]), " of keys and values in bfloat16, ",
                         Bytes(bytes["kv_per_token"]), " in float32"));
  if (model.contains("plan")) AddPlan(model["plan"], lines);
  return lines.Take();
}

}  // namespace temper::cli
