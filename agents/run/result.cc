// Results as bytes: CBOR of a flat object, numbers of tokens as byte strings.
#include "agents/run/result.h"

#include <cstring>

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json Array(const std::vector<T>& numbers) {
  std::vector<uint8_t> bytes(numbers.size() * sizeof(T));
  if (!numbers.empty()) std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return Json::binary(std::move(bytes));
}

template <class T>
bool ReadArray(const Json& object, const char* key, std::vector<T>& numbers) {
  const auto found = object.find(key);
  if (found == object.end()) return true;
  if (!found->is_binary() || found->get_binary().size() % sizeof(T) != 0) return false;
  const auto& bytes = found->get_binary();
  numbers.resize(bytes.size() / sizeof(T));
  if (!numbers.empty()) std::memcpy(numbers.data(), bytes.data(), bytes.size());
  return true;
}

bool ReadText(const Json& object, const char* key, std::string& text) {
  const auto found = object.find(key);
  if (found == object.end()) return true;
  if (!found->is_string()) return false;
  text = found->get<std::string>();
  return true;
}

bool ReadNumber(const Json& object, const char* key, int64_t& number) {
  const auto found = object.find(key);
  if (found == object.end()) return true;
  if (!found->is_number_integer()) return false;
  number = found->get<int64_t>();
  return true;
}

bool ReadFirstToken(const Json& object, Result& result) {
  const auto found = object.find("first");
  if (found == object.end()) return true;
  if (!found->is_array()) return false;
  for (const Json& pair : *found) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_number()) {
      return false;
    }
    result.first_token.emplace_back(pair[0].get<std::string>(), pair[1].get<double>());
  }
  return true;
}

}  // namespace

std::string ToBytes(const Result& result) {
  Json object = Json::object();
  // What is empty is left out: most results are a text.
  if (!result.text.empty()) object["text"] = result.text;
  if (!result.reasoning.empty()) object["reasoning"] = result.reasoning;
  if (!result.finish_reason.empty()) object["finish"] = result.finish_reason;
  if (!result.prompt_tokens.empty()) object["prompt_tokens"] = Array(result.prompt_tokens);
  if (!result.tokens.empty()) object["tokens"] = Array(result.tokens);
  if (!result.logprobs.empty()) object["logprobs"] = Array(result.logprobs);
  if (result.version >= 0) object["version"] = result.version;
  if (result.score.has_value()) object["score"] = *result.score;
  if (!result.value.is_null()) object["value"] = result.value;
  for (const auto& [token, logprob] : result.first_token) {
    object["first"].push_back(Json::array({token, logprob}));
  }
  if (result.usage.tokens_in != 0) object["in"] = result.usage.tokens_in;
  if (result.usage.tokens_out != 0) object["out"] = result.usage.tokens_out;
  if (result.usage.estimated) object["estimated"] = true;
  const std::vector<uint8_t> bytes = Json::to_cbor(object);
  return std::string(bytes.begin(), bytes.end());
}

absl::Status FromBytes(std::string_view bytes, Result& result) {
  const Json object = Json::from_cbor(bytes.begin(), bytes.end(), /*strict=*/true,
                                      /*allow_exceptions=*/false);
  const absl::Status damaged = absl::DataLossError("a recorded result cannot be read");
  if (!object.is_object()) return damaged;
  result = Result{};
  int64_t tokens_in = 0, tokens_out = 0;
  const bool read =
      ReadText(object, "text", result.text) && ReadText(object, "reasoning", result.reasoning) &&
      ReadText(object, "finish", result.finish_reason) &&
      ReadArray(object, "prompt_tokens", result.prompt_tokens) &&
      ReadArray(object, "tokens", result.tokens) &&
      ReadArray(object, "logprobs", result.logprobs) &&
      ReadNumber(object, "version", result.version) && ReadNumber(object, "in", tokens_in) &&
      ReadNumber(object, "out", tokens_out) && ReadFirstToken(object, result);
  if (!read) return damaged;
  if (const auto score = object.find("score"); score != object.end()) {
    if (!score->is_number()) return damaged;
    result.score = score->get<double>();
  }
  if (const auto value = object.find("value"); value != object.end()) result.value = *value;
  result.usage = {
      .tokens_in = tokens_in, .tokens_out = tokens_out, .estimated = object.contains("estimated")};
  return absl::OkStatus();
}

}  // namespace temper::agents
