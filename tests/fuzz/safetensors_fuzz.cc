// Feeds arbitrary bytes to the readers of weight files: headers, indices, quantised tensors. What
// is accepted must fit the file, and reading it gives finite numbers or an error.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/check.h"
#include "policy/model/folder/safetensors.h"
#include "policy/model/folder/stored_tensor.h"
#include "policy/model/folder/weight_shards.h"

namespace {

using namespace temper::model;  // the room under test

constexpr int64_t kFloatsMax = 1 << 16;

void ReadAll(const SafetensorsFile& file) {
  std::vector<std::string> problems;
  std::vector<float> values;
  for (const StoredTensor& tensor : JoinScales({&file, 1}, problems)) {
    if (!tensor.Unreadable().empty() || tensor.cols() > kFloatsMax || tensor.rows() == 0) continue;
    const int64_t rows =
        tensor.cols() == 0 ? 1 : std::min(tensor.rows(), kFloatsMax / tensor.cols());
    values.assign(rows * tensor.cols(), NAN);
    if (!tensor.ReadRows(tensor.rows() - rows, {values.data(), rows, tensor.cols()}).ok()) continue;
    for (const float value : values) TEMPER_CHECK(std::isfinite(value));
  }
}

void TryFile(std::span<const std::byte> bytes) {
  const auto file = SafetensorsFile::OfBytes("file", bytes);
  if (!file.ok()) {
    TEMPER_CHECK(!file.status().message().empty());
    return;
  }
  int64_t end = -1;
  for (const TensorEntry& entry : file->entries()) {
    TEMPER_CHECK(entry.begin >= 8 && entry.begin <= entry.end);
    TEMPER_CHECK(entry.end <= static_cast<int64_t>(bytes.size()));
    TEMPER_CHECK(end < 0 || entry.begin == end);
    end = entry.end;
  }
  ReadAll(*file);
}

void TryIndex(std::string_view text) {
  const auto files = ParseShardIndex(text, "index");
  if (!files.ok()) return;
  TEMPER_CHECK(!files->empty());
  for (const auto& [tensor, file] : *files) {
    TEMPER_CHECK(std::filesystem::path(file).filename() == file && file != "..");
  }
}

// Two bytes choose shape and kind, the rest are the numbers: the quantised readers without the
// luck of a header that fits.
void TryQuantised(const uint8_t* bytes, size_t size) {
  if (size < 3) return;
  const int64_t rows = 1 + bytes[0] % 4, blocks = 1 + (bytes[0] >> 2) % 4;
  const bool nvfp4 = bytes[1] % 2 == 0, by_row = bytes[1] % 4 < 2;
  auto entry = [end = int64_t{0}](const char* name, const char* dtype, std::string shape,
                                  int64_t length) mutable {
    const int64_t begin = end;
    end += length;
    return std::string("\"") + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape +
           "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(end) + "]}";
  };
  const auto pair = [](int64_t a, int64_t b) {
    return std::to_string(a) + "," + std::to_string(b);
  };
  std::string header = "{";
  int64_t total = 0;
  if (nvfp4) {
    header += entry("x.weight", "U8", pair(rows, 8 * blocks), rows * 8 * blocks) + ",";
    header += entry("x.weight_scale", "F8_E4M3", pair(rows, blocks), rows * blocks) + ",";
    header += entry("x.weight_scale_2", "F32", "", 4);
    total = rows * 9 * blocks + 4;
  } else {
    const int64_t scales = by_row ? rows : 1;
    header += entry("x.weight", "F8_E4M3", pair(rows, blocks), rows * blocks) + ",";
    header += entry("x.weight_scale", "F32", std::to_string(scales), 4 * scales);
    total = rows * blocks + 4 * scales;
  }
  header += "}";
  std::string file(8, '\0');
  const uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  file += header;
  for (int64_t i = 0; i < total; ++i) file += static_cast<char>(bytes[2 + i % (size - 2)]);
  TryFile(std::as_bytes(std::span(file)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  TryFile(std::as_bytes(std::span(bytes, size)));
  // The same bytes as the header alone, with a length that is right.
  std::string file(8, '\0');
  const uint64_t length = size;
  std::memcpy(file.data(), &length, 8);
  file.append(reinterpret_cast<const char*>(bytes), size);
  file.append(64, '\0');
  TryFile(std::as_bytes(std::span(file)));
  TryIndex({reinterpret_cast<const char*>(bytes), size});
  TryQuantised(bytes, size);
  return 0;
}
