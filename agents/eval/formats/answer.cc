// Writers above, readers below.
#include "agents/eval/formats/answer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/eval/formats/records.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;

int64_t TokensOf(const EvalAnswer& answer, size_t turn) {
  return turn < answer.token_lens.size() ? answer.token_lens[turn] : 0;
}

// The id as the question's file has it: a number stays one.
Json IdOf(const EvalQuestion& question, const char* key) {
  return question.raw.is_object() && question.raw.contains(key) ? question.raw[key]
                                                                : Json(question.id);
}

Json StyleOf(const EvalAnswer& answer) {
  return StyleToJson(CountStyle(answer.turns.front(), TokensOf(answer, 0)));
}

Json ArenaV01Record(const EvalQuestion& question, const EvalAnswer& answer) {
  Json turns = Json::array();
  for (size_t i = 0; i < answer.turns.size(); ++i) {
    turns.push_back({{"content", answer.turns[i]}, {"token_len", TokensOf(answer, i)}});
  }
  Json record = {{"question_id", IdOf(question, "question_id")},
                 {"answer_id", answer.answer_id},
                 {"model_id", answer.model},
                 {"choices", Json::array({{{"index", 0}, {"turns", turns}}})},
                 {"tstamp", answer.tstamp}};
  if (answer.turns.size() == 1) record["conv_metadata"] = StyleOf(answer);
  return record;
}

Json ArenaV2Record(const EvalQuestion& question, const EvalAnswer& answer) {
  Json messages = question.messages;
  messages.push_back({{"role", "assistant"}, {"content", {{"answer", answer.turns.front()}}}});
  return {{"uid", IdOf(question, "uid")}, {"ans_id", answer.answer_id},
          {"model", answer.model},        {"messages", messages},
          {"tstamp", answer.tstamp},      {"metadata", StyleOf(answer)}};
}

Json MtBenchRecord(const EvalQuestion& question, const EvalAnswer& answer) {
  return {{"question_id", IdOf(question, "question_id")},
          {"answer_id", answer.answer_id},
          {"model_id", answer.model},
          {"choices", Json::array({{{"index", 0}, {"turns", answer.turns}}})},
          {"tstamp", answer.tstamp}};
}

Json AlpacaRecord(const EvalQuestion& question, const EvalAnswer& answer) {
  Json record = {{"instruction", question.messages.back()["content"]},
                 {"output", answer.turns.front()},
                 {"generator", answer.model}};
  if (!question.category.empty()) record["dataset"] = question.category;
  return record;
}

Json WildBenchRecord(const EvalQuestion& question, const EvalAnswer& answer) {
  Json history = Json::array();
  for (const Json& message : question.messages) history.push_back(message["content"]);
  return {{"session_id", question.id}, {"chat_history", history},
          {"model_input", "n/a"},      {"output", Json::array({answer.turns.front()})},
          {"generator", answer.model}, {"dataset", "wild_bench"}};
}

// Readers.

