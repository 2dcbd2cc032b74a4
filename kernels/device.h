// The place where arithmetic runs: its ops, its stream of work and its memory.
//
// One Device per component (engine, learner), used from that component's loop thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "kernels/digest.h"
#include "kernels/view.h"

namespace temper::kernels {

struct Ops;

// Order of execution on a device. On the CPU it owns the threads that share an op's work.
class Stream {
 public:
  virtual ~Stream() = default;
};

// Where memory lies: kDevice is read and written by ops; kHost by this process too, and by ops
// slowly. A CPU's are one.
enum class Place { kDevice, kHost };

// Owns memory of a device, which outlives it. Moved, never copied.
class Memory {
 public:
  // Gives `data` back to its owner, a device or null.
  using Release = void (*)(void* owner, void* data, int64_t bytes, Place place);
  Memory() = default;
  Memory(void* data, int64_t bytes, Place place, Release release, void* owner = nullptr)
      : data_(data), bytes_(bytes), place_(place), release_(release), owner_(owner) {}
  Memory(Memory&& other) noexcept { Take(other); }
  Memory& operator=(Memory&& other) noexcept {
    if (this == &other) return *this;
    Free();
    Take(other);
    return *this;
  }
  ~Memory() { Free(); }

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  int64_t bytes() const { return bytes_; }
  // Whom it goes back to; the back end that made the memory knows what it is.
  void* owner() const { return owner_; }

 private:
  void Free() {
    if (data_ != nullptr) release_(owner_, data_, bytes_, place_);
  }
  void Take(Memory& other) {
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    place_ = other.place_;
    release_ = other.release_;
    owner_ = other.owner_;
  }

  void* data_ = nullptr;
  int64_t bytes_ = 0;
  Place place_ = Place::kDevice;
  Release release_ = nullptr;
  void* owner_ = nullptr;
};

// Of Device::Repeat().
struct RepeatCounts {
  int64_t steps = 0;           // calls
  int64_t recorded = 0;        // different ones that were prepared as one request
  int64_t launched = 0;        // calls that were one request
  double listing_seconds = 0;  // of the host, until it knew which
};

class Device {
 public:
  virtual ~Device() = default;
  virtual const Ops& ops() const = 0;
  virtual Stream& stream() = 0;
  // Threads that share an op's work; results never depend on it.
  virtual int threads() const = 0;

  // Every matrix or array behind a pointer that an op is given lies in memory of its device; lists
  // (spans) lie on the host.
  // On a CPU any memory of the process will do.
  virtual bool shares_host_memory() const = 0;
  // That could be allocated now, where the memory is the device's own; else of no meaning.
  virtual int64_t free_bytes() const = 0;
  // At least `bytes` of unspecified contents, aligned for vectors. Stops the process where there is
  // no room, with what was asked for and what is free.
  virtual Memory Allocate(int64_t bytes, Place place = Place::kDevice) = 0;
  // Copies between any two memories, and zeroes one, in the order of the ops. `from` on the host
  // stays as it is until Finish().
  virtual void Copy(void* to, const void* from, int64_t bytes) = 0;
  virtual void Zero(void* at, int64_t bytes) = 0;
  // Until all that was asked for is done: what it wrote may be read then.
  virtual void Finish() = 0;

  // Whether Repeat() makes cheaper what is asked for again and again.
  virtual bool repeats() const { return false; }
  // As work(), which calls ops of this device only and reads nothing that they write. `work` may be
  // called more than once, to learn what it asks for: where that is, but for the contents of lists,
  // what was asked for before, it becomes one request.
  virtual void Repeat(absl::FunctionRef<void()> work) { work(); }
  virtual RepeatCounts repeat_counts() const { return {}; }

  // digests[i] = that of piece i (kernels/digest.h), taken where it lies: memory of the device, or
  // of the host. After all that was asked for before.
  virtual void Digest(std::span<const DigestPiece> pieces, uint64_t* digests) {
    Finish();
    for (size_t i = 0; i < pieces.size(); ++i) {
      digests[i] = DigestOfHostBytes(pieces[i].data, pieces[i].bytes);
    }
  }

  // ---- memory of one process that others of the same host read, without a copy (GPUs)
  // As Allocate() on the device; memory that Share() can give a handle.
  virtual Memory AllocateShared(int64_t bytes) { return Allocate(bytes); }
  // Opaque bytes by which OpenShared() finds the memory, in this process and in others, while it
  // lives. UNIMPLEMENTED, UNAVAILABLE: there is no such way here; why.
  virtual absl::StatusOr<std::string> Share(const Memory& /*shared*/) const {
    return absl::UnimplementedError("this device's memory is the process's own");
  }
  // `bytes` of memory that somebody shared, on this device or one that it reaches. Ops and copies
  // may read it until it is let go; nobody but its owner writes, which it may do at any time. The
  // handle is not believed: INVALID_ARGUMENT: it is none, or the memory has fewer bytes. Another
  // error: this device does not reach it; why. Nothing has happened then.
  virtual absl::StatusOr<Memory> OpenShared(std::string_view /*handle*/, int64_t /*bytes*/) {
    return absl::UnimplementedError("this device opens no memory of others");
  }
};

// Cores this process may use, which may be fewer than the machine has.
int CoresAllowed();

// In words, the widest instructions that kernels use here: "cpu avx512", "cpu avx2", "cpu scalar".
std::string DescribeCpu();

// threads <= 0: one per core this process may use.
std::unique_ptr<Device> OpenCpuDevice(int threads);

}  // namespace temper::kernels
