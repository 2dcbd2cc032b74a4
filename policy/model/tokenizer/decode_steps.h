// The decoder of a tokenizer.json, as far as it concerns one token: text as in the file to bytes.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "policy/model/tokenizer/detokenizer.h"
#include "policy/model/tokenizer/normalizer.h"

namespace temper::model {

struct ByteLevelDecode {};
struct ByteFallbackDecode {};

class DecodeSteps {
 public:
  using Step = std::variant<ByteLevelDecode, ByteFallbackDecode, ReplaceStep, EdgeStrip>;
  void Add(Step step) { steps_.push_back(std::move(step)); }
  size_t steps() const { return steps_.size(); }

  // An added token stands for its text even where all of it lies in the byte alphabet.
  std::string Bytes(std::string_view token, bool added) const;

 private:
  std::vector<Step> steps_;
};

}  // namespace temper::model
