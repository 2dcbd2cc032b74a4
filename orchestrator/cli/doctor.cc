// `temper doctor`: what this machine can do, and whether the determinism contract holds on it.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/philox.h"
#include "hwy/targets.h"
#include "kernels/cpu/limits.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/ops.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/verbs.h"
#include "reward/code/code_verifier.h"
#include "temper/v1/code_verifier.pb.h"

namespace temper::cli {
namespace {

struct Check {
  std::string name;
  bool passed;
  std::string detail;
};

std::vector<float> Normals(uint64_t stream, int64_t count) {
  std::vector<float> values(count);
  for (int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(NormalAt(1, stream, i));
  return values;
}

// A row of a product computed alone, and among `rows` others, with one thread and with all.
Check RowsDoNotDependOnTheirNeighbours(int64_t in, int64_t out) {
  const std::vector<float> weight = Normals(1, in * out);
  const std::vector<float> x = Normals(2, 65 * in);
  std::vector<float> reference;
  int differing = 0;
  for (const int threads : {1, 0}) {
    const auto device = kernels::OpenCpuDevice(threads);
    const auto packed = device->ops().pack_weight(
        device->stream(), kernels::View<const float>(weight.data(), out, in), {});
    for (const int64_t rows : {1, 2, 7, 16, 65}) {
      std::vector<float> y(rows * out);
      device->ops().matmul(device->stream(), kernels::View<const float>(x.data(), rows, in),
                           *packed, kernels::View<float>(y.data(), rows, out),
                           kernels::Write::kReplace);
      if (reference.empty()) reference.assign(y.begin(), y.begin() + out);
      differing += std::memcmp(y.data(), reference.data(), out * sizeof(float)) != 0;
    }
  }
  return {absl::StrFormat("matmul %d -> %d: row bits independent of batch and threads", in, out),
          differing == 0, absl::StrCat(differing, " of 10 differ")};
}

// What stands between a program that verifier "code" runs and this machine; or why it would not
// run.
std::string SandboxHere() {
  const auto verifier = reward::CodeVerifier::Create({});
  if (!verifier.ok()) return std::string(verifier.status().message());
  const auto isolation = (*verifier)->DescribeIsolation();
  return isolation.ok() ? *isolation
                        : absl::StrCat("none: ", std::string(isolation.status().message()));
}

// Beside the CPU: ", cuda:0" or why there is none.
std::string GpusHere() {
  const std::string why = kernels::WhyNoCudaDevice();
  return why.empty() ? ", cuda:0" : absl::StrCat("; no GPU: ", why);
}

int Doctor(bool json) {
  const int cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  const double memory = 1.0 * sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
  const int64_t targets = hwy::SupportedTargets();
  const std::string vectors = hwy::TargetName(targets & -targets);  // lowest bit: the best one
  const double flops = kernels::MeasureGemmPeak(cores);
  const double bandwidth = kernels::MeasureReadBandwidth(cores);
  std::vector<Check> checks;
  for (const auto& [in, out] : {std::pair<int64_t, int64_t>{768, 3072}, {3072, 768}, {100, 37}}) {
    checks.push_back(RowsDoNotDependOnTheirNeighbours(in, out));
  }
  bool healthy = true;
  for (const Check& check : checks) healthy = healthy && check.passed;
  const std::string sandbox = SandboxHere();
  if (json) {
    nlohmann::ordered_json report = {
        {"cores", cores},      {"memory_bytes", memory},      {"vectors", vectors},
        {"gemm_flops", flops}, {"read_bandwidth", bandwidth}, {"healthy", healthy},
        {"sandbox", sandbox},  {"devices", "cpu" + GpusHere()}};
    for (const Check& check : checks) {
      report["checks"].push_back({{"name", check.name}, {"passed", check.passed}});
    }
    std::printf("%s\n", report.dump().c_str());
  } else {
    std::printf("cores            %d\nmemory           %.1f GB\nvector code      %s\n", cores,
                memory / 1e9, vectors.c_str());
    std::printf("f32 GEMM peak    %.0f GF/s (measured)\nread bandwidth   %.1f GB/s (measured)\n",
                flops / 1e9, bandwidth / 1e9);
    std::printf("devices          cpu%s\n", GpusHere().c_str());
    std::printf("sandbox          %s\n", sandbox.c_str());
    for (const Check& check : checks) {
      std::printf("%-16s %s%s\n", check.passed ? "ok" : "BROKEN", check.name.c_str(),
                  check.passed ? "" : absl::StrCat(" (", check.detail, ")").c_str());
    }
    std::printf("%s\n", healthy ? "the determinism contract holds here"
                                : "the determinism contract does NOT hold here: rollout and "
                                  "training would differ; please report this machine");
  }
  return healthy ? kDone : kFailed;
}

}  // namespace

void AddDoctor(CLI::App& program, Chosen& chosen) {
  auto json = std::make_shared<bool>(false);
  CLI::App* verb = program.add_subcommand(
      "doctor", "What this machine can do, and whether the determinism contract holds on it");
  verb->add_flag("--json", *json, "JSON on stdout");
  verb->callback([json, &chosen] { chosen = [json] { return Doctor(*json); }; });
}

}  // namespace temper::cli
