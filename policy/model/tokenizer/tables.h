// Everything a tokenizer.json says, in the form that encoding and decoding want.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"
#include "policy/model/tokenizer/added_tokens.h"
#include "policy/model/tokenizer/merge_table.h"
#include "policy/model/tokenizer/splitter.h"

namespace temper::model {

struct TokenizerTables {
  std::array<int32_t, 256> byte_ids{};  // one token for each byte
  MergeTable merges;
  absl::flat_hash_map<std::string, int32_t> whole;  // bytes that become one token, known ahead
  absl::flat_hash_map<std::string, int32_t> ids;    // by the token's text, as in the file
  std::vector<std::string> bytes;                   // by id; "" where there is no such token
  std::vector<bool> special;                        // by id
  AddedTokens added;
  Splitter splitter;
  std::vector<int32_t> before, after;  // what the post-processor puts around
};

// A value in the file and the way to it, for messages.
struct JsonAt {
  const nlohmann::json& value;
  std::string path;  // "tokenizer.json: model.vocab"
};

// "<path>.<key>: found <value>, expected <expected>". key may be empty.
absl::Status WrongAt(const JsonAt& at, std::string_view key, std::string_view expected);
absl::StatusOr<bool> FlagAt(const JsonAt& at, const char* key, bool fallback);
// "" when there is none.
absl::StatusOr<std::string> TextAt(const JsonAt& at, const char* key);
// Null when there is none.
const nlohmann::json& ValueAt(const JsonAt& at, const char* key);

absl::StatusOr<TokenizerTables> ParseTokenizer(std::string_view json, std::string_view place);

// One part each; `tables` holds the vocabulary already.
absl::Status ParseSplitter(const JsonAt& pre_tokenizer, Splitter& splitter);
absl::Status ParsePostProcessor(const JsonAt& post_processor, TokenizerTables& tables);
absl::Status CheckDecoder(const JsonAt& decoder);

}  // namespace temper::model
