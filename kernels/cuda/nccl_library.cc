// Asks NCCL. Compiled, but never yet run on GPUs.
#include "kernels/cuda/nccl_library.h"

#include <dlfcn.h>
#include <nccl.h>

#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"

namespace temper::kernels::cuda {

namespace {

constexpr const char* kName = "libnccl.so.2";
constexpr int kVersionMin = 21400;  // 2.14: communicators that do not block

static_assert(sizeof(ncclUniqueId) == sizeof(NcclId));

// Its functions by name: whether it is there shows when it is asked for.
struct Functions {
  decltype(&ncclGetVersion) get_version = nullptr;
  decltype(&ncclGetUniqueId) get_unique_id = nullptr;
  decltype(&ncclCommInitRankConfig) init_rank = nullptr;
  decltype(&ncclCommGetAsyncError) get_async_error = nullptr;
  decltype(&ncclGetErrorString) get_error_string = nullptr;
  decltype(&ncclBroadcast) broadcast = nullptr;
  decltype(&ncclCommAbort) abort = nullptr;
};

template <class Function>
bool Find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

class Nccl final : public NcclLibrary {
 public:
  explicit Nccl(const Functions& functions) : functions_(functions) {}

  absl::StatusOr<NcclId> NewId() override {
    ncclUniqueId native;
    if (const ncclResult_t result = functions_.get_unique_id(&native); result != ncclSuccess) {
      return absl::UnavailableError(absl::StrCat("NCCL: a new id: ", Words(result)));
    }
    NcclId id;
    std::memcpy(id.data(), &native, id.size());
    return id;
  }

  absl::StatusOr<NcclGroup> Join(const NcclId& id, int rank, int ranks) override {
    ncclUniqueId native;
    std::memcpy(&native, id.data(), id.size());
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    ncclComm_t group = nullptr;
    const ncclResult_t result = functions_.init_rank(&group, ranks, native, rank, &config);
    if (result != ncclSuccess && result != ncclInProgress) {
      return absl::UnavailableError(absl::StrCat("NCCL: joining: ", Words(result)));
    }
    return static_cast<NcclGroup>(group);
  }

  NcclProgress Ask(NcclGroup group) override {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = functions_.get_async_error(static_cast<ncclComm_t>(group), &state);
    return ProgressOf(asked == ncclSuccess ? state : asked);
  }

  NcclProgress Broadcast(NcclGroup group, void* data, int64_t bytes, int root,
                         StreamHandle stream) override {
    return ProgressOf(functions_.broadcast(data, data, static_cast<size_t>(bytes), ncclInt8, root,
                                           static_cast<ncclComm_t>(group), stream));
  }

  void Abort(NcclGroup group) override { functions_.abort(static_cast<ncclComm_t>(group)); }

 private:
  std::string Words(ncclResult_t result) const { return functions_.get_error_string(result); }
  NcclProgress ProgressOf(ncclResult_t result) const {
    if (result == ncclSuccess) return {};
    if (result == ncclInProgress) return {.state = NcclProgress::State::kUnderWay};
    return {.state = NcclProgress::State::kFailed, .words = Words(result)};
  }

  const Functions functions_;
};

absl::StatusOr<std::unique_ptr<NcclLibrary>> Load() {
  void* const library = dlopen(kName, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("NCCL is not there (", dlerror(),
                     "); install it where the loader looks, or set "
                     "LD_LIBRARY_PATH"));
  }
  Functions f;
  const bool whole = Find(library, "ncclGetVersion", f.get_version) &&
                     Find(library, "ncclGetUniqueId", f.get_unique_id) &&
                     Find(library, "ncclCommInitRankConfig", f.init_rank) &&
                     Find(library, "ncclCommGetAsyncError", f.get_async_error) &&
                     Find(library, "ncclGetErrorString", f.get_error_string) &&
                     Find(library, "ncclBroadcast", f.broadcast) &&
                     Find(library, "ncclCommAbort", f.abort);
  int version = 0;
  if (!whole || f.get_version(&version) != ncclSuccess || version < kVersionMin) {
    return absl::FailedPreconditionError(absl::StrCat(kName, " is of version ", version, "; ",
                                                      kVersionMin, " (2.14) or newer is needed"));
  }
  return std::make_unique<Nccl>(f);
}

}  // namespace

absl::StatusOr<NcclLibrary*> OpenNccl() {
  static const absl::StatusOr<std::unique_ptr<NcclLibrary>> library = Load();
  if (!library.ok()) return library.status();
  return library->get();
}

}  // namespace temper::kernels::cuda
