// How many HumanEval problems a second the verifier "code" judges. No test: it prints figures.
//   code_bench HumanEval.jsonl [jobs at once] [canonical|none|trivial]
#include <sys/resource.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/file.h"
#include "nlohmann/json.hpp"
#include "reward/code/code_verifier.h"
#include "temper/v1/code_verifier.pb.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s HumanEval.jsonl [at once] [canonical|none]\n", argv[0]);
    return 2;
  }
  const auto text = temper::ReadFile(argv[1]);
  if (!text.ok()) {
    std::fprintf(stderr, "%s\n", text.status().ToString().c_str());
    return 2;
  }
  const int at_once = argc > 2 ? std::atoi(argv[2]) : 8;
  const std::string bodies = argc > 3 ? argv[3] : "canonical";
  std::vector<nlohmann::json> problems;
  for (size_t begin = 0; begin < text->size();) {
    const size_t end = std::min(text->find('\n', begin), text->size());
    if (end > begin) problems.push_back(nlohmann::json::parse(text->substr(begin, end - begin)));
    begin = end + 1;
  }
  const auto verifier = temper::reward::CodeVerifier::Create(temper::v1::CodeOptions());
  const auto isolation = (*verifier)->DescribeIsolation();
  std::printf("%s\n", isolation.ok() ? isolation->c_str() : isolation.status().ToString().c_str());
  std::atomic<size_t> next = 0, passed = 0, failures = 0;
  const absl::Time begin = absl::Now();
  std::vector<std::thread> threads;
  for (int i = 0; i < at_once; ++i) {
    threads.emplace_back([&] {
      for (size_t j; (j = next++) < problems.size();) {
        nlohmann::json line = problems[j];
        line["code"] = bodies == "none" ? std::string("    return None\n")
                                        : line["canonical_solution"].get<std::string>();
        const auto judgement = (*verifier)->Judge({.metadata = line.dump()});
        if (!judgement.ok()) {
          ++failures;
          std::printf("%s: %s\n", line["task_id"].get<std::string>().c_str(),
                      judgement.status().ToString().c_str());
        } else if (judgement->score == 1) {
          ++passed;
          if (bodies == "none")
            std::printf("%s passes\n", line["task_id"].get<std::string>().c_str());
        } else if (bodies != "none") {
          std::printf("%s: %s %s\n", line["task_id"].get<std::string>().c_str(),
                      judgement->verdict.c_str(), judgement->reason.c_str());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  rusage used, own;
  getrusage(RUSAGE_CHILDREN, &used);
  getrusage(RUSAGE_SELF, &own);
  const auto cpu = [](const rusage& use) {
    return static_cast<double>(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 +
           static_cast<double>(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e-3;
  };
  std::printf("processor time for each: %.1f ms in sandboxes, %.1f ms here\n",
              cpu(used) / static_cast<double>(problems.size()),
              cpu(own) / static_cast<double>(problems.size()));
  std::printf("%zu problems, %zu pass, %zu failures of ours, %.2f s, %.1f problems/s\n",
              problems.size(), passed.load(), failures.load(), seconds,
              static_cast<double>(problems.size()) / seconds);
}
