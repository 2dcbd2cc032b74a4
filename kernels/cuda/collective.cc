// Ranks over NCCL: nothing waits without a deadline, and whoever gives up aborts.
#include "kernels/collective.h"

#include <chrono>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/nccl_library.h"

namespace temper::kernels {

namespace {

using cuda::NcclProgress;

class NcclCollective final : public Collective {
 public:
  NcclCollective(cuda::NcclLibrary& library, Device& device, cuda::NcclGroup group, int rank,
                 int ranks)
      : library_(library), device_(device), group_(group), rank_(rank), ranks_(ranks) {}
  ~NcclCollective() override { library_.Abort(group_); }

  int rank() const override { return rank_; }
  int ranks() const override { return ranks_; }

  absl::Status Broadcast(void* data, int64_t bytes, int root, absl::Duration limit) override {
    if (!failure_.ok()) return failure_;
    if (root < 0 || root >= ranks_) {
      return absl::InvalidArgumentError(
          absl::StrCat("root ", root, ": expected 0 to ", ranks_ - 1));
    }
    const absl::Time deadline = absl::Now() + limit;
    const cuda::StreamHandle stream = cuda::BeginOp(device_.stream()).handle();
    failure_ =
        Await(library_.Broadcast(group_, data, bytes, root, stream), deadline, "a broadcast");
    while (failure_.ok() && !cuda::IsDone(stream)) {
      // The kernel may wait for a rank that has died: NCCL knows.
      failure_ = Await(library_.Ask(group_), deadline, "a broadcast");
      if (failure_.ok() && absl::Now() > deadline) failure_ = Late("a broadcast");
      std::this_thread::yield();
    }
    return failure_;
  }

  // Until what was begun is under way on the device.
  absl::Status Await(NcclProgress progress, absl::Time deadline, const char* what) {
    while (progress.state == NcclProgress::State::kUnderWay) {
      if (absl::Now() > deadline) return Late(what);
      std::this_thread::yield();
      progress = library_.Ask(group_);
    }
    if (progress.state == NcclProgress::State::kDone) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("NCCL: ", what, ": ", progress.words));
  }

 private:
  absl::Status Late(const char* what) const {
    return absl::DeadlineExceededError(
        absl::StrCat(what, " among ", ranks_, " ranks: not all have done their part in time"));
  }

  cuda::NcclLibrary& library_;
  Device& device_;
  const cuda::NcclGroup group_;
  const int rank_, ranks_;
  absl::Status failure_;  // of an earlier call: the ranks no longer agree on what comes next
};

}  // namespace

absl::StatusOr<std::string> NewCollectiveId() {
  absl::StatusOr<cuda::NcclLibrary*> library = cuda::OpenNccl();
  if (!library.ok()) return library.status();
  const absl::StatusOr<cuda::NcclId> id = (*library)->NewId();
  if (!id.ok()) return id.status();
  return std::string(id->data(), id->size());
}

absl::StatusOr<std::unique_ptr<Collective>> JoinCollective(Device& device, std::string_view id,
                                                           int rank, int ranks,
                                                           absl::Duration limit) {
  cuda::NcclId native;
  if (id.size() != native.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a collective's id of ", id.size(), " bytes: expected ", native.size()));
  }
  if (ranks < 1 || rank < 0 || rank >= ranks) {
    return absl::InvalidArgumentError(absl::StrCat("rank ", rank, " of ", ranks));
  }
  if (device.shares_host_memory()) {
    return absl::InvalidArgumentError("collectives are for GPUs, and this device is a CPU");
  }
  absl::StatusOr<cuda::NcclLibrary*> library = cuda::OpenNccl();
  if (!library.ok()) return library.status();
  std::memcpy(native.data(), id.data(), native.size());
  const absl::Time deadline = absl::Now() + limit;
  cuda::BeginOp(device.stream());  // the device is current now
  const absl::StatusOr<cuda::NcclGroup> group = (*library)->Join(native, rank, ranks);
  if (!group.ok()) return group.status();
  auto joined = std::make_unique<NcclCollective>(**library, device, *group, rank, ranks);
  if (absl::Status all = joined->Await((*library)->Ask(*group), deadline, "joining"); !all.ok()) {
    return all;
  }
  return joined;
}

}  // namespace temper::kernels
