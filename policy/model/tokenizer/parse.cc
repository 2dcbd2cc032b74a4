// Reads the vocabulary, merges and added tokens of a tokenizer.json.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/model/tokenizer/byte_alphabet.h"
#include "policy/model/tokenizer/tables.h"

namespace temper::model {
namespace {

using Json = nlohmann::json;

constexpr int32_t kIdsMax = 1 << 22;

absl::Status Wrong(const JsonAt& at, std::string_view words) {
  return absl::InvalidArgumentError(absl::StrCat(at.path, ": ", std::string(words)));
}

absl::Status PutToken(const JsonAt& at, const std::string& text, int32_t id, std::string bytes,
                      TokenizerTables& tables) {
  if (tables.bytes.size() <= static_cast<size_t>(id)) {
    tables.bytes.resize(id + 1);
    tables.special.resize(id + 1);
  }
  const auto [known, fresh] = tables.ids.try_emplace(text, id);
  if (!fresh && known->second != id) {
    return Wrong(at, absl::StrCat("token \"", text, "\" has the ids ", known->second, " and ", id));
  }
  if (fresh && !tables.bytes[id].empty()) {
    return Wrong(
        at, absl::StrCat("id ", id, " stands for more than one token, \"", text, "\" among them"));
  }
  tables.bytes[id] = std::move(bytes);
  return absl::OkStatus();
}

absl::StatusOr<int32_t> IdOf(const JsonAt& at, const Json& value) {
  if (value.is_number_unsigned() && value.get<uint64_t>() < kIdsMax) return value.get<int32_t>();
  return WrongAt({value, at.path}, "", absl::StrCat("a token id below ", kIdsMax));
}

absl::Status ParseVocabulary(const JsonAt& vocab, TokenizerTables& tables) {
  if (!vocab.value.is_object()) return WrongAt(vocab, "", "an object of tokens and their ids");
  for (const auto& [text, value] : vocab.value.items()) {
    TEMPER_ASSIGN_OR_RETURN(const int32_t id,
                            IdOf({value, absl::StrCat(vocab.path, "[\"", text, "\"]")}, value));
    std::optional<std::string> bytes = BytesOfText(text);
    if (text.empty()) return Wrong(vocab, "found an empty token");
    TEMPER_RETURN_IF_ERROR(
        PutToken(vocab, text, id, bytes.has_value() ? *std::move(bytes) : text, tables));
  }
  std::vector<std::string> missing;
  for (int byte = 0; byte < 256; ++byte) {
    const auto at = tables.ids.find(CharacterOfByte(static_cast<uint8_t>(byte)));
    if (at == tables.ids.end()) {
      missing.push_back(absl::StrCat("0x", absl::Hex(byte, absl::kZeroPad2)));
    } else {
      tables.byte_ids[byte] = at->second;
    }
  }
  if (missing.empty()) return absl::OkStatus();
  const size_t count = missing.size();
  if (count > 16) {
    missing.resize(16);
    missing.push_back("...");
  }
  return Wrong(vocab,
               absl::StrCat("no token for ", count, " of the 256 bytes (",
                            absl::StrJoin(missing, " "), "), expected a byte-level vocabulary"));
}

// The two tokens of a merge, written "a b" or ["a", "b"].
std::optional<std::pair<std::string, std::string>> PairOf(const Json& merge) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return std::pair(merge[0].get<std::string>(), merge[1].get<std::string>());
  }
  if (!merge.is_string()) return std::nullopt;
  const std::string& text = merge.get_ref<const std::string&>();
  const size_t space = text.find(' ');
  if (space == std::string::npos) return std::nullopt;
  return std::pair(text.substr(0, space), text.substr(space + 1));
}

absl::Status ParseMerges(const JsonAt& merges, TokenizerTables& tables) {
  if (!merges.value.is_array()) return WrongAt(merges, "", "a list of merges");
  const auto id = [&tables](const std::string& text) {
    const auto at = tables.ids.find(text);
    return at == tables.ids.end() ? -1 : at->second;
  };
  for (size_t i = 0; i < merges.value.size(); ++i) {
    const JsonAt at{merges.value[i], absl::StrCat(merges.path, "[", i, "]")};
    const auto pair = PairOf(at.value);
    if (!pair.has_value()) return WrongAt(at, "", "two tokens, as \"a b\" or [\"a\", \"b\"]");
    const int32_t left = id(pair->first), right = id(pair->second);
    const int32_t result = id(pair->first + pair->second);
    if (left < 0 || right < 0 || result < 0) {
      return WrongAt(at, "", "two tokens of the vocabulary that make a third one of it");
    }
    tables.merges.Add(left, right, result);
  }
  return absl::OkStatus();
}

// Refuses options that change what merging does.
absl::Status CheckModelOptions(const JsonAt& model) {
  TEMPER_ASSIGN_OR_RETURN(const std::string type, TextAt(model, "type"));
  if (!type.empty() && type != "BPE") return WrongAt(model, "type", "\"BPE\"");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    TEMPER_ASSIGN_OR_RETURN(const std::string text, TextAt(model, key));
    if (!text.empty()) return WrongAt(model, key, "none: it is not supported");
  }
  const Json& dropout = ValueAt(model, "dropout");
  if (!dropout.is_null() && dropout != 0) {
    return WrongAt(model, "dropout", "none: encoding is deterministic");
  }
  return absl::OkStatus();
}

