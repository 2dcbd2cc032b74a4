// Reads what happens to tokens: the post-processor, and the decoder that makes text of them.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "nlohmann/json.hpp"
#include "policy/model/tokenizer/tables.h"

namespace temper::model {
namespace {

using Json = nlohmann::json;

// Appends the ids of one special token of a template.
absl::Status ParseSpecial(const JsonAt& piece, const JsonAt& specials,
                          const TokenizerTables& tables, std::vector<int32_t>& tokens) {
  TEMPER_ASSIGN_OR_RETURN(const std::string name, TextAt(piece["SpecialToken"], "id"));
  const JsonAt special{specials[name.c_str()].value,
                       absl::StrCat(specials.path, "[", Quoted(name), "]")};
  const JsonAt ids = special["ids"];
  TEMPER_ASSIGN_OR_RETURN(const size_t size, SizeAt(ids, kStepsMax, "the ids of a special token"));
  for (size_t i = 0; i < size; ++i) {
    const Json& id = ids[i].value;
    const auto vocab_size = static_cast<uint64_t>(tables.detokenizer.size());
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= vocab_size) {
      return WrongAt(ids, "", "ids of the vocabulary");
    }
    tokens.push_back(id.get<int32_t>());
  }
  return absl::OkStatus();
}

absl::Status ParseTemplate(const JsonAt& at, TokenizerTables& tables) {
  if (!tables.before.empty() || !tables.after.empty()) {
    return WrongAt(at, "type", "one TemplateProcessing");
  }
  const JsonAt single = at["single"];
  TEMPER_ASSIGN_OR_RETURN(const size_t size, SizeAt(single, kStepsMax, "a list"));
  bool text_seen = false;
  for (size_t i = 0; i < size; ++i) {
    const JsonAt piece = single[i];
    if (piece["Sequence"].value.is_null()) {
      TEMPER_RETURN_IF_ERROR(ParseSpecial(piece, at["special_tokens"], tables,
                                          text_seen ? tables.after : tables.before));
    } else if (text_seen || piece["Sequence"]["id"].value != "A") {
      return WrongAt(piece, "", "the text (Sequence A) once");
    } else {
      text_seen = true;
    }
  }
  if (!text_seen) return WrongAt(at, "single", "a place for the text (Sequence)");
  return absl::OkStatus();
}

absl::StatusOr<EdgeStrip> ParseStrip(const JsonAt& at) {
  EdgeStrip strip;
  TEMPER_ASSIGN_OR_RETURN(strip.character, TextAt(at, "content"));
  if (FirstCharacterBytes(strip.character) != strip.character.size() || strip.character.empty()) {
    return WrongAt(at, "content", "one character");
  }
  for (const auto& [key, count] :
       {std::pair("start", &strip.start), std::pair("stop", &strip.stop)}) {
    const Json& value = at[key].value;
    if (!value.is_number_unsigned()) return WrongAt(at, key, "a count");
    *count = static_cast<int32_t>(std::min<uint64_t>(value.get<uint64_t>(), INT32_MAX));
  }
  return strip;
}

// Decoding works token by token, but for a Strip after Fuse: `whole` says that tokens are joined.
absl::Status ParseDecodeStep(const JsonAt& at, bool& whole, DecodeSteps& steps, EdgeStrip& strip) {
  TEMPER_ASSIGN_OR_RETURN(const std::string type, TextAt(at, "type"));
  if (steps.steps() >= kStepsMax)
    return WrongAt(at, absl::StrCat("more than ", kStepsMax, " steps"));
  if (type == "Sequence") {
    const JsonAt list = at["decoders"];
    TEMPER_ASSIGN_OR_RETURN(const size_t size, SizeAt(list, kStepsMax, "a list"));
    for (size_t i = 0; i < size; ++i) {
      TEMPER_RETURN_IF_ERROR(ParseDecodeStep(list[i], whole, steps, strip));
    }
    return absl::OkStatus();
  }
  if (type == "Fuse") {
    whole = true;
    return absl::OkStatus();
  }
  if (type == "Strip") {
    TEMPER_ASSIGN_OR_RETURN(EdgeStrip parsed, ParseStrip(at));
    if (!whole) {
      steps.Add(std::move(parsed));
    } else if (!strip.character.empty()) {
      return WrongAt(at, "type", "one Strip after the tokens are joined");
    } else {
      strip = std::move(parsed);
    }
    return absl::OkStatus();
  }
  if (whole) return WrongAt(at, "type", "only Fuse or Strip after the tokens are joined");
  if (type == "ByteLevel") {
    steps.Add(ByteLevelDecode{});
    whole = true;
  } else if (type == "ByteFallback") {
    steps.Add(ByteFallbackDecode{});
  } else if (type == "Replace") {
    TEMPER_ASSIGN_OR_RETURN(ReplaceStep replace, ParseReplace(at));
    steps.Add(std::move(replace));
  } else {
    return WrongAt(at, "type",
                   "ByteLevel, ByteFallback, Replace, Fuse, Strip or Sequence; others are not "
                   "supported");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParsePostProcessor(const JsonAt& at, TokenizerTables& tables) {
  if (at.value.is_null()) return absl::OkStatus();
  TEMPER_ASSIGN_OR_RETURN(const std::string type, TextAt(at, "type"));
  if (type == "ByteLevel") return absl::OkStatus();  // concerns offsets only
  if (type == "TemplateProcessing") return ParseTemplate(at, tables);
  if (type != "Sequence") {
    return WrongAt(at, "type",
                   "TemplateProcessing, ByteLevel or Sequence; others are not supported");
  }
  const JsonAt list = at["processors"];
  TEMPER_ASSIGN_OR_RETURN(const size_t size, SizeAt(list, kStepsMax, "a list"));
  for (size_t i = 0; i < size; ++i) TEMPER_RETURN_IF_ERROR(ParsePostProcessor(list[i], tables));
  return absl::OkStatus();
}

absl::Status ParseDecoder(const JsonAt& at, DecodeSteps& steps, EdgeStrip& strip) {
  bool whole = false;
  return ParseDecodeStep(at, whole, steps, strip);
}

}  // namespace temper::model
