// Feeds arbitrary bytes to the reader of tokenizer.json, and arbitrary text to good tokenizers.
//
// What starts with { is a tokenizer.json, up to a zero byte; after that comes the text for it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "policy/model/tokenizer/normalizer.h"
#include "policy/model/tokenizer/stream_decoder.h"
#include "policy/model/tokenizer/tokenizer.h"

namespace {

using temper::ValidUtf8;
using temper::model::StreamDecoder;
using temper::model::Tokenizer;
using Special = Tokenizer::Special;

constexpr size_t kTextMax = 4096;

std::unique_ptr<Tokenizer> Golden(const std::string& name) {
  auto tokenizer =
      Tokenizer::Read(std::string(TEMPER_TEST_DATA "/golden/tokenizer/") + name + ".json");
  TEMPER_CHECK(tokenizer.ok());
  return *std::move(tokenizer);
}

// True whatever the file says: ids are in range, and a stream ends with the text of the whole.
std::vector<int32_t> CheckEncoding(const Tokenizer& tokenizer, std::string_view text,
                                   Special special) {
  const auto tokens = tokenizer.Encode(text, special, special == Special::kParse);
  StreamDecoder stream(tokenizer, /*skip_special_tokens=*/false);
  std::string streamed;
  for (const int32_t token : tokens) {
    TEMPER_CHECK(token >= 0 && token < tokenizer.vocab_size());
    const std::string part = stream.Append(token);
    TEMPER_CHECK(temper::ValidUtf8Bytes(part) == part.size());
    streamed += part;
  }
  streamed += stream.Finish();
  TEMPER_CHECK(streamed == ValidUtf8(tokenizer.Decode(tokens, false)));
  return tokens;
}

void TryFile(std::string_view json, std::string_view text) {
  const auto tokenizer = Tokenizer::Parse(json, "tokenizer.json");
  if (!tokenizer.ok()) {
    TEMPER_CHECK(!tokenizer.status().message().empty());
    return;
  }
  CheckEncoding(**tokenizer, "Some text,\n 12 e\u0301\u00A0\xff</s>", Special::kParse);
  CheckEncoding(**tokenizer, text.substr(0, kTextMax), Special::kParse);
}

void TryText(std::string_view text) {
  // None of these drops or adds text, but for the white space beside <strip>.
  static const auto& faithful = *new std::vector<std::unique_ptr<Tokenizer>>([] {
    std::vector<std::unique_ptr<Tokenizer>> list;
    for (const char* name : {"gpt2", "llama3", "qwen2", "tekken", "empty_matches"}) {
      list.push_back(Golden(name));
    }
    return list;
  }());
  for (const auto& tokenizer : faithful) {
    const auto tokens = CheckEncoding(*tokenizer, text, Special::kAsText);
    const bool strips = text.find("<strip>") != std::string_view::npos;
    if (!strips && &tokenizer != &faithful.back()) {
      TEMPER_CHECK(tokenizer->Decode(tokens, false) == text);
    }
    CheckEncoding(*tokenizer, text, Special::kParse);
  }
  static const Tokenizer& composing = *Golden("styles/qwen2").release();
  static const Tokenizer& characters = *Golden("sentencepiece").release();
  const auto tokens = CheckEncoding(composing, text, Special::kAsText);
  if (temper::ValidUtf8Bytes(text) == text.size()) {
    TEMPER_CHECK(composing.Decode(tokens, false) ==
                 temper::model::Normalized(text, temper::model::NormalForm::kNfc));
  }
  CheckEncoding(characters, text, Special::kParse);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  if (!input.starts_with('{')) {
    TryText(input);
    return 0;
  }
  const size_t end = std::min(input.find('\0'), size);
  TryFile(input.substr(0, end), input.substr(std::min(size, end + 1)));
  return 0;
}
