// Feeds arbitrary responses to the answer extractor and to the reader of mathematical answers.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "reward/answer_extractor.h"
#include "reward/math/answer_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using temper::reward::AnswerExtractor;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const std::string said = temper::reward::WithoutThinking(text);
  TEMPER_CHECK(said.size() <= text.size());
  for (const char* place : {"auto", "boxed", "hash", "after"}) {
    const bool marked = std::string_view(place) == "after";
    const auto extractor = AnswerExtractor::Create(place, marked ? "answer:" : "");
    TEMPER_CHECK(extractor.ok());
    const auto extraction = extractor->Extract(text);
    TEMPER_CHECK(extraction.found ? !extraction.answer.empty() && extraction.problem.empty()
                                  : extraction.answer.empty() && !extraction.problem.empty());
    TEMPER_CHECK(text.find(extraction.answer) != std::string_view::npos || size == 0 ||
                 said.find(extraction.answer) != std::string::npos);
  }
  const auto reading = temper::reward::math::ReadAnswer(text, {});
  TEMPER_CHECK(reading.found || !reading.problem.empty());
  TEMPER_CHECK(reading.formula == nullptr || reading.found);
  temper::reward::math::PlainText(text);
  return 0;
}
