// `temper verify`: scores answers offline, one line in, one line out.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/json_config.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/verbs.h"
#include "reward/answer_verifier.h"
#include "reward/registry.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::cli {
namespace {

struct VerifyArguments {
  std::string verifier;
  std::string config;
  std::string input;
  bool json = true;
};

// The text under `key`, a number as it is written in JSON; empty when the key is absent. Anything
// else is refused.
absl::StatusOr<std::optional<std::string>> Text(const nlohmann::json& line, const char* key,
                                                const std::string& place) {
  const auto found = line.find(key);
  if (found == line.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number()) return found->dump();
  return absl::InvalidArgumentError(absl::StrCat(place, ": ", key, ": found ", found->type_name(),
                                                 ", expected a string or a number"));
}

absl::StatusOr<reward::Judgement> JudgeLine(std::string_view text, const std::string& place,
                                            bool compares, const reward::Verifier& verifier) {
  TEMPER_ASSIGN_OR_RETURN(const nlohmann::json line, ParseJson(text, place));
  if (!line.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(place, ": found ", line.type_name(), ", expected an object"));
  }
  TEMPER_ASSIGN_OR_RETURN(const std::optional<std::string> gold, Text(line, "gold", place));
  TEMPER_ASSIGN_OR_RETURN(const std::optional<std::string> answer, Text(line, "answer", place));
  TEMPER_ASSIGN_OR_RETURN(const std::optional<std::string> response, Text(line, "response", place));
  if (compares && (!gold.has_value() || answer.has_value() == response.has_value())) {
    return absl::InvalidArgumentError(absl::StrCat(
        place, R"(: expected {"gold": ..., "answer": ...} or {"gold": ..., "response": ...})"));
  }
  if (!compares && !response.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(place, R"(: expected {"response": ...})"));
  }
  if (answer.has_value() && compares) return reward::CompareAnswers(*gold, *answer);
  auto judgement = verifier.Judge({.text = *response, .gold = gold.value_or("")});
  if (judgement.ok()) return judgement;
  return absl::Status(judgement.status().code(),
                      absl::StrCat(place, ": ", std::string(judgement.status().message())));
}

absl::Status VerifyFile(const VerifyArguments& arguments) {
  temper::v1::RubricPart part;
  if (!arguments.config.empty()) {
    TEMPER_ASSIGN_OR_RETURN(const std::string config, ReadFile(arguments.config));
    TEMPER_RETURN_IF_ERROR(ParseJsonConfig(config, arguments.config, part));
  }
  part.set_verifier(arguments.verifier);
  auto verifier = reward::MakeVerifier(part);
  if (!verifier.ok()) {
    const std::string place =
        arguments.config.empty() ? "--" : absl::StrCat(arguments.config, ": ");
    return absl::InvalidArgumentError(
        absl::StrCat(place, std::string(verifier.status().message())));
  }
  TEMPER_ASSIGN_OR_RETURN(const std::string input, ReadFile(arguments.input));
  std::string_view rest = input;
  for (int number = 1; !rest.empty(); ++number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    TEMPER_ASSIGN_OR_RETURN(const reward::Judgement judgement,
                            JudgeLine(line, absl::StrCat(arguments.input, ":", number),
                                      arguments.verifier == "answer", **verifier));
    const nlohmann::ordered_json shown = {{"verdict", judgement.verdict},
                                          {"score", judgement.score},
                                          {"reason", judgement.reason}};
    std::printf("%s\n", shown.dump().c_str());
  }
  return absl::OkStatus();
}

}  // namespace

void AddVerify(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<VerifyArguments>();
  CLI::App* verb = program.add_subcommand("verify", "Score answers offline, as a run would");
  verb->add_option("--verifier", arguments->verifier, "answer or format (docs/verifiers.md)")
      ->required();
  verb->add_option("--config", arguments->config,
                   "JSON file with the verifier's settings, e.g. {\"extract\": \"boxed\"} or "
                   "{\"pattern\": \"...\"}");
  verb->add_option(
          "--input", arguments->input,
          "JSON lines: {\"gold\", \"answer\"} or {\"gold\", \"response\"}; format: {\"response\"}. "
          "/dev/stdin reads a pipe")
      ->required();
  verb->add_flag("--json", arguments->json, "Changes nothing: the output is JSON lines anyway");
  verb->footer(
      "Prints {\"verdict\": \"equal\"|\"not_equal\"|\"undecided\", \"score\": 0..1, \"reason\": "
      "...} for each line.");
  verb->callback(
      [arguments, &chosen] { chosen = [arguments] { return Report(VerifyFile(*arguments)); }; });
}

}  // namespace temper::cli
