// Encoding and decoding with the tables of a tokenizer.json.
//
// Bytes that are no valid UTF-8 encode too: each run of them is a piece of its own.
#include "policy/model/tokenizer/tokenizer.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "policy/model/tokenizer/tables.h"

namespace temper::model {
namespace {

// One text on its way to tokens.
class Encoding {
 public:
  Encoding(const TokenizerTables& tables, bool parse_special, std::vector<int32_t>& tokens)
      : tables_(tables), parse_special_(parse_special), tokens_(tokens) {}

  void Text(std::string_view text) {
    using Round = AddedTokens::Round;
    for (const Stretch& stretch : tables_.added.Split(text, Round::kAsWritten, parse_special_)) {
      if (stretch.id >= 0) {
        tokens_.push_back(stretch.id);
      } else {
        Runs(stretch.text);
      }
    }
  }

 private:
  // Cuts off what is no UTF-8, which neither a normalizer nor a pattern may see.
  void Runs(std::string_view text) {
    while (!text.empty()) {
      if (const size_t valid = ValidUtf8Bytes(text); valid > 0) {
        Valid(text.substr(0, valid));
        text.remove_prefix(valid);
      }
      size_t broken = 0;
      while (broken < text.size() && FirstCharacterBytes(text.substr(broken)) == 0) ++broken;
      Piece(text.substr(0, broken));
      text.remove_prefix(broken);
    }
  }

  void Valid(std::string_view text) {
    std::string storage;
    const std::string_view normalized = tables_.normalizer.Apply(text, storage);
    using Round = AddedTokens::Round;
    for (const Stretch& stretch :
         tables_.added.Split(normalized, Round::kNormalized, parse_special_)) {
      if (stretch.id >= 0) {
        tokens_.push_back(stretch.id);
        continue;
      }
      std::deque<std::string> owned;
      for (const std::string_view piece : tables_.splitter.Split(stretch.text, owned)) Piece(piece);
    }
  }

  void Piece(std::string_view piece) { tables_.model.Encode(piece, symbols_, tokens_); }

  const TokenizerTables& tables_;
  const bool parse_special_;
  std::vector<int32_t>& tokens_;
  std::vector<int32_t> symbols_;
};

}  // namespace

struct Tokenizer::Tables : TokenizerTables {
  explicit Tables(TokenizerTables tables) : TokenizerTables(std::move(tables)) {}
};

Tokenizer::Tokenizer(std::unique_ptr<const Tables> tables) : tables_(std::move(tables)) {}
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Parse(std::string_view json,
                                                            std::string_view place) {
  TEMPER_ASSIGN_OR_RETURN(TokenizerTables tables, ParseTokenizer(json, place));
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::make_unique<Tables>(std::move(tables))));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Read(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::string json, ReadFile(path));
  return Parse(json, path);
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text, Special special,
                                       bool add_special_tokens) const {
  std::vector<int32_t> tokens;
  if (add_special_tokens) tokens = tables_->before;
  Encoding(*tables_, special == Special::kParse, tokens).Text(text);
  if (add_special_tokens) {
    tokens.insert(tokens.end(), tables_->after.begin(), tables_->after.end());
  }
  return tokens;
}

std::string_view Tokenizer::TokenBytes(int32_t token, bool skip_special_tokens) const {
  if (skip_special_tokens && tables_->detokenizer.IsSpecial(token)) return "";
  return tables_->detokenizer.Bytes(token);
}

std::string Tokenizer::Decode(std::span<const int32_t> tokens, bool skip_special_tokens) const {
  std::string text;
  for (const int32_t token : tokens) text += TokenBytes(token, skip_special_tokens);
  const EdgeStrip& strip = edge_strip();
  text.erase(0, strip.AtStart(text, strip.start));
  text.resize(text.size() - strip.AtEnd(text, strip.stop));
  return text;
}

int64_t Tokenizer::vocab_size() const { return tables_->detokenizer.size(); }

int32_t Tokenizer::TokenId(std::string_view token) const {
  const auto at = tables_->ids.find(absl::string_view(token.data(), token.size()));
  return at == tables_->ids.end() ? -1 : at->second;
}

const EdgeStrip& Tokenizer::edge_strip() const { return tables_->detokenizer.strip; }

}  // namespace temper::model
