// Only in preset tsan: tells ThreadSanitizer of the order that gRPC's locks make.
//
// Debian's gRPC and absl are built without instrumentation, so whatever passes between two threads
// through them would be reported as a race. These definitions come before the library's: they call
// it and say that whoever takes one of its locks comes after whoever let go of one. Our own locks
// (base/mutex.h) do not pass here, so races between our own threads stay visible.
#include <dlfcn.h>

#include "absl/synchronization/mutex.h"

extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);

namespace {

// One for all locks: gRPC also hands over by atomics, which are seen no more than its locks.
char order;

void After() { __tsan_acquire(&order); }
void Before() { __tsan_release(&order); }

// The library's own definition of the function that is being defined here.
template <class Function>
Function Next(const char* mangled) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, mangled));
}

}  // namespace

#define TEMPER_NEXT(type, mangled) static const auto next = Next<type>(mangled)

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  TEMPER_NEXT(void (*)(Mutex*), "_ZN4absl7debian35Mutex4LockEv");
  next(this);
  After();
}

bool Mutex::TryLock() {
  TEMPER_NEXT(bool (*)(Mutex*), "_ZN4absl7debian35Mutex7TryLockEv");
  const bool locked = next(this);
  if (locked) After();
  return locked;
}

void Mutex::Unlock() {
  TEMPER_NEXT(void (*)(Mutex*), "_ZN4absl7debian35Mutex6UnlockEv");
  Before();
  next(this);
}

void CondVar::Wait(Mutex* mutex) {
  TEMPER_NEXT(void (*)(CondVar*, Mutex*), "_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  Before();
  next(this, mutex);
  After();
}

bool CondVar::WaitWithTimeout(Mutex* mutex, absl::Duration timeout) {
  TEMPER_NEXT(bool (*)(CondVar*, Mutex*, absl::Duration),
              "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  Before();
  const bool late = next(this, mutex, timeout);
  After();
  return late;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, absl::Time deadline) {
  TEMPER_NEXT(bool (*)(CondVar*, Mutex*, absl::Time),
              "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  Before();
  const bool late = next(this, mutex, deadline);
  After();
  return late;
}

ABSL_NAMESPACE_END
}  // namespace absl
