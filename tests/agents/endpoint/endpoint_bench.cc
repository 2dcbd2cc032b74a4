// How many calls a second an endpoint carries, and what one costs: no test, a program.
//
// agents.endpoint.endpoint_bench [fake|http] [CALLS] [CONCURRENCY] [LATENCY_MS] [SAMPLES]
// Of http, the fake server is a process of its own, whose CPU time is told apart.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "agents/endpoint/open_endpoints.h"
#include "base/check.h"
#include "tests/agents/endpoint/calls.h"
#include "tests/fakes/fake_openai_server.h"

namespace temper::agents {
namespace {

double CpuSeconds(int who) {
  rusage used{};
  getrusage(who, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::string ScriptText(int latency_ms) {
  return absl::StrCat(R"({"latency_ms": )", latency_ms,
                      R"(, "rules": [{"reply": "{{words 80}}"}]})");
}

// The server's process, and its URL.
std::pair<pid_t, std::string> StartServer(const std::string& script) {
  int ends[2];
  TEMPER_CHECK(pipe(ends) == 0);
  const pid_t child = fork();
  TEMPER_CHECK(child >= 0);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const fakes::FakeOpenAiServer server({.script = *FakeScript::Parse(script, "bench")});
    const int port = server.port();
    TEMPER_CHECK(write(ends[1], &port, sizeof(port)) == sizeof(port));
    for (;;) pause();
  }
  int port = 0;
  TEMPER_CHECK(read(ends[0], &port, sizeof(port)) == sizeof(port));
  return {child, absl::StrCat("http://127.0.0.1:", port, "/v1")};
}

void Measure(const std::string& kind, int calls, int concurrency, int latency_ms, int samples) {
  const std::string script = ScriptText(latency_ms);
  std::string keys;
  pid_t server = 0;
  const std::string path = absl::StrCat("/tmp/temper_bench_", getpid(), ".json");
  if (kind == "http") {
    const auto started = StartServer(script);
    server = started.first;
    keys = absl::StrCat(R"("kind": "openai", "url": ")", started.second, R"(")");
  } else {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    TEMPER_CHECK(file != nullptr);
    std::fputs(script.c_str(), file);
    std::fclose(file);
    keys = absl::StrCat(R"("kind": "fake", "script": ")", path, R"(")");
  }
  const auto specs = ParseEndpoints(
      absl::StrCat(R"({"endpoints": {"main": {)", keys, R"(, "concurrency": )", concurrency, "}}}"),
      "bench");
  TEMPER_CHECK(specs.ok());
  const SystemClock clock;
  auto endpoints = OpenEndpoints(*specs, {.clock = &clock});
  TEMPER_CHECK(endpoints.ok());
  const std::string prompt(1500, 'x');
  std::vector<int64_t> numbers;
  for (int i = 0; i < samples; ++i) numbers.push_back(i);
  const double cpu = CpuSeconds(RUSAGE_SELF);
  const absl::Duration began = clock.Uptime();
  {
    Calls open(*endpoints->at("main"));
    for (int i = 0; i < calls; ++i) {
      open.AwaitRoom();
      open.Start(Ask(absl::StrCat(i, " ", prompt), numbers));
    }
    for (int i = 0; i < calls; ++i) TEMPER_CHECK(open.End(i).status.ok());
  }
  const double seconds = absl::ToDoubleSeconds(clock.Uptime() - began);
  const double own = CpuSeconds(RUSAGE_SELF) - cpu;
  double servers = 0;
  if (server != 0) {
    kill(server, SIGKILL);
    waitpid(server, nullptr, 0);
    servers = CpuSeconds(RUSAGE_CHILDREN);
  } else {
    unlink(path.c_str());
  }
  std::printf(
      "%s: %d calls of %d samples, %d at once, latency %d ms: %.0f calls/s, "
      "%.3f ms CPU a call here, %.3f ms at the server\n",
      kind.c_str(), calls, samples, concurrency, latency_ms, calls / seconds, 1e3 * own / calls,
      1e3 * servers / calls);
}

}  // namespace
}  // namespace temper::agents

int main(int argc, char** argv) {
  const auto number = [&](int i, int otherwise) {
    return argc > i ? std::atoi(argv[i]) : otherwise;
  };
  temper::agents::Measure(argc > 1 ? argv[1] : "http", number(2, 10000), number(3, 64),
                          number(4, 5), number(5, 1));
  return 0;
}
