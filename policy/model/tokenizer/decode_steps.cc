// Each step rewrites the token; ByteLevel and ByteFallback make bytes of it.
#include "policy/model/tokenizer/decode_steps.h"

#include <charconv>
#include <optional>

#include "base/utf8.h"
#include "policy/model/tokenizer/byte_alphabet.h"

namespace temper::model {
namespace {

// <0x0A> is the byte 10.
std::optional<char> FallbackByte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  uint8_t byte = 0;
  const char* const end = token.data() + 5;
  if (std::from_chars(token.data() + 3, end, byte, 16).ptr != end) return std::nullopt;
  return static_cast<char>(byte);
}

std::string Stripped(const EdgeStrip& strip, std::string_view token) {
  token.remove_prefix(strip.AtStart(token, strip.start));
  token.remove_suffix(strip.AtEnd(token, strip.stop));
  return std::string(token);
}

}  // namespace

std::string DecodeSteps::Bytes(std::string_view token, bool added) const {
  std::string bytes(token);
  for (const Step& step : steps_) {
    if (std::holds_alternative<ByteLevelDecode>(step)) {
      std::optional<std::string> raw = added ? std::nullopt : BytesOfText(bytes);
      if (raw.has_value()) bytes = *std::move(raw);
    } else if (std::holds_alternative<ByteFallbackDecode>(step)) {
      if (const auto byte = FallbackByte(bytes)) bytes.assign(1, *byte);
    } else if (const auto* replace = std::get_if<ReplaceStep>(&step)) {
      if (ValidUtf8Bytes(bytes) == bytes.size()) bytes = replace->Replaced(bytes);
    } else {
      bytes = Stripped(std::get<EdgeStrip>(step), bytes);
    }
  }
  return bytes;
}

}  // namespace temper::model
