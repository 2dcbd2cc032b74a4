// A handle holds CUDA's, the GPU's uuid, and a number that this process knows its own memory by:
// CUDA opens no handle in the process that made it.
#include "kernels/cuda/shared_memory.h"

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "kernels/cuda/ipc.h"
#include "kernels/cuda/runtime.h"

namespace temper::kernels::cuda {

namespace {

// Drawn at random, so that no other process of the host has it.
using Number = std::array<uint32_t, 4>;

struct Allocation {
  Allocation(int on, int64_t size) : device(on), bytes(size) {
    std::random_device random;
    for (uint32_t& word : number) word = random();
    UseDevice(device);
    memory = AllocateExportable(bytes);
  }
  ~Allocation() {
    UseDevice(device);
    FreeExportable(memory);
  }
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;

  const int device;
  const int64_t bytes;
  Number number;
  void* memory;
};

// The allocations of this process, for who opens one of them here: learner and worker may be two
// threads of it.
class Allocations {
 public:
  void Add(const std::shared_ptr<Allocation>& allocation) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
    known_[allocation->number] = allocation;
  }
  std::shared_ptr<Allocation> Find(const Number& number) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = known_.find(number);
    return found == known_.end() ? nullptr : found->second.lock();
  }

 private:
  std::mutex mutex_;
  std::map<Number, std::weak_ptr<Allocation>> known_;
};

Allocations& OfThisProcess() {
  static Allocations allocations;
  return allocations;
}

constexpr std::array<char, 8> kMark = {'t', 'e', 'm', 'p', 'e', 'r', 'g', '1'};

struct Handle {
  std::array<char, 8> mark = kMark;
  Number number = {};
  Uuid owner = {};
  IpcHandle ipc = {};
};
static_assert(sizeof(Handle) == 104, "no padding");

absl::StatusOr<Handle> Parse(std::string_view bytes) {
  Handle handle;
  if (bytes.size() == sizeof(handle)) std::memcpy(&handle, bytes.data(), sizeof(handle));
  if (bytes.size() == sizeof(handle) && handle.mark == kMark) return handle;
  return absl::InvalidArgumentError(
      absl::StrCat("no handle of a GPU's memory: ", bytes.size(), " bytes"));
}

absl::Status CheckSize(int64_t found, int64_t wanted) {
  if (wanted >= 0 && wanted <= found) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("shared memory of ", found, " bytes, where ", wanted, " are expected"));
}

// Memory that keeps an allocation of this process.
Memory Holding(std::shared_ptr<Allocation> allocation, int64_t bytes) {
  void* const memory = allocation->memory;
  return Memory(
      memory, bytes, Place::kDevice,
      [](void* held, void*, int64_t, Place) {
        delete static_cast<std::shared_ptr<Allocation>*>(held);
      },
      new std::shared_ptr<Allocation>(std::move(allocation)));
}

Memory Mapped(int device, void* memory, int64_t bytes) {
  return Memory(
      memory, bytes, Place::kDevice,
      [](void* number, void* mapped, int64_t, Place) {
        const std::unique_ptr<int> owner(static_cast<int*>(number));
        UseDevice(*owner);
        CloseImported(mapped);
      },
      new int(device));
}

}  // namespace

Memory AllocateShared(int device, int64_t bytes) {
  TEMPER_KERNEL_CHECK(bytes >= 0);
  auto allocation = std::make_shared<Allocation>(device, bytes > 0 ? bytes : 1);
  OfThisProcess().Add(allocation);
  return Holding(std::move(allocation), bytes);
}

absl::StatusOr<std::string> Share(const Memory& shared) {
  const auto* const allocation = static_cast<const std::shared_ptr<Allocation>*>(shared.owner());
  TEMPER_KERNEL_CHECK(allocation != nullptr && (*allocation)->memory == shared.as<void>());
  UseDevice((*allocation)->device);
  absl::StatusOr<IpcHandle> ipc = ExportMemory((*allocation)->memory);
  if (!ipc.ok()) return ipc.status();
  const Handle handle = {
      .number = (*allocation)->number, .owner = UuidOf((*allocation)->device), .ipc = *ipc};
  return std::string(reinterpret_cast<const char*>(&handle), sizeof(handle));
}

absl::StatusOr<Memory> OpenShared(int device, std::string_view bytes_of_handle, int64_t bytes) {
  const absl::StatusOr<Handle> handle = Parse(bytes_of_handle);
  if (!handle.ok()) return handle.status();
  if (std::shared_ptr<Allocation> own = OfThisProcess().Find(handle->number); own != nullptr) {
    if (absl::Status size = CheckSize(own->bytes, bytes); !size.ok()) return size;
    if (absl::Status reach = EnableReach(device, own->device); !reach.ok()) return reach;
    return Holding(std::move(own), bytes);
  }
  UseDevice(device);
  if (absl::Status reach = CheckReach(device, handle->owner); !reach.ok()) return reach;
  const absl::StatusOr<Imported> imported = ImportMemory(handle->ipc);
  if (!imported.ok()) return imported.status();
  Memory memory = Mapped(device, imported->memory, bytes);
  if (absl::Status size = CheckSize(imported->bytes, bytes); !size.ok()) return size;
  return memory;
}

}  // namespace temper::kernels::cuda
