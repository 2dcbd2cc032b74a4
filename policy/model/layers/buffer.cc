// Takes buffer memory from the system, in huge pages where it is large.
#include "policy/model/layers/buffer.h"

#include <sys/mman.h>

#include "base/check.h"

namespace temper::model {

namespace {
constexpr int64_t kLine = 64;
constexpr int64_t kHugePage = int64_t{2} << 20;
}  // namespace

void Buffer::Grow(int64_t count) {
  floats_.reset();  // first: the old and the new need not fit together
  const int64_t wanted = count * static_cast<int64_t>(sizeof(float));
  const int64_t unit = wanted >= 2 * kHugePage ? kHugePage : kLine;
  const int64_t bytes = (wanted + unit - 1) / unit * unit;
  floats_.reset(static_cast<float*>(std::aligned_alloc(unit, bytes)));
  TEMPER_CHECK(floats_ != nullptr);
  // A hint only: fewer page faults and TLB misses where the kernel grants it.
  if (unit == kHugePage) madvise(floats_.get(), bytes, MADV_HUGEPAGE);
  capacity_ = bytes / static_cast<int64_t>(sizeof(float));
}

}  // namespace temper::model
