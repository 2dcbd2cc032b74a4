// The fake OpenAI server as a program, for tests that kill its clients: prints "port N" and serves
// until it is told to end.
//
// temper_fake_openai [--script FILE] [--port N] [--key KEY] [--ignores-n]
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/stop.h"
#include "tests/fakes/fake_openai_server.h"

int main(int argc, char** argv) {
  temper::StopToken& stop = temper::StopOnSignals();
  temper::fakes::FakeOpenAiServer::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--ignores-n") {
      options.ignores_n = true;
      continue;
    }
    if (i + 1 >= argc) {
      std::fprintf(stderr, "%s: needs a value\n", argv[i]);
      return 2;
    }
    const std::string value = argv[++i];
    if (name == "--script") {
      auto script = temper::agents::FakeScript::Read(value);
      if (!script.ok()) {
        std::fprintf(stderr, "%s\n", std::string(script.status().message()).c_str());
        return 2;
      }
      options.script = *std::move(script);
    } else if (name == "--port") {
      options.port = std::atoi(value.c_str());
    } else if (name == "--key") {
      options.key = value;
    } else {
      std::fprintf(stderr, "%s: unknown\n", name.c_str());
      return 2;
    }
  }
  const temper::fakes::FakeOpenAiServer server(options);
  std::printf("port %d\n", server.port());
  std::fflush(stdout);
  while (!stop.WaitFor(temper::Wait::ForWork("a signal", absl::Seconds(1)))) {
  }
  return 0;
}
