// Names in, verdicts out.
#include "agents/eval/formats/wild_bench.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/eval/formats/records.h"
#include "agents/select/judgement/reply_text.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;

absl::StatusOr<Verdict> VerdictOf(const EvalRecord& record, const WildBenchPair& pair) {
  TEMPER_ASSIGN_OR_RETURN(const std::string winner, TextAt(record, "winner"));
  if (winner == "tie") return Verdict::kTie;
  const double extent = FiniteAt(record.json, "extent").value_or(0);
  if (extent != 1 && extent != 2) {
    return RecordError(record, "\"extent\": expected 1 or 2 for a winner");
  }
  if (winner == pair.model_a) return extent == 2 ? Verdict::kAMuchBetter : Verdict::kABetter;
  if (winner == pair.model_b) return extent == 2 ? Verdict::kBMuchBetter : Verdict::kBBetter;
  return RecordError(record, absl::StrCat("\"winner\": found ", HeadOf(winner),
                                          ", expected model_A's or model_B's name, or \"tie\""));
}

}  // namespace

Json WildBenchPairRecord(const WildBenchPair& pair) {
  TEMPER_CHECK(pair.verdict.has_value());
  const Verdict verdict = *pair.verdict;
  const bool a = verdict == Verdict::kABetter || verdict == Verdict::kAMuchBetter;
  const bool much = verdict == Verdict::kAMuchBetter || verdict == Verdict::kBMuchBetter;
  const bool tie = verdict == Verdict::kTie;
  return {{"session_id", pair.session_id},
          {"parsed_result", pair.parsed_result},
          {"model_A", pair.model_a},
          {"model_B", pair.model_b},
          {"winner", tie ? "tie"
                     : a ? pair.model_a
                         : pair.model_b},
          {"extent", tie    ? 0
                     : much ? 2
                            : 1},
          {"model_outputs", {{pair.model_a, pair.output_a}, {pair.model_b, pair.output_b}}}};
}

absl::StatusOr<std::vector<WildBenchPair>> ReadWildBenchPairs(std::string_view text,
                                                              const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<EvalRecord> records, ReadRecords(text, path));
  std::vector<WildBenchPair> pairs;
  for (const EvalRecord& record : records) {
    WildBenchPair pair;
    TEMPER_ASSIGN_OR_RETURN(pair.session_id, TextAt(record, "session_id"));
    TEMPER_ASSIGN_OR_RETURN(pair.model_a, TextAt(record, "model_A"));
    TEMPER_ASSIGN_OR_RETURN(pair.model_b, TextAt(record, "model_B"));
    TEMPER_ASSIGN_OR_RETURN(pair.verdict, VerdictOf(record, pair));
    if (record.json.contains("model_outputs")) {
      pair.output_a = TextOr(record.json["model_outputs"], pair.model_a.c_str());
      pair.output_b = TextOr(record.json["model_outputs"], pair.model_b.c_str());
    }
    if (record.json.contains("parsed_result")) pair.parsed_result = record.json["parsed_result"];
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

Json WildBenchGradeRecord(const WildBenchGrade& grade) {
  TEMPER_CHECK(grade.score.has_value());
  return {{"session_id", grade.session_id},
          {"parsed_result", grade.parsed_result},
          {"model_test", grade.model},
          {"score", *grade.score},
          {"model_output", grade.output}};
}

absl::StatusOr<std::vector<WildBenchGrade>> ReadWildBenchGrades(std::string_view text,
                                                                const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<EvalRecord> records, ReadRecords(text, path));
  std::vector<WildBenchGrade> grades;
  for (const EvalRecord& record : records) {
    WildBenchGrade grade;
    TEMPER_ASSIGN_OR_RETURN(grade.session_id, TextAt(record, "session_id"));
    grade.model = TextOr(record.json, "model_test");
    grade.output = TextOr(record.json, "model_output");
    TEMPER_ASSIGN_OR_RETURN(const std::string score, TextAt(record, "score"));
    grade.score = ReadDecimal(score);
    if (grade.score.has_value() && (*grade.score < 1 || *grade.score > 10)) grade.score.reset();
    if (record.json.contains("parsed_result")) grade.parsed_result = record.json["parsed_result"];
    grades.push_back(std::move(grade));
  }
  return grades;
}

std::string_view WildBenchGroup(std::string_view tag) {
  static constexpr std::pair<std::string_view, std::string_view> kGroups[] = {
      {"Information seeking", "Information/Advice seeking"},
      {"Advice seeking", "Information/Advice seeking"},
      {"Reasoning", "Planning & Reasoning"},
      {"Planning", "Planning & Reasoning"},
      {"Coding & Debugging", "Coding & Debugging"},
      {"Math", "Math & Data Analysis"},
      {"Data Analysis", "Math & Data Analysis"},
      {"Creative Writing", "Creative Tasks"},
      {"Editing", "Creative Tasks"},
      {"Brainstorming", "Creative Tasks"},
      {"Role playing", "Creative Tasks"},
      {"Others", "Creative Tasks"},
  };
  for (const auto& [name, group] : kGroups) {
    if (name == tag) return group;
  }
  return "";
}

std::vector<std::string> WildBenchGroups(const Json& question) {
  std::vector<std::string> groups;
  const auto add = [&groups](std::string_view tag) {
    const std::string_view group = WildBenchGroup(tag);
    if (!group.empty()) groups.emplace_back(group);
  };
  add(TextOr(question, "primary_tag"));
  if (question.is_object() && question.contains("secondary_tags")) {
    for (const Json& tag : question["secondary_tags"]) {
      if (tag.is_string()) add(tag.get_ref<const std::string&>());
    }
  }
  return groups;
}

}  // namespace temper::agents
