// Everything a tokenizer.json says, in the form that encoding and decoding want.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/model/tokenizer/added_tokens.h"
#include "policy/model/tokenizer/bpe_model.h"
#include "policy/model/tokenizer/decode_steps.h"
#include "policy/model/tokenizer/detokenizer.h"
#include "policy/model/tokenizer/json_at.h"
#include "policy/model/tokenizer/normalizer.h"
#include "policy/model/tokenizer/splitter.h"

namespace temper::model {

struct TokenizerTables {
  AddedTokens added;
  Normalizer normalizer;
  Splitter splitter;
  BpeModel model;
  std::vector<int32_t> before, after;             // what the post-processor puts around
  absl::flat_hash_map<std::string, int32_t> ids;  // by the token's text, as in the file
  Detokenizer detokenizer;
};

absl::StatusOr<TokenizerTables> ParseTokenizer(std::string_view json, std::string_view place);

// Refuses what is no BPE, and options that change what merging does.
absl::Status CheckModel(const JsonAt& model);
// Parts of the file, in the order in which they have to be read.
absl::Status ParseNormalizer(const JsonAt& normalizer, Normalizer& steps);
// Sets `byte_level` when pieces end as bytes.
absl::Status ParseSplitter(const JsonAt& pre_tokenizer, Splitter& splitter, bool& byte_level);
absl::Status ParseDecoder(const JsonAt& decoder, DecodeSteps& steps, EdgeStrip& strip);
// Fills ids, detokenizer, added and model; what was read before is in `tables`.
absl::Status ParseVocabulary(const JsonAt& root, const DecodeSteps& decode,
                             TokenizerTables& tables);
absl::Status ParsePostProcessor(const JsonAt& post_processor, TokenizerTables& tables);

// {"Regex": "..."} or {"String": "..."}.
absl::StatusOr<TextPattern> ParsePattern(const JsonAt& pattern);
absl::StatusOr<ReplaceStep> ParseReplace(const JsonAt& replace);

// A list of steps that compile patterns may not grow without bound.
inline constexpr size_t kStepsMax = 64;

}  // namespace temper::model
