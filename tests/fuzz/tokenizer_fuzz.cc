// Feeds arbitrary bytes to the reader of tokenizer.json, and arbitrary text to good tokenizers.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "policy/model/tokenizer/tokenizer.h"

namespace {

using temper::model::Tokenizer;
using Special = Tokenizer::Special;

// None of these drops or adds text, but for the white space beside <strip>.
const std::vector<std::unique_ptr<Tokenizer>>& GoodTokenizers() {
  static const auto& tokenizers = *[] {
    auto* list = new std::vector<std::unique_ptr<Tokenizer>>;
    for (const char* name : {"gpt2", "llama3", "qwen2", "tekken"}) {
      auto tokenizer =
          Tokenizer::Read(std::string(TEMPER_TEST_DATA "/golden/tokenizer/") + name + ".json");
      TEMPER_CHECK(tokenizer.ok());
      list->push_back(*std::move(tokenizer));
    }
    return list;
  }();
  return tokenizers;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  if (text.starts_with('{')) {
    const auto tokenizer = Tokenizer::Parse(text, "tokenizer.json");
    if (!tokenizer.ok()) return 0;
    const auto tokens = (*tokenizer)->Encode("Some text,\n 12 \xff</s>", Special::kParse, true);
    for (const int32_t token : tokens) TEMPER_CHECK(token < (*tokenizer)->vocab_size());
    (*tokenizer)->Decode(tokens, true);
    return 0;
  }
  for (const auto& tokenizer : GoodTokenizers()) {
    const auto tokens = tokenizer->Encode(text, Special::kAsText, false);
    if (text.find("<strip>") == std::string_view::npos) {
      TEMPER_CHECK(tokenizer->Decode(tokens, false) == text);
    }
    tokenizer->Decode(tokenizer->Encode(text, Special::kParse, true), true);
  }
  return 0;
}
