// Makes conversations whole, has them encoded, lays them end to end.
#include "policy/learner/preference.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace temper::learner {
namespace {

using Json = nlohmann::ordered_json;
using temper::v1::PreferencePair;

// The conversation that the response answers; null: a plain text.
absl::StatusOr<Json> ConversationOf(const PreferencePair& pair, const std::string& name,
                                    const model::PromptEncoder& encoder) {
  if (!pair.chat_json().empty()) {
    TEMPER_ASSIGN_OR_RETURN(Json chat, ParseOrderedJson(pair.chat_json(), name));
    if (chat.is_object() && chat.contains("messages") && chat["messages"].is_array()) {
      const bool text = !encoder.has_template() && chat["messages"].size() == 1;
      return text ? Json() : chat;
    }
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": chat_json: expected {\"messages\": [...], ...}"));
  }
  if (!encoder.has_template()) return Json();
  return Json{{"messages", {{{"role", "user"}, {"content", pair.prompt()}}}}};
}

std::string WithResponse(Json chat, const std::string& response) {
  chat["messages"].push_back({{"role", "assistant"}, {"content", response}});
  return chat.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<Pair> EncodePair(const PreferencePair& pair, const std::string& name,
                                const model::PromptEncoder& encoder) {
  if (!(pair.weight() > 0) || !std::isfinite(pair.weight())) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": weight: found ", pair.weight(),
                                                   ", expected a finite number above 0"));
  }
  TEMPER_ASSIGN_OR_RETURN(const Json chat, ConversationOf(pair, name, encoder));
  Pair encoded{.weight = pair.weight()};
  for (const bool chosen : {true, false}) {
    const std::string& response = chosen ? pair.chosen() : pair.rejected();
    const std::string text = absl::StrCat(pair.prompt(), response);
    const std::string exchange = chat.is_null() ? "" : WithResponse(chat, response);
    TEMPER_ASSIGN_OR_RETURN(model::EncodedPrompt prompt,
                            encoder.ForMeasure({.id = name, .text = text, .chat_json = exchange}));
    (chosen ? encoded.chosen : encoded.rejected) = std::move(prompt.tokens);
  }
  return encoded;
}

void Append(const std::vector<int32_t>& tokens, model::PackedBatch& packed) {
  packed.segments.push_back({.begin = static_cast<int64_t>(packed.tokens.size()),
                             .length = static_cast<int64_t>(tokens.size()),
                             .position = 0});
  packed.tokens.insert(packed.tokens.end(), tokens.begin(), tokens.end());
}

}  // namespace

absl::StatusOr<std::vector<Pair>> EncodePairs(
    const google::protobuf::RepeatedPtrField<PreferencePair>& pairs,
    const model::PromptEncoder& encoder) {
  std::vector<Pair> encoded;
  encoded.reserve(pairs.size());
  for (const PreferencePair& pair : pairs) {
    const std::string name = absl::StrCat("pair ", encoded.size());
    TEMPER_ASSIGN_OR_RETURN(Pair one, EncodePair(pair, name, encoder));
    encoded.push_back(std::move(one));
  }
  return encoded;
}

std::vector<PairBatch> PackPairs(std::span<const Pair> pairs, int64_t tokens_max) {
  std::vector<PairBatch> batches;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const size_t tokens = pairs[i].chosen.size() + pairs[i].rejected.size();
    const bool fits = !batches.empty() && static_cast<int64_t>(batches.back().packed.tokens.size() +
                                                               tokens) <= tokens_max;
    if (!fits) batches.push_back({.packed = {}, .first = static_cast<int64_t>(i)});
    Append(pairs[i].chosen, batches.back().packed);
    Append(pairs[i].rejected, batches.back().packed);
  }
  return batches;
}

}  // namespace temper::learner
