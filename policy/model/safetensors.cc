// Reads safetensors strictly and writes them plainly.
#include "policy/model/safetensors.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace temper::model {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

using Json = nlohmann::json;

constexpr uint64_t kHeaderBytesMax = 100'000'000;
constexpr size_t kLengthBytes = 8;

struct DtypeSize {
  std::string_view name;
  int64_t bytes;
};
constexpr std::array<DtypeSize, 15> kDtypes = {{{"F32", 4},
                                                {"BF16", 2},
                                                {"F16", 2},
                                                {"F64", 8},
                                                {"I64", 8},
                                                {"I32", 4},
                                                {"I16", 2},
                                                {"I8", 1},
                                                {"U64", 8},
                                                {"U32", 4},
                                                {"U16", 2},
                                                {"U8", 1},
                                                {"BOOL", 1},
                                                {"F8_E4M3", 1},
                                                {"F8_E5M2", 1}}};

std::optional<int64_t> BytesOf(std::string_view dtype) {
  for (const DtypeSize& known : kDtypes) {
    if (known.name == dtype) return known.bytes;
  }
  return std::nullopt;
}

template <class... Parts>
absl::Status Wrong(std::string_view place, const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(place), ": ", parts...));
}

// A whole number that fits in int64_t and is not negative.
std::optional<int64_t> Count(const Json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  const uint64_t number = value.get<uint64_t>();
  if (number > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  return static_cast<int64_t>(number);
}

absl::Status ParseShape(const Json& shape, const std::string& at, TensorEntry& entry) {
  if (!shape.is_array()) return Wrong(at, "shape: expected a list of sizes");
  entry.elements = 1;
  for (const Json& extent : shape) {
    const auto size = Count(extent);
    if (!size.has_value() || __builtin_mul_overflow(entry.elements, *size, &entry.elements)) {
      return Wrong(at, "shape: found ", shape.dump(), ", which is no list of sizes, or too large");
    }
    entry.shape.push_back(*size);
  }
  return absl::OkStatus();
}

absl::StatusOr<TensorEntry> ParseEntry(const std::string& name, const Json& object,
                                       std::string_view place) {
  const std::string at = absl::StrCat(std::string(place), ": tensor \"", name, "\"");
  TensorEntry entry{.name = name};
  if (!object.is_object()) return Wrong(at, "expected an object with dtype, shape, data_offsets");
  const Json dtype = object.value("dtype", Json());
  const auto bytes =
      dtype.is_string() ? BytesOf(dtype.get_ref<const std::string&>()) : std::optional<int64_t>();
  if (!bytes.has_value()) return Wrong(at, "dtype: found ", dtype.dump(), ", which is not known");
  entry.dtype = dtype.get<std::string>();
  TEMPER_RETURN_IF_ERROR(ParseShape(object.value("shape", Json()), at, entry));

  const Json offsets = object.value("data_offsets", Json());
  const bool pair = offsets.is_array() && offsets.size() == 2;
  const auto begin = pair ? Count(offsets[0]) : std::optional<int64_t>();
  const auto end = pair ? Count(offsets[1]) : std::optional<int64_t>();
  if (!begin.has_value() || !end.has_value() || *begin > *end) {
    return Wrong(at, "data_offsets: found ", offsets.dump(), ", expected [begin, end]");
  }
  entry.begin = *begin;
  entry.end = *end;
  int64_t expected = 0;
  if (__builtin_mul_overflow(entry.elements, *bytes, &expected) ||
      entry.end - entry.begin != expected) {
    return Wrong(at, "data_offsets span ", entry.end - entry.begin, " bytes, but ", entry.dtype,
                 " of shape ", ShapeText(entry.shape), " takes ", expected);
  }
  return entry;
}

// Sorts by place in the file; offsets become absolute.
absl::Status CheckSpans(std::vector<TensorEntry>& entries, int64_t data_start, int64_t file_bytes,
                        std::string_view place) {
  std::ranges::sort(entries, [](const TensorEntry& a, const TensorEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  int64_t end = 0;
  for (const TensorEntry& entry : entries) {
    if (entry.begin != end) {
      return Wrong(place, "tensor \"", entry.name, "\" starts at byte ", entry.begin,
                   " of the data, expected ", end, ": ",
                   entry.begin < end ? "it overlaps another" : "there is a hole before it");
    }
    end = entry.end;
  }
  if (end > INT64_MAX - data_start || data_start + end != file_bytes) {
    return Wrong(place, "expected ", absl::StrCat(static_cast<uint64_t>(data_start) + end),
                 " bytes by its header, found ", file_bytes,
                 data_start + static_cast<uint64_t>(end) > static_cast<uint64_t>(file_bytes)
                     ? ": the file is truncated; copy or download it again"
                     : ": there is more after the last tensor");
  }
  for (TensorEntry& entry : entries) {
    entry.begin += data_start;
    entry.end += data_start;
  }
  return absl::OkStatus();
}

float FromBf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

float FromF16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = bits >> 10 & 0x1F, mantissa = bits & 0x3FF;
  if (exponent == 0) {  // zero and subnormals: exact in float32
    const float value = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -value : value;
  }
  const uint32_t wide = exponent == 31 ? 0xFF : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

template <float (*kConvert)(uint16_t)>
void Widen(const std::byte* from, std::span<float> to) {
  for (size_t i = 0; i < to.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, from + 2 * i, sizeof(bits));
    to[i] = kConvert(bits);
  }
}

// "[3, 7]" for the element at `flat`.
std::string IndexText(std::span<const int64_t> shape, int64_t flat) {
  std::vector<int64_t> index(shape.size());
  for (size_t k = shape.size(); k-- > 0;) {
    index[k] = flat % shape[k];
    flat /= shape[k];
  }
  return ShapeText(index);
}

absl::Status WriteAll(int fd, const std::string& path, const void* data, size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t put = write(fd, at, size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoStatus(path, "cannot write");
    at += put;
    size -= put;
  }
  return absl::OkStatus();
}

std::string Header(const std::map<std::string, std::string>& metadata,
                   std::span<const TensorToWrite> tensors) {
  nlohmann::ordered_json header;
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t begin = 0;
  for (const TensorToWrite& tensor : tensors) {
    const int64_t end = begin + static_cast<int64_t>(tensor.values.size_bytes());
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

std::string ShapeText(std::span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::StatusOr<std::vector<TensorEntry>> ParseSafetensors(std::span<const std::byte> file,
                                                          std::string_view place) {
  if (file.size() < kLengthBytes) {
    return Wrong(place, "expected a safetensors file, found ", file.size(), " bytes");
  }
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), kLengthBytes);
  if (header_bytes > kHeaderBytesMax) {
    return Wrong(place, "found a header of ", header_bytes, " bytes, expected at most ",
                 kHeaderBytesMax, "; is it a safetensors file?");
  }
  if (header_bytes > file.size() - kLengthBytes) {
    return Wrong(place, "expected a header of ", header_bytes, " bytes, found ",
                 file.size() - kLengthBytes, ": the file is truncated");
  }
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes,
                              header_bytes);
  TEMPER_ASSIGN_OR_RETURN(const Json header,
                          ParseJson(text, absl::StrCat(std::string(place), " (header)")));
  if (!header.is_object()) return Wrong(place, "the header is no JSON object");
  std::vector<TensorEntry> entries;
  for (const auto& [name, object] : header.items()) {
    if (name == "__metadata__") continue;
    TEMPER_ASSIGN_OR_RETURN(TensorEntry entry, ParseEntry(name, object, place));
    entries.push_back(std::move(entry));
  }
  TEMPER_RETURN_IF_ERROR(CheckSpans(entries, static_cast<int64_t>(kLengthBytes + header_bytes),
                                    static_cast<int64_t>(file.size()), place));
  return entries;
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  TEMPER_ASSIGN_OR_RETURN(std::vector<TensorEntry> entries, ParseSafetensors(file.bytes(), path));
  return SafetensorsFile(path, std::move(file), std::move(entries));
}

absl::Status SafetensorsFile::ReadFloats(const TensorEntry& entry, std::span<float> values) const {
  TEMPER_CHECK(static_cast<int64_t>(values.size()) == entry.elements);
  const std::byte* from = file_.bytes().data() + entry.begin;
  if (entry.dtype == "F32") {
    if (!values.empty()) std::memcpy(values.data(), from, values.size_bytes());
  } else if (entry.dtype == "BF16") {
    Widen<FromBf16>(from, values);
  } else if (entry.dtype == "F16") {
    Widen<FromF16>(from, values);
  } else {
    return Wrong(path_, "tensor \"", entry.name, "\": found ", entry.dtype,
                 ", expected F32, F16 or BF16");
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    return Wrong(path_, "tensor \"", entry.name, "\" at ",
                 IndexText(entry.shape, static_cast<int64_t>(i)), ": found ", values[i],
                 ", expected finite numbers");
  }
  return absl::OkStatus();
}

absl::Status WriteSafetensors(const std::string& path,
                              const std::map<std::string, std::string>& metadata,
                              std::span<const TensorToWrite> tensors) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(path, "cannot create");
  const auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  const std::string header = Header(metadata, tensors);
  const uint64_t length = header.size();
  TEMPER_RETURN_IF_ERROR(WriteAll(fd, path, &length, kLengthBytes));
  TEMPER_RETURN_IF_ERROR(WriteAll(fd, path, header.data(), header.size()));
  for (const TensorToWrite& tensor : tensors) {
    TEMPER_RETURN_IF_ERROR(WriteAll(fd, path, tensor.values.data(), tensor.values.size_bytes()));
  }
  if (fsync(fd) != 0) return ErrnoStatus(path, "cannot sync");
  return absl::OkStatus();
}

}  // namespace temper::model
