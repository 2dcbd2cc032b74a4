// Reads the instructions first, all of them: a bad one is told whatever the response is.
#include "reward/instruction/instruction_verifier.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "reward/answer_extractor.h"
#include "reward/instruction/instruction.h"
#include "reward/text/code_points.h"
#include "reward/text/metadata.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

constexpr size_t kInstructionsMax = 64;

struct Named {
  std::string id;
  InstructionCheck check;
};

absl::StatusOr<std::vector<Named>> ReadInstructions(std::string_view text) {
  TEMPER_ASSIGN_OR_RETURN(const nlohmann::json metadata, ParseMetadata(text));
  const nlohmann::json* listed = FindKey(metadata, {"instruction_id_list"});
  const nlohmann::json none;
  if (listed == nullptr) listed = &none;
  TEMPER_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                          ReadStrings(*listed, "instruction_id_list"));
  if (ids.empty() || ids.size() > kInstructionsMax) {
    return WrongValue("instruction_id_list", *listed,
                      absl::StrCat("1 to ", kInstructionsMax, " instructions"));
  }
  const nlohmann::json* kwargs = FindKey(metadata, {"kwargs"});
  const bool fits = kwargs == nullptr || (kwargs->is_array() && kwargs->size() == ids.size());
  if (!fits) return WrongValue("kwargs", *kwargs, "a list with an object for each instruction");
  std::vector<Named> instructions;
  for (size_t i = 0; i < ids.size(); ++i) {
    TEMPER_ASSIGN_OR_RETURN(InstructionCheck check,
                            MakeInstruction(ids[i], kwargs == nullptr ? none : (*kwargs)[i],
                                            absl::StrCat("metadata.kwargs[", i, "]")));
    instructions.push_back({ids[i], std::move(check)});
  }
  return instructions;
}

// What is judged: the thought is not part of what was asked for.
std::u32string Said(std::string_view text) {
  const bool thinks = text.find("<think>") != text.npos || text.find("</think>") != text.npos;
  return Decoded(thinks ? WithoutThinking(text) : std::string(text));
}

}  // namespace

std::vector<std::u32string> Readings(std::u32string_view response, bool loose) {
  std::vector<std::u32string> readings = {std::u32string(response)};
  if (loose) {
    const size_t first = response.find(U'\n');
    const size_t last = response.rfind(U'\n');
    const bool one_line = first == response.npos;
    const auto add = [&](std::u32string_view piece) { readings.emplace_back(Stripped(piece)); };
    if (!one_line) {
      add(response.substr(first + 1));
      add(response.substr(0, last));
      if (last > first) add(response.substr(first + 1, last - first - 1));
    }
    const size_t plain = readings.size();
    for (size_t i = 0; i < plain; ++i) readings.push_back(Replaced(readings[i], U"*", U""));
  }
  readings.erase(std::remove_if(readings.begin(), readings.end(),
                                [](const std::u32string& r) { return Stripped(r).empty(); }),
                 readings.end());
  return readings;
}

absl::StatusOr<std::unique_ptr<const Verifier>> InstructionVerifier::Create(
    const temper::v1::InstructionOptions& options) {
  if (!options.mode().empty() && options.mode() != "strict" && options.mode() != "loose") {
    return absl::InvalidArgumentError(absl::StrCat(
        "instruction.mode: found ", Quoted(options.mode()), ", expected strict or loose"));
  }
  return std::unique_ptr<const Verifier>(
      new InstructionVerifier(options.mode() == "loose", options.fraction()));
}

absl::StatusOr<Judgement> InstructionVerifier::Judge(const Response& response) const {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Named> instructions,
                          ReadInstructions(response.metadata));
  const std::vector<std::u32string> readings = Readings(Said(response.text), loose_);
  nlohmann::json followed = nlohmann::json::array();
  size_t count = 0;
  std::string missed;
  for (const Named& instruction : instructions) {
    const bool follows =
        std::any_of(readings.begin(), readings.end(),
                    [&](const std::u32string& reading) { return instruction.check(reading); });
    followed.push_back(follows);
    count += follows ? 1 : 0;
    if (!follows && missed.empty()) missed = instruction.id;
  }
  const bool all = count == instructions.size();
  const double share = static_cast<double>(count) / static_cast<double>(instructions.size());
  std::string reason = absl::StrCat(count, " of ", instructions.size(), " instructions followed");
  if (!all) absl::StrAppend(&reason, "; not ", missed);
  const nlohmann::json details = {{"mode", loose_ ? "loose" : "strict"}, {"followed", followed}};
  return Judgement{std::string(all ? kEqual : kNotEqual), all ? 1.0 : (fraction_ ? share : 0.0),
                   std::move(reason), details.dump()};
}

}  // namespace temper::reward
