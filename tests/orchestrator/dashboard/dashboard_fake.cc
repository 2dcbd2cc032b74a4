// Serves the dashboard over the fake controller, for looking at the page and for checking it in a
// browser: dashboard_fake [PORT [STEPS_MADE [TOKEN_FILE]]]. Running runs make a step
// each second.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/rpc.h"
#include "base/stop.h"
#include "orchestrator/dashboard/dashboard.h"
#include "tests/fakes/fake_controller.h"

int main(int argc, char** argv) {
  temper::StopToken& stop = temper::StopOnSignals();
  temper::fakes::FakeController::Options options;
  options.created_ms = absl::ToUnixMillis(absl::Now() - absl::Minutes(5));
  options.steps_made = argc > 2 ? std::atoi(argv[2]) : 97;
  options.steps = options.steps_made + 300;
  temper::ListenOptions listen;
  if (argc > 3) {
    auto tokens = temper::TokenTable::Read(argv[3]);
    if (!tokens.ok()) {
      std::fprintf(stderr, "dashboard_fake: %s\n", tokens.status().ToString().c_str());
      return 1;
    }
    listen.credentials.tokens = *std::move(tokens);
  }
  temper::fakes::FakeController controller(options);
  auto listening = temper::Listen("127.0.0.1:0", {&controller}, listen);
  if (!listening.ok()) {
    std::fprintf(stderr, "dashboard_fake: %s\n", listening.status().ToString().c_str());
    return 1;
  }
  auto dashboard = temper::orchestrator::Dashboard::Start(
      {.listen = absl::StrCat("127.0.0.1:", argc > 1 ? argv[1] : "0"),
       .controller = temper::Dial(listening->address)});
  if (!dashboard.ok()) {
    std::fprintf(stderr, "dashboard_fake: %s\n", dashboard.status().ToString().c_str());
    return 1;
  }
  std::printf("http://%s/\n", (*dashboard)->address().c_str());
  std::fflush(stdout);
  for (int tick = 1; !stop.stopped(); ++tick) {
    absl::SleepFor(absl::Milliseconds(100));
    if (tick % 10 == 0) controller.Advance();
  }
  (*dashboard)->Stop();
  listening->server->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(2)));
  return 0;
}
