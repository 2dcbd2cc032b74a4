// Reads the vocabulary, merges and added tokens of a tokenizer.json.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "nlohmann/json.hpp"
#include "policy/model/tokenizer/byte_alphabet.h"
#include "policy/model/tokenizer/tables.h"

namespace temper::model {
namespace {

using Json = nlohmann::json;

constexpr size_t kAddedBytesMax = 1024;  // every place of a text is compared with them

// What reading tokens needs beside the place at hand.
struct Reading {
  const DecodeSteps& decode;
  TokenizerTables& tables;
  int32_t ids_max;
};

// Ids may leave gaps, but a few bytes of file may not ask for much memory.
int32_t IdsMax(size_t tokens) {
  return static_cast<int32_t>(std::min<size_t>(1 << 22, (1 << 16) + 16 * tokens));
}

absl::StatusOr<int32_t> IdOf(const JsonAt& at, int32_t ids_max) {
  const Json& value = at.value;
  if (value.is_number_unsigned() && value.get<uint64_t>() < static_cast<uint64_t>(ids_max)) {
    return value.get<int32_t>();
  }
  return WrongAt(at, "", absl::StrCat("a token id below ", ids_max));
}

int32_t Find(const TokenizerTables& tables, const std::string& text) {
  const auto at = tables.ids.find(text);
  return at == tables.ids.end() ? -1 : at->second;
}

// A token may stand in both lists, with the same id.
absl::Status PutToken(const JsonAt& at, const std::string& text, int32_t id, std::string_view bytes,
                      TokenizerTables& tables) {
  const auto [known, fresh] = tables.ids.try_emplace(text, id);
  if (!fresh) {
    if (known->second == id) return absl::OkStatus();
    return WrongAt(
        at, absl::StrCat("token ", Quoted(text), " has the ids ", known->second, " and ", id));
  }
  if (tables.detokenizer.Has(id)) {
    return WrongAt(at, absl::StrCat("id ", id, " stands for more than one token, ", Quoted(text),
                                    " among them"));
  }
  tables.detokenizer.Put(id, bytes);
  return absl::OkStatus();
}

absl::Status ParseAddedToken(const JsonAt& at, const Reading& reading) {
  TokenizerTables& tables = reading.tables;
  if (!at.value.is_object()) return WrongAt(at, "", "an object");
  AddedToken token;
  TEMPER_ASSIGN_OR_RETURN(const std::string name, TextAt(at, "content"));
  if (name.empty()) return WrongAt(at, "content", "the token's text");
  if (name.size() > kAddedBytesMax) {
    return WrongAt(at, "content", absl::StrCat("at most ", kAddedBytesMax, " bytes"));
  }
  TEMPER_ASSIGN_OR_RETURN(token.id, IdOf(at["id"], reading.ids_max));
  TEMPER_ASSIGN_OR_RETURN(token.special, FlagAt(at, "special", false));
  TEMPER_ASSIGN_OR_RETURN(token.single_word, FlagAt(at, "single_word", false));
  TEMPER_ASSIGN_OR_RETURN(token.lstrip, FlagAt(at, "lstrip", false));
  TEMPER_ASSIGN_OR_RETURN(token.rstrip, FlagAt(at, "rstrip", false));
  TEMPER_ASSIGN_OR_RETURN(token.normalized, FlagAt(at, "normalized", !token.special));
  std::string storage;
  token.text = token.normalized ? tables.normalizer.Apply(name, storage) : name;
  if (token.text.empty()) return WrongAt(at, "content", "text that the normalizer leaves some of");
  TEMPER_RETURN_IF_ERROR(
      PutToken(at, name, token.id, reading.decode.Bytes(token.text, /*added=*/true), tables));
  if (token.special) tables.detokenizer.MarkSpecial(token.id);
  tables.added.Add(std::move(token));
  return absl::OkStatus();
}

absl::Status ParseAdded(const JsonAt& list, const Reading& reading) {
  if (list.value.is_null()) return absl::OkStatus();
  if (!list.value.is_array()) return WrongAt(list, "", "a list of added tokens");
  for (size_t i = 0; i < list.value.size(); ++i) {
    TEMPER_RETURN_IF_ERROR(ParseAddedToken(list[i], reading));
  }
  reading.tables.added.Finish();
  return absl::OkStatus();
}

absl::Status ParseTokens(const JsonAt& vocab, const Reading& reading) {
  TokenizerTables& tables = reading.tables;
  if (!vocab.value.is_object()) return WrongAt(vocab, "", "an object of tokens and their ids");
  for (const auto& [text, value] : vocab.value.items()) {
    const absl::StatusOr<int32_t> id = IdOf({value, ""}, reading.ids_max);
    if (!id.ok()) {
      const JsonAt place{value, absl::StrCat(vocab.path, "[", Quoted(text), "]")};
      return IdOf(place, reading.ids_max).status();
    }
    if (text.empty()) return WrongAt(vocab, "found an empty token");
    TEMPER_RETURN_IF_ERROR(
        PutToken(vocab, text, *id, reading.decode.Bytes(text, /*added=*/false), tables));
    // A special token must not come out of text, not even where one character spells it.
    if (FirstCharacterBytes(text) == text.size() && !tables.detokenizer.IsSpecial(*id)) {
      tables.model.characters.emplace(text, *id);
    }
  }
  return absl::OkStatus();
}

// Finds the token of each byte; `named`: how a byte is written.
template <class Named>
absl::Status FindBytes(const JsonAt& vocab, Named named, std::string_view expected,
                       TokenizerTables& tables) {
  std::vector<std::string> missing;
  for (int byte = 0; byte < 256; ++byte) {
    const int32_t id = Find(tables, named(byte));
    tables.model.byte_tokens[byte] = id;
    if (id < 0) missing.push_back(absl::StrCat("0x", absl::Hex(byte, absl::kZeroPad2)));
  }
  if (missing.empty()) return absl::OkStatus();
  const size_t count = missing.size();
  if (count > 16) {
    missing.resize(16);
    missing.push_back("...");
  }
  return WrongAt(vocab,
                 absl::StrCat("no token for ", count, " of the 256 bytes (",
                              absl::StrJoin(missing, " "), "), expected ", std::string(expected)));
}

// What becomes of text that no token spells: nothing may vanish unsaid.
absl::Status ParseFallback(const JsonAt& model, TokenizerTables& tables) {
  TEMPER_ASSIGN_OR_RETURN(const std::string unknown, TextAt(model, "unk_token"));
  TEMPER_ASSIGN_OR_RETURN(tables.model.fuse_unknown, FlagAt(model, "fuse_unk", false));
  TEMPER_ASSIGN_OR_RETURN(const bool byte_fallback, FlagAt(model, "byte_fallback", false));
  if (!unknown.empty()) {
    tables.model.unknown = Find(tables, unknown);
    if (tables.model.unknown < 0) return WrongAt(model, "unk_token", "a token of the vocabulary");
  }
  const JsonAt vocab = model["vocab"];
  if (tables.model.byte_level) {
    const absl::Status found = FindBytes(
        vocab, [](int byte) { return CharacterOfByte(static_cast<uint8_t>(byte)); },
        "a byte-level vocabulary", tables);
    return unknown.empty() ? found : absl::OkStatus();
  }
  tables.model.byte_tokens.fill(-1);
  if (byte_fallback) {
    return FindBytes(
        vocab, [](int byte) { return absl::StrFormat("<0x%02X>", byte); },
        "<0x00> to <0xFF> for byte_fallback", tables);
  }
  if (!unknown.empty()) return absl::OkStatus();
  return WrongAt(model,
                 "found neither a ByteLevel pre_tokenizer nor byte_fallback nor unk_token, "
                 "expected one of them");
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
  for (size_t i = 0; i < merges.value.size(); ++i) {
    const auto pair = PairOf(merges.value[i]);
    if (!pair.has_value())
      return WrongAt(merges[i], "", "two tokens, as \"a b\" or [\"a\", \"b\"]");
    const int32_t left = Find(tables, pair->first), right = Find(tables, pair->second);
    const int32_t result = Find(tables, pair->first + pair->second);
    if (left < 0 || right < 0 || result < 0) {
      return WrongAt(merges[i], "", "two tokens of the vocabulary that make a third one of it");
    }
    tables.model.merges.Add(left, right, result);
  }
  return absl::OkStatus();
}

// Which pieces become a single token: most words of ordinary text do, and need no merging.
void FindWhole(const Json& vocab, bool ignore_merges, TokenizerTables& tables) {
  std::vector<int32_t> symbols;
  for (const auto& [text, value] : vocab.items()) {
    const int32_t id = value.get<int32_t>();
    if (tables.detokenizer.IsSpecial(id)) continue;
    std::optional<std::string> piece = text;
    if (tables.model.byte_level) piece = BytesOfText(text);
    if (!piece.has_value()) continue;
    if (!ignore_merges) {
      tables.model.Merge(*piece, symbols);
      if (symbols.size() != 1 || symbols[0] != id) continue;
    }
    tables.model.whole.emplace(*std::move(piece), id);
  }
}

}  // namespace

absl::Status CheckModel(const JsonAt& model) {
  if (!model.value.is_object()) return WrongAt(model, "", "a model of type BPE");
  TEMPER_ASSIGN_OR_RETURN(const std::string type, TextAt(model, "type"));
  if (!type.empty() && type != "BPE") return WrongAt(model, "type", "\"BPE\"");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    TEMPER_ASSIGN_OR_RETURN(const std::string text, TextAt(model, key));
    if (!text.empty()) return WrongAt(model, key, "none: it is not supported");
  }
  const Json& dropout = model["dropout"].value;
  if (!dropout.is_null() && dropout != 0) {
    return WrongAt(model, "dropout", "none: encoding is deterministic");
  }
  return absl::OkStatus();
}

absl::Status ParseVocabulary(const JsonAt& root, const DecodeSteps& decode,
                             TokenizerTables& tables) {
  const JsonAt model = root["model"];
  const JsonAt added = root["added_tokens"], vocab = model["vocab"];
  const Reading reading{decode, tables, IdsMax(added.value.size() + vocab.value.size())};
  TEMPER_RETURN_IF_ERROR(ParseAdded(added, reading));
  TEMPER_RETURN_IF_ERROR(ParseTokens(vocab, reading));
  TEMPER_RETURN_IF_ERROR(ParseFallback(model, tables));
  TEMPER_RETURN_IF_ERROR(ParseMerges(model["merges"], tables));
  TEMPER_ASSIGN_OR_RETURN(const bool ignore_merges, FlagAt(model, "ignore_merges", false));
  FindWhole(vocab.value, ignore_merges, tables);
  return absl::OkStatus();
}

}  // namespace temper::model
