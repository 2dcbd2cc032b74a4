// `temper score`: the log-probability of every token of given sequences, line by line.
#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "orchestrator/cli/device_option.h"
#include "orchestrator/cli/dtype_option.h"
#include "orchestrator/cli/verbs.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/hybrid_model.h"

namespace temper::cli {

namespace {

// Sequences scored together: enough rows for full speed.
constexpr int64_t kRowsTogether = 2048;

struct Choice {
  bool json = true;  // the only form there is; accepted so that scripts may ask for it
  std::string folder, input;
  double temperature = 1.0;
  std::string device = "auto";
  int threads = 0;
  std::string dtype = "source";
};

// The lines read but not yet written.
struct Pending {
  model::PackedBatch batch;
  std::vector<std::vector<int32_t>> lines;
};

class Scorer {
 public:
  Scorer(const model::ModelFolder& folder, const model::ParameterLayout& layout,
         kernels::Device& device, const model::Weights& weights, const Choice& choice)
      : folder_(folder),
        weights_(weights),
        hybrid_(folder.config, layout, device),
        input_(choice.input) {
    pending_.batch.temperature = static_cast<float>(choice.temperature);
  }

  absl::Status Line(const std::string& text, int64_t number) {
    const std::string place = absl::StrCat(input_, ":", number);
    const nlohmann::json line = nlohmann::json::parse(text, nullptr, false);
    if (line.is_discarded() || !line.is_object()) {
      return absl::InvalidArgumentError(absl::StrCat(
          place, ": not a JSON object; expected {\"tokens\":[...]} or {\"text\":...}"));
    }
    TEMPER_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, Tokens(line, place));
    Add(std::move(tokens));
    if (static_cast<int64_t>(pending_.batch.tokens.size()) >= kRowsTogether) Flush();
    return absl::OkStatus();
  }

  // Scores and prints what waits.
  void Flush() {
    std::vector<float> logprobs(pending_.batch.prediction_rows.size());
    hybrid_.Score(weights_, pending_.batch, logprobs, {});
    size_t next = 0;
    for (const std::vector<int32_t>& tokens : pending_.lines) {
      const size_t count = tokens.empty() ? 0 : tokens.size() - 1;
      const auto first = logprobs.begin() + static_cast<std::ptrdiff_t>(next);
      const nlohmann::json result = {
          {"logprobs", std::vector<float>(first, first + static_cast<std::ptrdiff_t>(count))},
          {"tokens", tokens}};
      std::printf("%s\n", result.dump().c_str());
      next += count;
    }
    pending_ = {.batch = {.temperature = pending_.batch.temperature}};
  }

 private:
  absl::StatusOr<std::vector<int32_t>> Tokens(const nlohmann::json& line,
                                              const std::string& place) const {
    if (line.contains("tokens")) return CheckedTokens(line["tokens"], place);
    if (!line.contains("text") || !line["text"].is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": expected \"tokens\" (a list) or \"text\" (a string)"));
    }
    if (folder_.tokenizer == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(place, ": \"text\" needs a tokenizer, and ",
                                                     folder_.path,
                                                     " has no tokenizer.json; give \"tokens\""));
    }
    return folder_.tokenizer->Encode(line["text"].get<std::string>(),
                                     model::Tokenizer::Special::kParse,
                                     /*add_special_tokens=*/true);
  }

  absl::StatusOr<std::vector<int32_t>> CheckedTokens(const nlohmann::json& list,
                                                     const std::string& place) const {
    if (!list.is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(place, ": tokens: expected a list of ids"));
    }
    std::vector<int32_t> tokens;
    for (const nlohmann::json& token : list) {
      const bool whole = token.is_number_integer();
      const int64_t id = whole ? token.get<int64_t>() : -1;
      if (id < 0 || id >= folder_.config.vocab_size) {
        return absl::InvalidArgumentError(
            absl::StrCat(place, ": tokens[", tokens.size(), "]: found ", token.dump(),
                         ", expected an id from 0 to ", folder_.config.vocab_size - 1));
      }
      tokens.push_back(static_cast<int32_t>(id));
    }
    return tokens;
  }

  void Add(std::vector<int32_t> tokens) {
    model::PackedBatch& batch = pending_.batch;
    const int64_t begin = static_cast<int64_t>(batch.tokens.size());
    const int64_t length = static_cast<int64_t>(tokens.size());
    if (length > 0) batch.segments.push_back({.begin = begin, .length = length});
    for (int64_t i = 0; i + 1 < length; ++i) {
      batch.prediction_rows.push_back(static_cast<int32_t>(begin + i));
      batch.prediction_targets.push_back(tokens[i + 1]);
    }
    batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end());
    pending_.lines.push_back(std::move(tokens));
  }

  const model::ModelFolder& folder_;
  const model::Weights& weights_;
  model::HybridModel hybrid_;
  const std::string input_;
  Pending pending_;
};

absl::Status RunScore(const Choice& choice) {
  std::ifstream input(choice.input);
  if (!input) return absl::NotFoundError(absl::StrCat(choice.input, ": cannot be opened"));
  TEMPER_ASSIGN_OR_RETURN(const model::ModelFolder folder, model::OpenModelFolder(choice.folder));
  TEMPER_RETURN_IF_ERROR(model::CheckLanguageModel(folder.config, folder.path));
  const model::ParameterLayout layout(folder.config);
  TEMPER_ASSIGN_OR_RETURN(
      const std::unique_ptr<kernels::Device> device,
      kernels::OpenDevice({.name = choice.device, .threads = choice.threads}));
  TEMPER_ASSIGN_OR_RETURN(
      const std::unique_ptr<model::Weights> weights,
      model::Weights::Load(choice.folder, layout, *device, DtypeOf(choice.dtype)));
  Scorer scorer(folder, layout, *device, *weights, choice);
  std::string line;
  for (int64_t number = 1; std::getline(input, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    TEMPER_RETURN_IF_ERROR(scorer.Line(line, number));
  }
  if (input.bad()) return absl::InternalError(absl::StrCat(choice.input, ": reading failed"));
  scorer.Flush();
  return absl::OkStatus();
}

}  // namespace

void AddScore(CLI::App& program, Chosen& chosen) {
  CLI::App* verb = program.add_subcommand(
      "score",
      "Log-probabilities of given sequences.\nEach line {\"tokens\":[...]} or {\"text\":\"...\"} "
      "becomes {\"logprobs\":[...],\"tokens\":[...]}: entry i is log p(token i+1 given tokens "
      "0..i).");
  const auto choice = std::make_shared<Choice>();
  verb->add_option("model", choice->folder, "Model folder")->required();
  verb->add_option("--input", choice->input, "File of JSON lines")->required();
  verb->add_option("--temperature", choice->temperature, "Logits are divided by it")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  AddDevice(*verb, choice->device);
  verb->add_option("--threads", choice->threads, "Threads; default: one per core")
      ->check(CLI::Range(1, 1024));
  AddDtype(*verb, choice->dtype);
  verb->add_flag("--json", choice->json, "As always: one JSON document a line on stdout");
  verb->callback([choice, &chosen] {
    chosen = [choice] {
      const absl::Status status = RunScore(*choice);
      return status.ok() ? kDone : Report(status);
    };
  });
}

}  // namespace temper::cli
