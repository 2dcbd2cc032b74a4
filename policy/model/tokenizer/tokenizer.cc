// Encoding and decoding with the tables of a tokenizer.json.
//
// Bytes that are no valid UTF-8 encode too: each run of them is a piece of its own.
#include "policy/model/tokenizer/tokenizer.h"

#include <deque>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "policy/model/tokenizer/tables.h"

namespace temper::model {
namespace {

// Appends the tokens of a piece inside which merging is free.
void EncodePiece(const TokenizerTables& tables, std::string_view piece,
                 std::vector<int32_t>& symbols, std::vector<int32_t>& tokens) {
  const auto whole = tables.whole.find(absl::string_view(piece.data(), piece.size()));
  if (whole != tables.whole.end()) {
    tokens.push_back(whole->second);
    return;
  }
  symbols.clear();
  for (const char c : piece) symbols.push_back(tables.byte_ids[static_cast<uint8_t>(c)]);
  tables.merges.Apply(symbols);
  tokens.insert(tokens.end(), symbols.begin(), symbols.end());
}

// Bytes of the longest valid (or, if `text` starts with none, invalid) run that `text` starts with.
size_t RunBytes(std::string_view text, bool& valid) {
  valid = FirstCharacterBytes(text) > 0;
  size_t size = 0;
  while (size < text.size()) {
    const size_t character = FirstCharacterBytes(text.substr(size));
    if ((character > 0) != valid) break;
    size += valid ? character : 1;
  }
  return size;
}

void EncodeText(const TokenizerTables& tables, std::string_view text,
                std::vector<int32_t>& tokens) {
  std::vector<int32_t> symbols;
  while (!text.empty()) {
    bool valid = false;
    const std::string_view run = text.substr(0, RunBytes(text, valid));
    text.remove_prefix(run.size());
    if (!valid) {
      EncodePiece(tables, run, symbols, tokens);
      continue;
    }
    std::deque<std::string> owned;
    for (const std::string_view piece : tables.splitter.Split(run, owned)) {
      EncodePiece(tables, piece, symbols, tokens);
    }
  }
}

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
  for (const Stretch& stretch : tables_->added.Split(text, special == Special::kParse)) {
    if (stretch.id >= 0) {
      tokens.push_back(stretch.id);
    } else {
      EncodeText(*tables_, stretch.text, tokens);
    }
  }
  if (add_special_tokens) {
    tokens.insert(tokens.end(), tables_->after.begin(), tables_->after.end());
  }
  return tokens;
}

std::string Tokenizer::Decode(std::span<const int32_t> tokens, bool skip_special_tokens) const {
  std::string text;
  for (const int32_t token : tokens) {
    // A model's vocabulary may be padded beyond the tokenizer's: such ids stand for nothing.
    if (token < 0 || token >= vocab_size()) continue;
    if (skip_special_tokens && tables_->special[token]) continue;
    text += tables_->bytes[token];
  }
  return text;
}

int64_t Tokenizer::vocab_size() const { return static_cast<int64_t>(tables_->bytes.size()); }

int32_t Tokenizer::TokenId(std::string_view token) const {
  const auto at = tables_->ids.find(absl::string_view(token.data(), token.size()));
  return at == tables_->ids.end() ? -1 : at->second;
}

}  // namespace temper::model
