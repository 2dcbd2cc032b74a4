// One reader a format; each fills messages and names.
#include "agents/eval/formats/question.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/eval/formats/records.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::pair<EvalFormat, std::string_view> kNames[] = {
    {EvalFormat::kArenaHardV01, "arena_hard_v01"},
    {EvalFormat::kArenaHardV2, "arena_hard_v2"},
    {EvalFormat::kMtBench, "mt_bench"},
    {EvalFormat::kAlpacaEval, "alpaca_eval"},
    {EvalFormat::kWildBench, "wild_bench"},
    {EvalFormat::kHelpSteer3, "help_steer_3"},
};

std::optional<EvalFormat> Detect(const Json& json) {
  if (Has(json, {"uid", "prompt"})) return EvalFormat::kArenaHardV2;
  if (Has(json, {"question_id", "turns"}) && json["turns"].is_array() && !json["turns"].empty()) {
    return json["turns"][0].is_string() ? EvalFormat::kMtBench : EvalFormat::kArenaHardV01;
  }
  if (Has(json, {"session_id", "conversation_input"})) return EvalFormat::kWildBench;
  if (Has(json, {"context"}) && json["context"].is_array()) return EvalFormat::kHelpSteer3;
  if (Has(json, {"instruction"})) return EvalFormat::kAlpacaEval;
  return std::nullopt;
}

Json UserTurn(const std::string& text) { return {{"role", "user"}, {"content", text}}; }

// "turns": texts, or objects with "content".
absl::Status ReadTurns(const EvalRecord& record, EvalQuestion& question) {
  const auto at = record.json.find("turns");
  if (at == record.json.end() || !at->is_array() || at->empty()) {
    return RecordError(record, "\"turns\": expected an array with at least one turn");
  }
  std::vector<std::string> turns;
  for (const Json& turn : *at) {
    const bool whole = turn.is_object() && turn.contains("content") && turn["content"].is_string();
    if (!turn.is_string() && !whole) {
      return RecordError(record, "\"turns\": a turn is neither a text nor {\"content\": text}");
    }
    turns.push_back((turn.is_string() ? turn : turn["content"]).get<std::string>());
  }
  question.messages = Json::array({UserTurn(turns.front())});
  question.later_turns.assign(turns.begin() + 1, turns.end());
  return absl::OkStatus();
}

// Messages that somebody else wrote: roles and texts, the last one the user's.
absl::Status ReadConversation(const EvalRecord& record, const char* key, EvalQuestion& question) {
  const auto at = record.json.find(key);
  if (at == record.json.end() || !at->is_array() || at->empty()) {
    return RecordError(record, absl::StrCat("\"", key, "\": expected an array of messages"));
  }
  question.messages = Json::array();
  for (const Json& message : *at) {
    const std::string role = TextOr(message, "role");
    if (role.empty() || !message.contains("content") || !message["content"].is_string()) {
      return RecordError(record, absl::StrCat("\"", key,
                                              "\": a message without a \"role\" and a text as "
                                              "\"content\""));
    }
    question.messages.push_back({{"role", role}, {"content", message["content"]}});
  }
  if (question.messages.back()["role"] != "user") {
    return RecordError(record, absl::StrCat("\"", key, "\": the last message is not the user's"));
  }
  return absl::OkStatus();
}

void ReadReferences(const Json& json, EvalQuestion& question) {
  const auto at = json.find("reference");
  if (at == json.end() || !at->is_array()) return;
  for (const Json& text : *at) {
    if (text.is_string()) question.references.push_back(text.get<std::string>());
  }
}

absl::Status ReadQuestion(const EvalRecord& record, EvalFormat format, size_t index,
                          EvalQuestion& question) {
  const Json& json = record.json;
  question.category = TextOr(json, "category");
  switch (format) {
    case EvalFormat::kArenaHardV01:
    case EvalFormat::kMtBench: {
      TEMPER_ASSIGN_OR_RETURN(question.id, TextAt(record, "question_id"));
      question.subcategory = TextOr(json, "cluster");
      ReadReferences(json, question);
      return ReadTurns(record, question);
    }
    case EvalFormat::kArenaHardV2: {
      TEMPER_ASSIGN_OR_RETURN(question.id, TextAt(record, "uid"));
      TEMPER_ASSIGN_OR_RETURN(const std::string prompt, TextAt(record, "prompt"));
      question.subcategory = TextOr(json, "subcategory");
      if (question.subcategory.empty()) question.subcategory = TextOr(json, "cluster");
      question.messages = Json::array({UserTurn(prompt)});
      return absl::OkStatus();
    }
    case EvalFormat::kAlpacaEval: {
      TEMPER_ASSIGN_OR_RETURN(const std::string instruction, TextAt(record, "instruction"));
      question.id = absl::StrCat(index);
      question.category = TextOr(json, "dataset");
      question.messages = Json::array({UserTurn(instruction)});
      return absl::OkStatus();
    }
    case EvalFormat::kWildBench: {
      TEMPER_ASSIGN_OR_RETURN(question.id, TextAt(record, "session_id"));
      question.category = TextOr(json, "primary_tag");
      return ReadConversation(record, "conversation_input", question);
    }
    case EvalFormat::kHelpSteer3: {
      question.id = TextOr(json, "id");
      if (question.id.empty()) question.id = absl::StrCat(index);
      question.category = TextOr(json, "domain");
      question.subcategory = TextOr(json, "language");
      return ReadConversation(record, "context", question);
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view EvalFormatName(EvalFormat format) {
  for (const auto& [each, name] : kNames) {
    if (each == format) return name;
  }
  return "";
}

absl::StatusOr<EvalFormat> ParseEvalFormat(std::string_view name) {
  std::string names;
  for (const auto& [format, each] : kNames) {
    if (each == name) return format;
    absl::StrAppend(&names, names.empty() ? "" : ", ", std::string(each));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown format \"", std::string(name), "\", expected one of ", names));
}

absl::StatusOr<EvalQuestions> ReadQuestions(std::string_view text, const std::string& path,
                                            std::optional<EvalFormat> format) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<EvalRecord> records, ReadRecords(text, path));
  if (!format.has_value()) format = Detect(records.front().json);
  if (!format.has_value()) {
    return RecordError(records.front(),
                       absl::StrCat("the keys ", KeysOf(records.front().json),
                                    " are of no known format: arena_hard_v01 has question_id and "
                                    "turns of objects, arena_hard_v2 uid and prompt, mt_bench "
                                    "question_id and turns of texts, alpaca_eval instruction, "
                                    "wild_bench session_id and conversation_input, help_steer_3 "
                                    "context"));
  }
  EvalQuestions result{*format, {}};
  std::set<std::string> ids;
  for (size_t i = 0; i < records.size(); ++i) {
    EvalQuestion question;
    TEMPER_RETURN_IF_ERROR(ReadQuestion(records[i], *format, i, question));
    if (!ids.insert(question.id).second) {
      return RecordError(records[i], absl::StrCat("the id \"", question.id, "\" stands twice"));
    }
    question.raw = records[i].json;
    result.questions.push_back(std::move(question));
  }
  return result;
}

}  // namespace temper::agents
