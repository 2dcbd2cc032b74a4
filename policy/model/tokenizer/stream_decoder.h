// Tokens to text as they come, never inside a character.
//
// One for each text, on the thread that makes the text; the tokenizer has to outlive it.
#pragma once

#include <cstdint>
#include <string>

#include "policy/model/tokenizer/tokenizer.h"

namespace temper::model {

class StreamDecoder {
 public:
  StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens);

  // What `token` makes certain: valid UTF-8, empty while a character is open. All that Append and
  // Finish give, put together, is Decode's text with U+FFFD for bytes that are no UTF-8.
  std::string Append(int32_t token);

  // Ends the text; then only a new decoder may go on.
  std::string Finish();

 private:
  const Tokenizer& tokenizer_;
  const bool skip_special_tokens_;
  int32_t start_left_;   // characters that the start may still lose
  std::string pending_;  // the bytes of an open character, and what the end may still lose
};

}  // namespace temper::model