absl::Status ParseAddedToken(const JsonAt& at, TokenizerTables& tables) {
  if (!at.value.is_object()) return WrongAt(at, "", "an object");
  AddedToken token;
  TEMPER_ASSIGN_OR_RETURN(token.text, TextAt(at, "content"));
  if (token.text.empty()) return WrongAt(at, "content", "the token's text");
  TEMPER_ASSIGN_OR_RETURN(token.id, IdOf({at.value, at.path + ".id"}, ValueAt(at, "id")));
  TEMPER_ASSIGN_OR_RETURN(token.special, FlagAt(at, "special", false));
  TEMPER_ASSIGN_OR_RETURN(token.single_word, FlagAt(at, "single_word", false));
  TEMPER_ASSIGN_OR_RETURN(token.lstrip, FlagAt(at, "lstrip", false));
  TEMPER_ASSIGN_OR_RETURN(token.rstrip, FlagAt(at, "rstrip", false));
  TEMPER_ASSIGN_OR_RETURN(token.normalized, FlagAt(at, "normalized", !token.special));
  TEMPER_RETURN_IF_ERROR(PutToken(at, token.text, token.id, token.text, tables));
  tables.special[token.id] = token.special;
  tables.added.Add(std::move(token));
  return absl::OkStatus();
}

absl::Status ParseAdded(const JsonAt& list, TokenizerTables& tables) {
  if (list.value.is_null()) return absl::OkStatus();
  if (!list.value.is_array()) return WrongAt(list, "", "a list of added tokens");
  for (size_t i = 0; i < list.value.size(); ++i) {
    TEMPER_RETURN_IF_ERROR(
        ParseAddedToken({list.value[i], absl::StrCat(list.path, "[", i, "]")}, tables));
  }
  return absl::OkStatus();
}

// Which byte strings become a single token: most words of ordinary text do, and need no merging.
void FindWhole(const Json& vocab, bool ignore_merges, TokenizerTables& tables) {
  std::vector<int32_t> symbols;
  for (const auto& [text, value] : vocab.items()) {
    const int32_t id = value.get<int32_t>();
    std::optional<std::string> bytes = BytesOfText(text);
    if (!bytes.has_value() || tables.special[id]) continue;
    if (!ignore_merges) {
      symbols.clear();
      for (const char c : *bytes) symbols.push_back(tables.byte_ids[static_cast<uint8_t>(c)]);
      tables.merges.Apply(symbols);
      if (symbols.size() != 1 || symbols[0] != id) continue;
    }
    tables.whole.emplace(*std::move(bytes), id);
  }
}

}  // namespace

absl::Status WrongAt(const JsonAt& at, std::string_view key, std::string_view expected) {
  const Json& value = key.empty() ? at.value : ValueAt(at, std::string(key).c_str());
  std::string found = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (found.size() > 60) found = found.substr(0, 57) + "...";
  return absl::InvalidArgumentError(absl::StrCat(at.path, key.empty() ? "" : ".", std::string(key),
                                                 ": found ", found, ", expected ",
                                                 std::string(expected)));
}

const Json& ValueAt(const JsonAt& at, const char* key) {
  static const Json& none = *new Json();
  if (!at.value.is_object()) return none;
  const auto found = at.value.find(key);
  return found == at.value.end() ? none : *found;
}

absl::StatusOr<bool> FlagAt(const JsonAt& at, const char* key, bool fallback) {
  const Json& value = ValueAt(at, key);
  if (value.is_null()) return fallback;
  if (!value.is_boolean()) return WrongAt(at, key, "true or false");
  return value.get<bool>();
}

absl::StatusOr<std::string> TextAt(const JsonAt& at, const char* key) {
  const Json& value = ValueAt(at, key);
  if (value.is_null()) return std::string();
  if (!value.is_string()) return WrongAt(at, key, "text");
  return value.get<std::string>();
}

absl::StatusOr<TokenizerTables> ParseTokenizer(std::string_view json, std::string_view place) {
  TEMPER_ASSIGN_OR_RETURN(const Json object, ParseJson(json, place));
  const std::string file(place);
  const JsonAt root{object, file + ": "};
  if (!object.is_object()) return WrongAt({object, file}, "", "an object {...}");
  const auto part = [&](const char* key) {
    return JsonAt{ValueAt(root, key), absl::StrCat(file, ": ", key)};
  };

  const JsonAt model = part("model");
  if (!model.value.is_object()) return WrongAt(model, "", "a model of type BPE");
  TEMPER_RETURN_IF_ERROR(CheckModelOptions(model));
  if (const JsonAt normalizer = part("normalizer"); !normalizer.value.is_null()) {
    return WrongAt(normalizer, "type", "null: normalizers are not supported");
  }
  TokenizerTables tables;
  const JsonAt vocab{ValueAt(model, "vocab"), model.path + ".vocab"};
  TEMPER_RETURN_IF_ERROR(ParseVocabulary(vocab, tables));
  TEMPER_RETURN_IF_ERROR(ParseMerges({ValueAt(model, "merges"), model.path + ".merges"}, tables));
  TEMPER_RETURN_IF_ERROR(ParseAdded(part("added_tokens"), tables));
  TEMPER_ASSIGN_OR_RETURN(const bool ignore_merges, FlagAt(model, "ignore_merges", false));
  FindWhole(vocab.value, ignore_merges, tables);
  TEMPER_RETURN_IF_ERROR(ParseSplitter(part("pre_tokenizer"), tables.splitter));
  TEMPER_RETURN_IF_ERROR(ParsePostProcessor(part("post_processor"), tables));
  TEMPER_RETURN_IF_ERROR(CheckDecoder(part("decoder")));
  return tables;
}

}  // namespace temper::model
