// CUDA's memory between processes, answered with memory files: /proc leads from one process to a
// file of another while that one lives, and what is mapped stays when it is killed.
//
// Who opens gets pages it cannot write. TEMPER_EMULATED_IPC=refused: no GPU reaches another
// process's memory, as on a machine where CUDA cannot.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "kernels/cuda/ipc.h"

namespace temper::kernels::cuda {

namespace {

struct File {
  int descriptor = -1;
  size_t bytes = 0;
};
// Of this process, by address: memory files, and what was opened.
class Files {
 public:
  static void Add(void* memory, File file) {
    const Turn turn;
    all[memory] = file;
  }
  static File Find(void* memory) {
    const Turn turn;
    return all.at(memory);
  }
  static File Take(void* memory) {
    const Turn turn;
    const File file = all.at(memory);
    all.erase(memory);
    return file;
  }

 private:
  struct Turn {
    Turn() {
      while (taken.test_and_set()) {
      }
    }
    ~Turn() { taken.clear(); }
  };
  static inline std::atomic_flag taken = ATOMIC_FLAG_INIT;
  static inline std::map<void*, File> all;
};

// What CUDA's handle is here.
struct Place {
  int64_t process = 0;
  int64_t descriptor = 0;
  uint64_t file = 0;  // a descriptor's number comes again
};
static_assert(sizeof(Place) <= sizeof(IpcHandle));

void* Map(int descriptor, size_t bytes, int protection) {
  void* const memory = mmap(nullptr, bytes, protection, MAP_SHARED, descriptor, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

Uuid UuidOf(int device) { return Uuid{'e', 'm', 'u', static_cast<unsigned char>(device)}; }

void* AllocateExportable(int64_t bytes) {
  const int descriptor = memfd_create("temper-emulated-gpu", MFD_CLOEXEC);
  void* memory = nullptr;
  if (descriptor >= 0 && ftruncate(descriptor, bytes) == 0) {
    memory = Map(descriptor, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE);
  }
  if (memory == nullptr) {
    std::perror("emulated cuda: memory for other processes");
    std::abort();
  }
  std::memset(memory, 0xff, static_cast<size_t>(bytes));  // NaN, as all of the device's memory
  Files::Add(memory, {descriptor, static_cast<size_t>(bytes)});
  return memory;
}

void FreeExportable(void* memory) {
  const File file = Files::Take(memory);
  munmap(memory, file.bytes);
  if (file.descriptor >= 0) close(file.descriptor);
}

absl::StatusOr<IpcHandle> ExportMemory(void* memory) {
  const int descriptor = Files::Find(memory).descriptor;
  struct stat file = {};
  if (fstat(descriptor, &file) != 0) std::abort();
  const Place place = {getpid(), descriptor, file.st_ino};
  IpcHandle handle = {};
  std::memcpy(handle.data(), &place, sizeof(place));
  return handle;
}

absl::Status CheckReach(int device, const Uuid& owner) {
  if (owner == UuidOf(device)) return absl::OkStatus();
  return absl::FailedPreconditionError("emulated cuda: no peer access");
}

absl::Status EnableReach(int device, int owner) { return CheckReach(device, UuidOf(owner)); }

absl::StatusOr<Imported> ImportMemory(const IpcHandle& handle) {
  const char* const choice = std::getenv("TEMPER_EMULATED_IPC");
  if (choice != nullptr && std::string_view(choice) == "refused") {
    return absl::UnavailableError("emulated cuda: another process's memory is refused");
  }
  Place place;
  std::memcpy(&place, handle.data(), sizeof(place));
  const std::string path =
      "/proc/" + std::to_string(place.process) + "/fd/" + std::to_string(place.descriptor);
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat file = {};
  if (descriptor < 0 || fstat(descriptor, &file) != 0 || file.st_ino != place.file) {
    if (descriptor >= 0) close(descriptor);
    return absl::UnavailableError("emulated cuda: " + path + ": is not there");
  }
  const auto bytes = static_cast<size_t>(file.st_size);
  void* const memory = Map(descriptor, bytes, PROT_READ);
  close(descriptor);
  if (memory == nullptr) return absl::UnavailableError("emulated cuda: cannot map " + path);
  Files::Add(memory, {-1, bytes});
  return Imported{memory, file.st_size};
}

void CloseImported(void* memory) { FreeExportable(memory); }

}  // namespace temper::kernels::cuda
