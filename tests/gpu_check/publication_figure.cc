// A version of the weights from a learner to a rollout worker on the same GPU, as the product does
// it: one process shares its float32 values, another opens, packs and digests them where they lie.
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/blocking.h"
#include "base/digest.h"
#include "policy/model/host_stream.h"
#include "policy/model/shared_values.h"
#include "tests/gpu_check/bench_model.h"

extern char** environ;

namespace temper::gpu_check {

using kernels::Memory;
using model::ModelConfig;
using model::ParameterLayout;

namespace {

constexpr char kName[] = "weights-shared";
// Of what is free: the other process needs its own context.
constexpr double kPlanned = 0.8;
constexpr int64_t kFloat = sizeof(float);

int64_t ValueBytes(const ModelConfig& config) {
  return model::SharedBytes(ParameterLayout(config));
}

// A slab of numbers, again and again: drawing them takes longer than moving them.
void Fill(kernels::Device& device, const ParameterLayout& layout, const Memory& values) {
  std::vector<float> slab(static_cast<size_t>(std::min<int64_t>(layout.size(), int64_t{4} << 20)));
  for (size_t i = 0; i < slab.size(); ++i) slab[i] = static_cast<float>(i % 2039) / 2039.0f - 0.5f;
  const auto slab_bytes = static_cast<int64_t>(slab.size()) * kFloat;
  {
    model::HostStream stream(device);
    stream.Copy(values.as<char>(), slab.data(), slab_bytes);
  }
  const int64_t bytes = layout.size() * kFloat;
  for (int64_t filled = slab_bytes; filled < bytes;) {
    const int64_t part = std::min(filled, bytes - filled);
    device.Copy(values.as<char>() + filled, values.as<char>(), part);
    filled += part;
  }
  device.Finish();
}

std::string DigestOf(kernels::Device& device, const ParameterLayout& layout, const Memory& values) {
  std::vector<kernels::DigestPiece> pieces;
  for (const model::ParameterSpec& spec : layout.specs()) {
    pieces.push_back({values.as<float>() + spec.offset, spec.size * kFloat});
  }
  std::vector<uint64_t> digests(pieces.size());
  device.Digest(pieces, digests.data());
  return Hex(Xxh3Digest(std::as_bytes(std::span(digests))));
}

void Skip(Bench& bench, const std::string& why) {
  Figure figure{.name = kName, .unit = "GB/s"};
  figure.details["skipped"] = why;
  bench.Print(std::move(figure));
}

void Fail(Bench& bench, const std::string& why) {
  std::fprintf(stderr, "gpu_bench: %s: %s\n", kName, why.c_str());
  bench.failed = true;
}

// This program once more, with the arguments it was given and these.
absl::Status RunOther(const Bench& bench, const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"gpu_bench"};
  arguments.insert(arguments.end(), bench.options.arguments.begin(), bench.options.arguments.end());
  arguments.insert(arguments.end(), more.begin(), more.end());
  std::vector<char*> raw;
  for (std::string& argument : arguments) raw.push_back(argument.data());
  raw.push_back(nullptr);
  pid_t pid = -1;
  if (posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, raw.data(), environ) != 0) {
    return absl::InternalError("a second process cannot be started");
  }
  const std::optional<int> status =
      AwaitChild(Wait::OrFail("the process that opens the weights", absl::Minutes(5)), pid);
  if (status.has_value() && *status == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("the second process: ", status.has_value() ? *status : -1));
}

}  // namespace

void MeasurePublication(Bench& bench) {
  if (!bench.gpu()) return Skip(bench, "a CPU's memory is the process's own");
  const auto budget = static_cast<int64_t>(kPlanned * static_cast<double>(bench.FreeBytes()));
  const size_t layers = LayersThatFit(bench.config, budget, [&](const ModelConfig& cut) {
    return ValueBytes(cut) + WeightBytes(cut, bench.dtype());
  });
  if (layers == 0) return Skip(bench, "not one layer fits");
  const ModelConfig config = FirstLayers(bench.config, layers);
  const ParameterLayout layout(config);
  const Memory values = bench.device.AllocateShared(ValueBytes(config));
  Fill(bench.device, layout, values);
  const absl::StatusOr<std::string> handle = bench.device.Share(values);
  if (!handle.ok()) return Fail(bench, std::string(handle.status().message()));
  const absl::Status other = RunOther(
      bench, {"--open-handle", absl::BytesToHexString(*handle), "--open-digest",
              DigestOf(bench.device, layout, values), "--open-layers", absl::StrCat(layers)});
  if (!other.ok()) Fail(bench, std::string(other.message()));
}

void OpenPublication(Bench& bench) {
  MeasureCopies(bench, /*print=*/false);
  const ModelConfig config = FirstLayers(bench.config, bench.options.open_layers);
  const ParameterLayout layout(config);
  const std::string handle = absl::HexStringToBytes(bench.options.open_handle);
  std::unique_ptr<model::Weights> weights;
  std::string found, why;
  double open = 0, pack = 0, digest = 0;
  const Times times = Measure(bench.Runs(2, 10), [&] {
    const double start = NowSeconds();
    const auto values = bench.device.OpenShared(handle, ValueBytes(config));
    if (!values.ok()) {
      why = std::string(values.status().message());
      return;
    }
    const double opened = NowSeconds();
    const std::span<const float> floats(values->as<float>(), static_cast<size_t>(layout.size()));
    if (weights == nullptr) {
      weights = std::make_unique<model::Weights>(
          layout, bench.device, floats,
          model::WeightOptions{
              .dtype = bench.dtype(), .values = kernels::Place::kDevice, .own = true});
    } else {
      weights->Repack(floats, kernels::Place::kDevice);
    }
    const double packed = NowSeconds();
    found = DigestOf(bench.device, layout, *values);
    open = opened - start;
    pack = packed - opened;
    digest = NowSeconds() - packed;
  });
  if (!why.empty()) return Fail(bench, why);
  const bool same = found == bench.options.open_digest;
  if (!same) Fail(bench, "what was opened has another digest than what was shared");

  const auto read = static_cast<double>(layout.size() * kFloat);
  const auto written = static_cast<double>(WeightBytes(config, bench.dtype()));
  Figure figure{.name = kName,
                .value = read / times.median() / 1e9,
                .unit = "GB/s",
                .limit = read / ((2 * read + written) / bench.measured.bandwidth) / 1e9,
                .formula =
                    "float32 values / seconds; the limit reads them twice and writes what is "
                    "packed at the copy's bandwidth"};
  figure.details = {{"bytes_values", layout.size() * kFloat},
                    {"bytes_packed", WeightBytes(config, bench.dtype())},
                    {"layers", config.layers.size()},
                    {"layers_of_model", bench.config.layers.size()},
                    {"dtype", bench.options.dtype},
                    {"counted", "open, pack, digest and close, in another process"},
                    {"open_seconds", open},  // these three of the last run
                    {"pack_seconds", pack},
                    {"digest_seconds", digest},
                    {"copy_gbytes_per_second", bench.measured.bandwidth / 1e9},
                    {"passed", same}};
  times.AddTo(figure.details);
  bench.Print(std::move(figure));
}

}  // namespace temper::gpu_check
