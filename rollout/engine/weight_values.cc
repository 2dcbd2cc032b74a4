// Mapping, allocating and letting go of weights.
#include "rollout/engine/weight_values.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace temper::rollout {

WeightValues WeightValues::Allocate(int64_t floats) {
  WeightValues values;
  const size_t bytes = floats * sizeof(float);
  values.owned_.reset(static_cast<float*>(::operator new[](bytes, std::align_val_t{64})));
  std::memset(values.owned_.get(), 0, bytes);
  values.floats_ = {values.owned_.get(), static_cast<size_t>(floats)};
  return values;
}

WeightValues::WeightValues(MappedFile file) : file_(std::move(file)) {
  const std::span<const std::byte> bytes = file_->bytes();
  TEMPER_CHECK(bytes.size() % sizeof(float) == 0);
  floats_ = {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

void WeightValues::ReleasePacked(const model::ParameterLayout& layout) const {
  if (!file_.has_value()) return;
  const uintptr_t page = sysconf(_SC_PAGESIZE);
  for (const model::ParameterSpec& spec : layout.specs()) {
    // A tied embedding is also the table that tokens are looked up in.
    if (!spec.packed || spec.offset == layout.embeddings()) continue;
    const uintptr_t from = reinterpret_cast<uintptr_t>(floats_.data() + spec.offset);
    const uintptr_t begin = (from + page - 1) / page * page;
    const uintptr_t end = (from + spec.size * sizeof(float)) / page * page;
    // Advice only: a refusal costs memory, nothing else.
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

}  // namespace temper::rollout
