// Signals become a token; a descriptor wakes those who wait for it.
#include "base/stop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <utility>

#include "base/blocking.h"
#include "base/check.h"

namespace temper {
namespace {

StopToken* token = nullptr;

void OnSignal(int) {
  if (token->stopped()) _exit(130);
  token->Stop();
}

}  // namespace

StopToken::StopToken() : raised_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  TEMPER_CHECK(raised_.open());
}

// Only what a signal handler may do.
void StopToken::Stop() {
  const int error = errno;
  stopped_.store(true, std::memory_order_release);
  const uint64_t one = 1;
  (void)!write(raised_.get(), &one, sizeof one);  // full: it is readable already
  errno = error;
}

bool StopToken::WaitFor(Wait wait) const {
  if (stopped()) return true;
  const Waiting waiting(std::move(wait));
  while (!stopped() && waiting.left() > absl::ZeroDuration()) {
    pollfd event{raised_.get(), POLLIN, 0};
    PollWithin(waiting, waiting.left(), absl::MakeSpan(&event, 1));
  }
  return stopped();
}

StopToken& StopOnSignals() {
  static StopToken* const made = new StopToken;
  token = made;
  struct sigaction action {};
  action.sa_handler = OnSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return *made;
}

}  // namespace temper
