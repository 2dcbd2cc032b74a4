// Signals become a token.
#include "base/stop.h"

#include <unistd.h>

#include <csignal>

namespace temper {
namespace {

StopToken* token = nullptr;

void OnSignal(int) {
  if (token->stopped()) _exit(130);
  token->Stop();
}

}  // namespace

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
