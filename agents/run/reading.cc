// Items as texts, conversations, numbers.
#include "agents/run/reading.h"

#include "absl/strings/str_cat.h"
#include "agents/run/execution.h"
#include "agents/run/node_work.h"
#include "base/utf8.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;

std::string TextOfJson(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const Json* FieldOf(const Json& value, const std::vector<std::string>& fields) {
  const Json* at = &value;
  for (const std::string& field : fields) {
    if (!at->is_object()) return nullptr;
    const auto found = at->find(field);
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

Operand OperandOfJson(const Json& value) {
  if (value.is_number()) return {.value = value.get<double>()};
  if (value.is_boolean()) return {.value = value.get<bool>()};
  if (value.is_null()) return {};
  if (value.is_array()) {
    Operand::List list;
    for (const Json& one : value) list.push_back(OperandOfJson(one));
    return {.value = std::move(list)};
  }
  return {.value = TextOfJson(value)};
}

}  // namespace

std::string TextOf(const Item& item, const std::vector<std::string>& fields) {
  if (!item.present()) return "";
  const Result& result = item.candidate->result;
  if (fields.empty()) {
    if (!item.candidate->conversation.is_null()) return TextOfJson(item.candidate->conversation);
    return result.value.is_null() ? result.text : TextOfJson(result.value);
  }
  if (!result.value.is_null()) {
    const Json* field = FieldOf(result.value, fields);
    return field == nullptr ? "" : TextOfJson(*field);
  }
  if (fields.front() == "text") return result.text;
  if (fields.front() == "reasoning") return result.reasoning;
  if (fields.front() == "finish") return result.finish_reason;
  if (fields.front() == "score" && item.score.has_value()) return absl::StrCat(*item.score);
  return "";
}

Operand OperandOf(const Item& item, const std::vector<std::string>& fields) {
  if (!item.present()) return {};
  const Result& result = item.candidate->result;
  if (!result.value.is_null()) {
    const Json* field = FieldOf(result.value, fields);
    return field == nullptr ? Operand{} : OperandOfJson(*field);
  }
  if (!fields.empty() && fields.front() == "score") {
    return item.score.has_value() ? Operand{.value = *item.score} : Operand{};
  }
  if (!fields.empty() && fields.front() == "tokens") {
    return {.value = static_cast<double>(result.usage.tokens_out)};
  }
  return {.value = TextOf(item, fields), .score = item.score};
}

PromptValue PromptReader::Get(const Reference& reference) const {
  const Target& target = reference.choices.front().target;
  if (target.kind == Target::Kind::kCandidate) {
    return {.value = candidates_.at(static_cast<size_t>(target.index))};
  }
  const Reading reading = execution_.Read(reference, reader_, point_);
  if (reading.state != Reading::State::kPresent) {
    if (reading.list) return {.value = std::vector<std::string>()};
    return {};
  }
  const std::vector<std::string>& fields = reading.choice->fields;
  if (reading.list) {
    std::vector<std::string> texts;
    for (const Item* item : reading.items) texts.push_back(TextOf(*item, fields));
    return {.value = std::move(texts)};
  }
  if (!fields.empty() && reading.instance != nullptr && reading.instance->fields.is_object()) {
    if (const Json* field = FieldOf(reading.instance->fields, fields); field != nullptr) {
      return {.value = TextOfJson(*field)};
    }
  }
  const Item& item = *reading.items.front();
  if (fields.empty() && !item.candidate->conversation.is_null()) {
    return {.value = item.candidate->conversation};
  }
  // A list that came in as one value: an input, or what a tool said.
  if (const Json* value = FieldOf(item.candidate->result.value, fields);
      value != nullptr && value->is_array()) {
    std::vector<std::string> texts;
    for (const Json& one : *value) texts.push_back(TextOfJson(one));
    return {.value = std::move(texts)};
  }
  return {.value = TextOf(item, fields)};
}

Operand ExpressionReader::Get(const Reference& reference) const {
  if (reference.choices.front().target.kind == Target::Kind::kCandidate) {
    if (it_ == nullptr) return {};
    return OperandOf(*it_, reference.choices.front().fields);
  }
  const Reading reading = execution_.ReadAs(reference, axes_, point_, /*partial=*/true);
  if (reading.list) {
    // Also while more may come: a condition of `enough` counts what is there.
    Operand::List list;
    for (const Item* item : reading.items) {
      list.push_back(OperandOf(*item, reading.choice->fields));
    }
    return {.value = std::move(list)};
  }
  if (reading.items.empty()) return {};
  const std::vector<std::string>& fields = reading.choice->fields;
  if (!fields.empty() && reading.instance != nullptr && reading.instance->fields.is_object()) {
    if (const Json* field = FieldOf(reading.instance->fields, fields); field != nullptr) {
      return OperandOfJson(*field);
    }
  }
  return OperandOf(*reading.items.front(), fields);
}

Operand ExpressionReader::Builtin(std::string_view name) const {
  for (const auto& [own, value] : builtins_) {
    if (own == name) return value;
  }
  const Spent spent = execution_.spent();
  if (name == "spent.tokens") return {.value = spent.tokens};
  if (name == "spent.usd") return {.value = spent.usd};
  if (name == "spent.seconds") return {.value = spent.seconds};
  if (name == "spent.calls") return {.value = spent.calls};
  return {};
}

}  // namespace temper::agents
