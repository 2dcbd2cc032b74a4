// Text to token ids and back: byte-pair encoding read from a Hugging Face tokenizer.json.
//
// Immutable after loading; any thread may call it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace temper::model {

struct EdgeStrip;

class Tokenizer {
 public:
  // `place` names the file in messages.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Parse(std::string_view json,
                                                          std::string_view place);
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Read(const std::string& path);
  ~Tokenizer();

  enum class Special { kParse, kAsText };
  // kAsText: text that spells a special token stays text (user content must not inject specials).
  // add_special_tokens: run the post-processor (e.g. prepend <s>).
  std::vector<int32_t> Encode(std::string_view text, Special special,
                              bool add_special_tokens) const;
  // Bytes as they come; may end inside a UTF-8 character. Ids of no token stand for nothing.
  std::string Decode(std::span<const int32_t> tokens, bool skip_special_tokens) const;
  // The bytes of one token in the middle of a text; see stream_decoder.h for text as it grows.
  std::string_view TokenBytes(int32_t token, bool skip_special_tokens) const;

  int64_t vocab_size() const;
  // -1 when the vocabulary has no such token.
  int32_t TokenId(std::string_view token) const;
  // What a decoded text loses at its ends.
  const EdgeStrip& edge_strip() const;

 private:
  struct Tables;
  explicit Tokenizer(std::unique_ptr<const Tables> tables);
  std::unique_ptr<const Tables> tables_;
};

}  // namespace temper::model
