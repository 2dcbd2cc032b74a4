// Feeds arbitrary responses, golds and metadata to the other verifiers of text. Two bytes choose
// the verifier and its settings; then the response, NUL, the gold answer, NUL, the metadata.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "reward/registry.h"
#include "temper/v1/run_spec.pb.h"
#include "tests/fuzz/judgement_check.h"

namespace {

constexpr const char* kVerifiers[] = {"choice", "match",      "thinking", "language",
                                      "length", "repetition", "citation", "tool_call"};

std::string_view TakeField(std::string_view& text) {
  const size_t nul = text.find('\0');
  const std::string_view field = text.substr(0, nul);
  text = nul == text.npos ? "" : text.substr(nul + 1);
  return field;
}

temper::v1::RubricPart PartOf(const std::string& verifier, unsigned settings) {
  temper::v1::RubricPart part;
  part.set_verifier(verifier);
  const bool odd = settings % 2 == 1;
  if (verifier == "choice") {
    if (odd) part.mutable_choice()->set_letters("ABCDE");
  } else if (verifier == "match") {
    constexpr const char* kModes[] = {"exact", "contains", "numeric", "regex"};
    part.mutable_match()->set_mode(kModes[settings % 4]);
    if (settings & 8) part.set_extract("boxed");
    if ((settings & 16) && settings % 4 == 2) part.mutable_match()->set_tolerance(0.5);
  } else if (verifier == "thinking") {
    part.mutable_thinking()->set_mode(odd ? "off" : "on");
    part.mutable_thinking()->set_opened_by_prompt((settings & 2) != 0);
  } else if (verifier == "language") {
    constexpr const char* kCodes[] = {"", "en", "ja", "zh", "ru", "ar", "sr", "ko"};
    part.mutable_language()->set_language(kCodes[settings % 8]);
    part.mutable_language()->set_letters_min(3);
    part.mutable_language()->set_fraction((settings & 8) != 0);
  } else if (verifier == "length") {
    part.mutable_length()->set_unit(odd ? "words" : "characters");
    part.mutable_length()->set_max(50);
    part.mutable_length()->set_buffer((settings & 2) != 0 ? 20 : 0);
  } else if (verifier == "repetition") {
    part.mutable_repetition()->set_n(static_cast<int>(1 + settings % 32));
    part.mutable_repetition()->set_free_share(0);
  } else if (verifier == "citation") {
    part.mutable_citation()->set_min(static_cast<int>(settings % 3));
  } else if (verifier == "tool_call") {
    constexpr const char* kFormats[] = {"auto", "hermes", "nemotron", "json"};
    part.mutable_tool_call()->set_format(kFormats[settings % 4]);
    part.mutable_tool_call()->set_fraction((settings & 4) != 0);
    part.mutable_tool_call()->set_order((settings & 8) != 0 ? "given" : "any");
  }
  return part;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  std::string_view text(reinterpret_cast<const char*>(bytes) + 2, size - 2);
  const auto verifier =
      temper::reward::MakeVerifier(PartOf(kVerifiers[bytes[0] % std::size(kVerifiers)], bytes[1]));
  TEMPER_CHECK(verifier.ok());
  temper::reward::Response response;
  response.text = TakeField(text);
  response.gold = TakeField(text);
  response.metadata = text;
  response.prompt = response.gold;
  temper::reward::CheckJudgement((*verifier)->Judge(response));
  return 0;
}
