// See fake_nccl.h.
#include "tests/kernels/cuda/fake_nccl.h"

#include "kernels/cuda/nccl_library.h"

namespace temper::kernels::cuda {

FakeNccl& TheFakeNccl() {
  static FakeNccl fake;
  return fake;
}

namespace {

class Library final : public NcclLibrary {
 public:
  absl::StatusOr<NcclId> NewId() override { return NcclId{}; }
  absl::StatusOr<NcclGroup> Join(const NcclId&, int, int) override {
    ++TheFakeNccl().joined;
    return static_cast<NcclGroup>(&TheFakeNccl());
  }
  NcclProgress Ask(NcclGroup) override { return Answer(); }
  NcclProgress Broadcast(NcclGroup, void*, int64_t, int, StreamHandle) override { return Answer(); }
  void Abort(NcclGroup) override { ++TheFakeNccl().aborted; }

 private:
  static NcclProgress Answer() {
    FakeNccl& fake = TheFakeNccl();
    if (!fake.failure.empty()) {
      return {.state = NcclProgress::State::kFailed, .words = fake.failure};
    }
    if (fake.answers_under_way == 0) return {};
    if (fake.answers_under_way > 0) --fake.answers_under_way;
    return {.state = NcclProgress::State::kUnderWay};
  }
};

}  // namespace

absl::StatusOr<NcclLibrary*> OpenNccl() {
  static Library library;
  return &library;
}

}  // namespace temper::kernels::cuda
