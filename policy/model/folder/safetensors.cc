// Reads safetensors strictly.
#include "policy/model/folder/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/model/folder/number_formats.h"

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

// As it stands in the header, control characters escaped, cut when long.
std::string Shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 200) text = text.substr(0, 197) + "...";
  return text;
}

absl::Status ParseShape(const Json& shape, const std::string& at, TensorEntry& entry) {
  if (!shape.is_array()) {
    return Wrong(at, "shape: found ", Shown(shape), ", expected a list of sizes");
  }
  entry.elements = 1;
  for (const Json& extent : shape) {
    const auto size = Count(extent);
    if (!size.has_value() || __builtin_mul_overflow(entry.elements, *size, &entry.elements)) {
      return Wrong(at, "shape: found ", Shown(shape), ", which is no list of sizes, or too large");
    }
    entry.shape.push_back(*size);
  }
  return absl::OkStatus();
}

absl::StatusOr<TensorEntry> ParseEntry(const std::string& name, const Json& object,
                                       std::string_view place) {
  const std::string at = absl::StrCat(std::string(place), ": tensor ", Shown(name));
  TensorEntry entry{.name = name};
  if (!object.is_object()) {
    return Wrong(at, "found ", Shown(object),
                 ", expected an object with dtype, shape, data_offsets");
  }
  const Json dtype = object.value("dtype", Json());
  const auto bytes =
      dtype.is_string() ? BytesOfDtype(dtype.get_ref<const std::string&>()) : std::nullopt;
  if (!bytes.has_value()) {
    return Wrong(at, "dtype: found ", Shown(dtype), ", expected one of ",
                 absl::StrJoin(kDtypes, ", ", [](std::string* text, const DtypeSize& known) {
                   text->append(known.name);
                 }));
  }
  entry.dtype = dtype.get<std::string>();
  TEMPER_RETURN_IF_ERROR(ParseShape(object.value("shape", Json()), at, entry));

  const Json offsets = object.value("data_offsets", Json());
  const bool pair = offsets.is_array() && offsets.size() == 2;
  const auto begin = pair ? Count(offsets[0]) : std::optional<int64_t>();
  const auto end = pair ? Count(offsets[1]) : std::optional<int64_t>();
  if (!begin.has_value() || !end.has_value() || *begin > *end) {
    return Wrong(at, "data_offsets: found ", Shown(offsets), ", expected [begin, end]");
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
      return Wrong(place, "tensor ", Shown(entry.name), " starts at byte ", entry.begin,
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

absl::Status ParseMetadata(const Json& object, std::string_view place,
                           std::map<std::string, std::string>& metadata) {
  if (!object.is_object()) {
    return Wrong(place, "__metadata__: found ", Shown(object), ", expected an object of texts");
  }
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) {
      return Wrong(place, "__metadata__: ", Shown(key), ": found ", Shown(value),
                   ", expected a text");
    }
    metadata[key] = value.get<std::string>();
  }
  return absl::OkStatus();
}

// What a file is whose first bytes cannot be the length of a header.
std::string_view Recognised(std::string_view file) {
  if (file.starts_with("GGUF")) return "a GGUF file; convert it to safetensors first";
  if (file.starts_with("PK\3\4") || file.starts_with("\x80\x02")) {
    return "a pickle of PyTorch, which is never loaded; convert it to safetensors first";
  }
  if (file.starts_with("version https://git-lfs")) {
    return "a pointer of git-lfs, not the file itself; run `git lfs pull` in its folder";
  }
  return "no safetensors file";
}

// The JSON between the length and the tensors.
absl::StatusOr<std::string_view> HeaderText(std::span<const std::byte> file,
                                            std::string_view place) {
  if (file.size() < kLengthBytes) {
    return Wrong(place, "expected a safetensors file, found ", file.size(), " bytes");
  }
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  uint64_t bytes = 0;
  std::memcpy(&bytes, file.data(), kLengthBytes);
  if (bytes > kHeaderBytesMax) {
    return Wrong(place, "found a header of ", bytes, " bytes, expected at most ", kHeaderBytesMax,
                 ": this is ", std::string(Recognised(text)));
  }
  if (bytes > file.size() - kLengthBytes) {
    return Wrong(place, "expected a header of ", bytes, " bytes, found ",
                 file.size() - kLengthBytes, ": the file is truncated");
  }
  const std::string_view header = text.substr(kLengthBytes, bytes);
  if (!header.starts_with('{')) return Wrong(place, "the header is no JSON object {...}");
  return header;
}

}  // namespace

