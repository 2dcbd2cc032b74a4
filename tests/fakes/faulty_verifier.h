// Verifiers that do what hostile input would make a broken one do, for tests of what stands around
// them. A test program's main() calls RunAsFaultyHost first: the pool starts the same program.
//
// In place of verifier "format". The response says what happens: "hang" computes for ever, "sleep"
// waits for ever, "crash" aborts, "exit" ends the process, "eat" takes all memory there is,
// "spin N" computes for N milliseconds of processor time, "work N" for N microseconds, "refuse" and
// "fail" are Statuses; anything else is judged 1 at once.
#pragma once

#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "reward/pool/host.h"
#include "reward/pool/pool.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::reward {

class FaultyVerifier : public Verifier {
 public:
  absl::StatusOr<Judgement> Judge(const Response& response) const override {
    // "crash 17" crashes like "crash"; numbers tell inputs apart.
    std::string text(response.text);
    for (const char* fault : {"hang", "sleep", "crash", "eat"}) {
      if (absl::StartsWith(text, absl::StrCat(fault, " "))) text = fault;
    }
    if (absl::StartsWith(text, "work ")) Spin(absl::Microseconds(std::atoi(text.c_str() + 5)));
    if (text == "refuse") return absl::InvalidArgumentError("the problem has no tests");
    if (text == "fail") return absl::UnavailableError("the weather is bad");
    if (text == "hang") Spin(absl::Hours(1));
    if (text == "sleep") absl::SleepFor(absl::Hours(1));
    if (text == "crash") std::abort();
    if (text == "exit") _exit(0);
    if (text == "eat") Eat();
    int milliseconds = 0;
    if (absl::StartsWith(text, "spin ") && absl::SimpleAtoi(text.substr(5), &milliseconds)) {
      Spin(absl::Milliseconds(milliseconds));
    }
    return Judgement{"pass", 1, "judged"};
  }

 private:
  static void Spin(absl::Duration time) {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    const absl::Duration end = absl::DurationFromTimespec(now) + time;
    while (absl::DurationFromTimespec(now) < end) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  }
  static void Eat() {
    for (std::vector<std::unique_ptr<char[]>> eaten;;) {
      constexpr size_t kPiece = 16 << 20;
      eaten.push_back(std::make_unique<char[]>(kPiece));  // zeroed, so touched
    }
  }
};

inline absl::StatusOr<std::unique_ptr<const Verifier>> MakeFaultyVerifier(
    const temper::v1::RubricPart& part) {
  if (part.verifier() == "format") return std::make_unique<const FaultyVerifier>();
  return MakeVerifier(part);
}

// The exit code where the pool started this program; empty where a person did.
inline std::optional<int> RunAsFaultyHost(int argc, char** argv) {
  if (argc != 2 || std::strcmp(argv[1], "verifier-host") != 0) return std::nullopt;
  return RunVerifierHost(
      {.memory_bytes_max = size_t{256} << 20, .make_verifier = MakeFaultyVerifier});
}

inline Pool::Options FaultyPool() {
  Pool::Options options;
  options.host_command = {"/proc/self/exe", "verifier-host"};
  return options;
}

}  // namespace temper::reward
