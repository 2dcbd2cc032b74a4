// Feeds arbitrary bytes to the reader of safetensors headers; what is accepted must fit the file.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/check.h"
#include "policy/model/safetensors.h"

namespace {

void Try(std::span<const std::byte> file) {
  const auto header = temper::model::ParseSafetensors(file, "file");
  if (!header.ok()) return;
  int64_t end = -1;
  for (const temper::model::TensorEntry& entry : header->entries) {
    TEMPER_CHECK(entry.begin >= 8 && entry.begin <= entry.end);
    TEMPER_CHECK(entry.end <= static_cast<int64_t>(file.size()));
    TEMPER_CHECK(end < 0 || entry.begin == end);
    end = entry.end;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Try(std::as_bytes(std::span(bytes, size)));
  // The same bytes as the header alone, with a length that is right.
  std::string file(8, '\0');
  const uint64_t length = size;
  std::memcpy(file.data(), &length, 8);
  file.append(reinterpret_cast<const char*>(bytes), size);
  file.append(64, '\0');
  Try(std::as_bytes(std::span(file)));
  return 0;
}
