// All first moments in layout order, then all second ones; reading expects exactly that.
#include "policy/learner/moments_file.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "policy/model/folder/safetensors.h"
#include "policy/model/folder/safetensors_writer.h"

namespace temper::learner {
namespace {

constexpr char kFirst[] = ".exp_avg";
constexpr char kSecond[] = ".exp_avg_sq";

void List(const model::ParameterLayout& layout, const char* suffix, std::span<const float> moment,
          std::vector<model::TensorToWrite>& tensors) {
  for (const model::ParameterSpec& spec : layout.specs()) {
    tensors.push_back({spec.name + suffix, spec.shape, moment.subspan(spec.offset, spec.size)});
  }
}

absl::Status ReadMoment(const model::SafetensorsFile& file,
                        std::span<const model::TensorEntry> entries,
                        const model::ParameterLayout& layout, const char* suffix,
                        std::span<float> moment) {
  for (size_t i = 0; i < entries.size(); ++i) {
    const model::ParameterSpec& spec = layout.specs()[i];
    const model::TensorEntry& entry = entries[i];
    if (entry.name != spec.name + suffix || entry.shape != spec.shape) {
      return absl::DataLossError(
          absl::StrCat(file.path(), ": found ", entry.name, " ", model::ShapeText(entry.shape),
                       ", expected ", spec.name, suffix, " ", model::ShapeText(spec.shape)));
    }
    TEMPER_RETURN_IF_ERROR(file.ReadFloats(entry, moment.subspan(spec.offset, spec.size)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteMoments(const std::string& path, const model::ParameterLayout& layout,
                          std::span<const float> first, std::span<const float> second) {
  std::vector<model::TensorToWrite> tensors;
  List(layout, kFirst, first, tensors);
  List(layout, kSecond, second, tensors);
  return model::WriteSafetensors(path, {{"format", "pt"}}, tensors);
}

absl::Status ReadMoments(const std::string& path, const model::ParameterLayout& layout,
                         std::span<float> first, std::span<float> second) {
  TEMPER_ASSIGN_OR_RETURN(const model::SafetensorsFile file, model::SafetensorsFile::Open(path));
  const std::span<const model::TensorEntry> entries = file.entries();
  const size_t tensors = layout.specs().size();
  if (entries.size() != 2 * tensors) {
    return absl::DataLossError(
        absl::StrCat(path, ": ", entries.size(), " tensors, expected ", 2 * tensors));
  }
  TEMPER_RETURN_IF_ERROR(ReadMoment(file, entries.first(tensors), layout, kFirst, first));
  return ReadMoment(file, entries.last(tensors), layout, kSecond, second);
}

}  // namespace temper::learner
