// Finds the scales of quantised weights and multiplies them in while reading.
#include "policy/model/folder/stored_tensor.h"

#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "policy/model/folder/number_formats.h"

namespace temper::model {
namespace {

constexpr int64_t kBlock = 16;  // NVFP4: columns that share a scale
constexpr std::string_view kScale = "_scale", kScale2 = "_scale_2";

struct Place {
  const SafetensorsFile* file = nullptr;
  const TensorEntry* entry = nullptr;
};
using Places = std::map<std::string_view, Place>;

// "X.weight" of "X.weight_scale" and "X.weight_scale_2"; empty for other names.
std::string_view WeightOfScale(std::string_view name) {
  for (const std::string_view suffix : {kScale2, kScale}) {
    if (!name.ends_with(suffix)) continue;
    const std::string_view weight = name.substr(0, name.size() - suffix.size());
    if (weight.ends_with(".weight")) return weight;
  }
  return "";
}

const Place* Find(const Places& places, const std::string& name) {
  const auto at = places.find(name);
  return at == places.end() ? nullptr : &at->second;
}

// Reads scales of `count` numbers or of one.
bool ReadScales(const Place& place, int64_t count, std::vector<float>& scales,
                std::vector<std::string>& problems) {
  const TensorEntry& entry = *place.entry;
  if (entry.elements != 1 && entry.elements != count) {
    problems.push_back(absl::StrCat(
        entry.name, " has shape ", ShapeText(entry.shape), ", expected one number",
        count == 1 ? std::string() : absl::StrCat(", or one for each of ", count, " rows")));
    return false;
  }
  scales.resize(entry.elements);
  const absl::Status status = place.file->ReadFloats(entry, scales);
  if (!status.ok()) problems.push_back(std::string(status.message()));
  return status.ok();
}

void JoinFp8(const Place& scale, StoredTensor& tensor, std::vector<std::string>& problems) {
  if (ReadScales(scale, tensor.rows(), tensor.scales, problems)) {
    tensor.encoding = StoredTensor::Encoding::kFp8;
  }
}

void JoinNvfp4(const Place& blocks, const Place* scale_2, StoredTensor& tensor,
               std::vector<std::string>& problems) {
  const std::string& name = tensor.entry->name;
  std::vector<int64_t> expected = tensor.shape;
  if (expected.size() < 2 || expected.back() % (kBlock / 2) != 0) {
    problems.push_back(absl::StrCat(name, " has shape ", ShapeText(expected),
                                    ", expected bytes of pairs of columns, eight for each scale"));
    return;
  }
  expected.back() /= kBlock / 2;
  if (blocks.entry->dtype != "F8_E4M3" || blocks.entry->shape != expected) {
    problems.push_back(absl::StrCat(blocks.entry->name, " is ", blocks.entry->dtype, " of shape ",
                                    ShapeText(blocks.entry->shape), ", expected F8_E4M3 of shape ",
                                    ShapeText(expected)));
    return;
  }
  if (scale_2 == nullptr) {
    problems.push_back(absl::StrCat(name, "_scale_2 is missing, expected one number"));
    return;
  }
  if (!ReadScales(*scale_2, 1, tensor.scales, problems)) return;
  tensor.encoding = StoredTensor::Encoding::kNvfp4;
  tensor.shape.back() *= 2;
  tensor.block_file = blocks.file;
  tensor.blocks = blocks.entry;
}

void JoinScalesOf(const Places& places, StoredTensor& tensor, std::vector<std::string>& problems) {
  const std::string& name = tensor.entry->name;
  const Place* scale = Find(places, name + std::string(kScale));
  const Place* scale_2 = Find(places, name + std::string(kScale2));
  if (scale == nullptr && scale_2 == nullptr) return;
  const std::string& dtype = tensor.entry->dtype;
  if (scale != nullptr && dtype == "U8") {
    JoinNvfp4(*scale, scale_2, tensor, problems);
  } else if (scale != nullptr && scale_2 == nullptr && dtype == "F8_E4M3") {
    JoinFp8(*scale, tensor, problems);
  } else {
    problems.push_back(absl::StrCat(
        name, " is ", dtype, " beside ", (scale != nullptr ? scale : scale_2)->entry->name,
        ", expected F8_E4M3 with weight_scale or U8 with weight_scale and weight_scale_2"));
  }
}

int64_t RowBytes(const TensorEntry& entry, int64_t rows) {
  return rows == 0 ? 0 : (entry.end - entry.begin) / rows;
}

// One row of NVFP4. packed: cols/2 bytes  blocks: cols/16 scales
void UnpackNvfp4(const std::byte* packed, const std::byte* blocks, float scale_2,
                 std::span<float> row) {
  for (size_t begin = 0; begin < row.size(); begin += kBlock) {
    const float block = FromE4m3(static_cast<uint8_t>(blocks[begin / kBlock]));
    for (size_t i = begin; i < begin + kBlock; i += 2) {
      const uint8_t pair = static_cast<uint8_t>(packed[i / 2]);
      // The first product is exact: two bits of mantissa times four.
      row[i] = FromE2m1(pair & 15) * block * scale_2;
      row[i + 1] = FromE2m1(pair >> 4) * block * scale_2;
    }
  }
}

}  // namespace

int64_t StoredTensor::rows() const {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

std::string StoredTensor::Format() const {
  return encoding == Encoding::kNvfp4 ? "NVFP4" : entry->dtype;
}

std::string StoredTensor::Unreadable() const {
  if (encoding != Encoding::kPlain || IsFloatDtype(entry->dtype)) return "";
  return absl::StrCat(entry->name, " is ", entry->dtype, ", expected floating-point numbers",
                      entry->dtype == "U8" ? ", or NVFP4 with its weight_scale" : "");
}

absl::StatusOr<std::span<const std::byte>> StoredTensor::LoadRows(int64_t first,
                                                                  int64_t rows) const {
  const int64_t bytes = RowBytes(*entry, this->rows());
  return file->Load(entry->begin + first * bytes, rows * bytes);
}

void StoredTensor::Release(int64_t first, int64_t rows) const {
  const int64_t bytes = RowBytes(*entry, this->rows());
  file->Release(entry->begin + first * bytes, rows * bytes);
}

absl::Status StoredTensor::NotFinite(int64_t first, int64_t at, float found) const {
  return absl::InvalidArgumentError(absl::StrCat(file->path(), ": tensor \"", entry->name, "\" at ",
                                                 IndexText(shape, first * cols() + at), ": found ",
                                                 found, ", expected finite numbers"));
}

absl::Status StoredTensor::ReadRows(int64_t first, kernels::View<float> values) const {
  TEMPER_CHECK(first >= 0 && first + values.rows <= rows() && values.cols == cols());
  TEMPER_CHECK(Unreadable().empty());
  TEMPER_ASSIGN_OR_RETURN(const std::span<const std::byte> stored, LoadRows(first, values.rows));
  const bool nvfp4 = encoding == Encoding::kNvfp4;
  const int64_t bytes = RowBytes(*entry, rows()), block_bytes = nvfp4 ? cols() / kBlock : 0;
  std::span<const std::byte> block_scales;
  if (nvfp4) {
    TEMPER_ASSIGN_OR_RETURN(block_scales, block_file->Load(blocks->begin + first * block_bytes,
                                                           values.rows * block_bytes));
  }
  for (int64_t i = 0; i < values.rows; ++i) {
    const std::span<float> row(values.row(i), values.cols);
    if (nvfp4) {
      UnpackNvfp4(stored.data() + i * bytes, block_scales.data() + i * block_bytes, scales[0], row);
    } else {
      WidenTo(entry->dtype, stored.data() + i * bytes, row);
    }
    if (encoding == Encoding::kFp8) {
      const float scale = scales.size() == 1 ? scales[0] : scales[first + i];
      for (float& value : row) value *= scale;
    }
    const int64_t bad = FirstNotFinite(row);
    if (bad >= 0) return NotFinite(first + i, bad, row[bad]);
  }
  return absl::OkStatus();
}

std::vector<StoredTensor> JoinScales(std::span<const SafetensorsFile> files,
                                     std::vector<std::string>& problems) {
  Places places;
  for (const SafetensorsFile& file : files) {
    for (const TensorEntry& entry : file.entries())
      places.emplace(entry.name, Place{&file, &entry});
  }
  std::vector<StoredTensor> tensors;
  for (const SafetensorsFile& file : files) {
    for (const TensorEntry& entry : file.entries()) {
      const std::string_view weight = WeightOfScale(entry.name);
      if (!weight.empty() && places.contains(weight)) continue;
      StoredTensor tensor{.file = &file, .entry = &entry, .shape = entry.shape};
      JoinScalesOf(places, tensor, problems);
      tensors.push_back(std::move(tensor));
    }
  }
  return tensors;
}

}  // namespace temper::model
