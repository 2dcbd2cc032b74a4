// Copies of kernels/cuda/copy_async.h, each made as late as its kernel allows: one that does not
// wait reads what was there before.
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>

#include "tests/kernels/cuda/emulator/device_words.h"

void temper_emulated_fetch(void* to, const void* from, int bytes);
void temper_emulated_commit_fetches();
void temper_emulated_wait_for_fetches(int pending);

namespace {

constexpr int kBytes = 16;

struct Copy {
  void* to;
  const void* from;
  int bytes;
  int group;
};
// What one thread has asked for, in order.
struct Asked {
  std::deque<Copy> copies;
  int committed = 0;
};

Asked& OfThisThread() {
  static std::vector<Asked> all(1024);
  return all[temper_emulated_place().thread.x];
}

[[noreturn]] void Stop(const char* why) {
  std::fprintf(stderr, "emulated copy: %s\n", why);
  std::abort();
}

}  // namespace

void temper_emulated_fetch(void* to, const void* from, int bytes) {
  if (bytes < 0 || bytes > kBytes) Stop("0 to 16 bytes at a time");
  if (reinterpret_cast<uintptr_t>(to) % kBytes != 0) Stop("`to` is not aligned");
  if (bytes > 0 && reinterpret_cast<uintptr_t>(from) % kBytes != 0) Stop("`from` is not aligned");
  Asked& asked = OfThisThread();
  asked.copies.push_back({to, from, bytes, asked.committed});
}

void temper_emulated_commit_fetches() { ++OfThisThread().committed; }

void temper_emulated_wait_for_fetches(int pending) {
  Asked& asked = OfThisThread();
  while (!asked.copies.empty() && asked.copies.front().group < asked.committed - pending) {
    const Copy copy = asked.copies.front();
    asked.copies.pop_front();
    std::memset(copy.to, 0, kBytes);
    std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.bytes));
  }
}