absl::Status ReadChoices(const EvalRecord& record, EvalAnswer& answer) {
  const Json& choices = record.json["choices"];
  if (!choices.is_array() || choices.empty() || !choices[0].is_object() ||
      !choices[0].contains("turns") || !choices[0]["turns"].is_array()) {
    return RecordError(record, "\"choices\": expected [{\"turns\": [...]}]");
  }
  for (const Json& turn : choices[0]["turns"]) {
    const Json* text = turn.is_object() && turn.contains("content") ? &turn["content"] : &turn;
    if (!text->is_string()) {
      return RecordError(record, "\"choices\": a turn is neither a text nor {\"content\": text}");
    }
    answer.turns.push_back(text->get<std::string>());
    if (const std::optional<double> tokens = FiniteAt(turn, "token_len"); tokens.has_value()) {
      answer.token_lens.push_back(static_cast<int64_t>(*tokens));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadMessages(const EvalRecord& record, EvalAnswer& answer) {
  const Json& messages = record.json["messages"];
  if (!messages.is_array() || messages.empty() || !messages.back().is_object() ||
      !messages.back().contains("content")) {
    return RecordError(record, "\"messages\": expected an array that ends with the answer");
  }
  const Json& content = messages.back()["content"];
  const Json* text =
      content.is_object() && content.contains("answer") ? &content["answer"] : &content;
  if (!text->is_string()) {
    return RecordError(record,
                       "\"messages\": the last content is neither a text nor {\"answer\": "
                       "text}");
  }
  answer.turns.push_back(text->get<std::string>());
  return absl::OkStatus();
}

// "output": a text, or a list that begins with one.
absl::Status ReadOutput(const EvalRecord& record, EvalAnswer& answer) {
  const Json& output = record.json["output"];
  const Json* text = output.is_array() && !output.empty() ? &output[0] : &output;
  if (!text->is_string()) return RecordError(record, "\"output\": expected a text");
  answer.turns.push_back(text->get<std::string>());
  answer.model = TextOr(record.json, "generator");
  return absl::OkStatus();
}

absl::Status ReadAnswer(const EvalRecord& record, size_t index, EvalAnswer& answer) {
  const Json& json = record.json;
  answer.tstamp = FiniteAt(json, "tstamp").value_or(0);
  if (Has(json, {"uid", "messages"})) {
    TEMPER_ASSIGN_OR_RETURN(answer.question_id, TextAt(record, "uid"));
    answer.answer_id = TextOr(json, "ans_id");
    answer.model = TextOr(json, "model");
    if (json.contains("metadata")) answer.style = StyleFromJson(json["metadata"]);
    TEMPER_RETURN_IF_ERROR(ReadMessages(record, answer));
  } else if (Has(json, {"question_id", "choices"})) {
    TEMPER_ASSIGN_OR_RETURN(answer.question_id, TextAt(record, "question_id"));
    answer.answer_id = TextOr(json, "answer_id");
    answer.model = TextOr(json, "model_id");
    if (json.contains("conv_metadata")) answer.style = StyleFromJson(json["conv_metadata"]);
    TEMPER_RETURN_IF_ERROR(ReadChoices(record, answer));
  } else if (Has(json, {"session_id", "output"})) {
    TEMPER_ASSIGN_OR_RETURN(answer.question_id, TextAt(record, "session_id"));
    TEMPER_RETURN_IF_ERROR(ReadOutput(record, answer));
  } else if (Has(json, {"instruction", "output"})) {
    answer.question_id = absl::StrCat(index);
    TEMPER_RETURN_IF_ERROR(ReadOutput(record, answer));
  } else if (Has(json, {"id", "response"})) {
    TEMPER_ASSIGN_OR_RETURN(answer.question_id, TextAt(record, "id"));
    TEMPER_ASSIGN_OR_RETURN(const std::string response, TextAt(record, "response"));
    answer.turns.push_back(response);
    answer.model = TextOr(json, "generator");
  } else {
    return RecordError(record,
                       absl::StrCat("the keys ", KeysOf(json), " are of no known file of answers"));
  }
  if (answer.turns.empty()) return RecordError(record, "an answer without a turn");
  if (answer.style.has_value() && answer.token_lens.empty()) {
    answer.token_lens = {answer.style->token_len};
  }
  return absl::OkStatus();
}

}  // namespace

nlohmann::ordered_json AnswerRecord(EvalFormat format, const EvalQuestion& question,
                                    const EvalAnswer& answer) {
  TEMPER_CHECK(!answer.turns.empty() && answer.question_id == question.id);
  switch (format) {
    case EvalFormat::kArenaHardV01:
      return ArenaV01Record(question, answer);
    case EvalFormat::kArenaHardV2:
      return ArenaV2Record(question, answer);
    case EvalFormat::kMtBench:
      return MtBenchRecord(question, answer);
    case EvalFormat::kAlpacaEval:
      return AlpacaRecord(question, answer);
    case EvalFormat::kWildBench:
      return WildBenchRecord(question, answer);
    case EvalFormat::kHelpSteer3:
      return {{"id", question.id},
              {"context", question.messages},
              {"response", answer.turns.front()},
              {"generator", answer.model}};
  }
  return nullptr;
}

std::string AnswerFile(EvalFormat format, const std::vector<nlohmann::ordered_json>& records) {
  const bool array = format == EvalFormat::kAlpacaEval || format == EvalFormat::kWildBench;
  return array ? ToArray(records) : ToLines(records);
}

absl::StatusOr<std::vector<EvalAnswer>> ReadAnswers(std::string_view text,
                                                    const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<EvalRecord> records, ReadRecords(text, path));
  std::vector<EvalAnswer> answers;
  for (size_t i = 0; i < records.size(); ++i) {
    EvalAnswer answer;
    TEMPER_RETURN_IF_ERROR(ReadAnswer(records[i], i, answer));
    answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace temper::agents