std::string ShapeText(std::span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

std::string IndexText(std::span<const int64_t> shape, int64_t flat) {
  std::vector<int64_t> index(shape.size());
  for (size_t k = shape.size(); k-- > 0;) {
    index[k] = flat % shape[k];
    flat /= shape[k];
  }
  return ShapeText(index);
}

std::optional<int64_t> BytesOfDtype(std::string_view dtype) {
  for (const DtypeSize& known : kDtypes) {
    if (known.name == dtype) return known.bytes;
  }
  return std::nullopt;
}

absl::StatusOr<SafetensorsHeader> ParseSafetensors(std::span<const std::byte> file,
                                                   std::string_view place) {
  TEMPER_ASSIGN_OR_RETURN(const std::string_view text, HeaderText(file, place));
  TEMPER_ASSIGN_OR_RETURN(const Json object,
                          ParseJson(text, absl::StrCat(std::string(place), " (header)")));
  SafetensorsHeader header;
  for (const auto& [name, value] : object.items()) {
    if (name == "__metadata__") {
      TEMPER_RETURN_IF_ERROR(ParseMetadata(value, place, header.metadata));
      continue;
    }
    TEMPER_ASSIGN_OR_RETURN(TensorEntry entry, ParseEntry(name, value, place));
    header.entries.push_back(std::move(entry));
  }
  TEMPER_RETURN_IF_ERROR(CheckSpans(header.entries,
                                    static_cast<int64_t>(kLengthBytes + text.size()),
                                    static_cast<int64_t>(file.size()), place));
  return header;
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  const std::span<const std::byte> bytes = file.bytes();
  TEMPER_ASSIGN_OR_RETURN(SafetensorsHeader header, ParseSafetensors(bytes, path));
  file.WillReadInOrder();
  return SafetensorsFile(path, std::move(file), bytes, std::move(header));
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::OfBytes(const std::string& place,
                                                         std::span<const std::byte> bytes) {
  TEMPER_ASSIGN_OR_RETURN(SafetensorsHeader header, ParseSafetensors(bytes, place));
  return SafetensorsFile(place, std::nullopt, bytes, std::move(header));
}

absl::StatusOr<std::span<const std::byte>> SafetensorsFile::Load(int64_t begin,
                                                                 int64_t size) const {
  TEMPER_CHECK(begin >= 0 && size >= 0 && begin + size <= static_cast<int64_t>(bytes_.size()));
  if (mapped_.has_value()) {
    const absl::Status loaded = mapped_->Load(begin, size);
    if (!loaded.ok()) {
      return absl::Status(loaded.code(), absl::StrCat(path_, ": ", std::string(loaded.message())));
    }
  }
  return bytes_.subspan(begin, size);
}

void SafetensorsFile::Release(int64_t begin, int64_t size) const {
  if (mapped_.has_value()) mapped_->Release(begin, size);
}

absl::Status SafetensorsFile::ReadFloats(const TensorEntry& entry, std::span<float> values) const {
  TEMPER_CHECK(static_cast<int64_t>(values.size()) == entry.elements);
  const std::string at = absl::StrCat(path_, ": tensor ", Shown(entry.name));
  if (!IsFloatDtype(entry.dtype)) {
    return Wrong(at, "found ", entry.dtype, ", expected floating-point numbers");
  }
  TEMPER_ASSIGN_OR_RETURN(const std::span<const std::byte> bytes,
                          Load(entry.begin, entry.end - entry.begin));
  WidenTo(entry.dtype, bytes.data(), values);
  const int64_t bad = FirstNotFinite(values);
  if (bad < 0) return absl::OkStatus();
  return Wrong(absl::StrCat(at, " at ", IndexText(entry.shape, bad)), "found ", values[bad],
               ", expected finite numbers");
}

}  // namespace temper::model
