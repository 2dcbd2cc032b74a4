// What every figure of gpu_bench needs: the device, the choices, the limits measured so far.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/ops.h"
#include "orchestrator/cli/speed_limits.h"
#include "policy/model/hybrid_model.h"
#include "tests/gpu_check/figure.h"
#include "tests/gpu_check/products.h"

namespace temper::gpu_check {

struct Options {
  std::string device = "cpu";
  std::string config, preset = "tiny";
  std::string layers;  // a pattern in place of the configuration's, or ""
  std::vector<std::string> what;
  std::string dtype = "bfloat16";
  std::string products = "own";  // or "pinned"
  std::string table;             // of pinned algorithms
  double tune_seconds = 90;
  int64_t tune_rows = 0;  // the most rows that are tried
  std::vector<int64_t> batch, context;
  int64_t prefill_tokens = 0, train_tokens = 0, train_batch = 0;
  int64_t copy_mbytes = 0, gemm_side = 0;
  int threads = 0;
  double seconds = 5;  // about so long a figure
  bool json = false;
  // Of a process that opens what another has shared (publication_figure.cc): a handle and the
  // digest of what lies there, hexadecimal, and the model's layers. The other's own arguments come
  // before.
  std::string open_handle, open_digest;
  size_t open_layers = 0;
  std::vector<std::string> arguments;
};

class Bench {
 public:
  Bench(const Options& options, model::ModelConfig config, kernels::Device& device,
        DeviceFacts facts, std::unique_ptr<Products> products)
      : options(options),
        config(std::move(config)),
        device(device),
        facts(std::move(facts)),
        products(std::move(products)) {}

  const Options& options;
  const model::ModelConfig config;
  kernels::Device& device;
  const DeviceFacts facts;
  const std::unique_ptr<Products> products;  // or null

  bool gpu() const { return facts.major > 0; }
  bool pinned() const { return options.products == "pinned"; }
  kernels::Dtype dtype() const {
    return options.dtype == "bfloat16" ? kernels::Dtype::kBFloat16 : kernels::Dtype::kFloat32;
  }
  RunLimits Runs(int min, int max) const {
    return {.runs_min = min, .runs_max = max, .seconds = options.seconds};
  }
  // Bytes of the device that may be taken now.
  int64_t FreeBytes() const;
  // Measured once, where nobody asked for the figures before.
  const cli::Peaks& peaks();
  void Print(Figure figure);

  cli::Peaks measured;  // of this device, in this process
  bool failed = false;  // a check, not a speed
};

// ---- the machine (machine_figures.cc)
void MeasureCopies(Bench& bench, bool print);
void MeasureProducts(Bench& bench, bool print);
void TuneAll(Bench& bench);

// ---- the model (model_figures.cc, train_figure.cc)
// Weights, decode, prefill: those that are asked for, with one set of weights.
void MeasureInference(Bench& bench);
void MeasureTraining(Bench& bench);

// ---- a version's way from learner to worker (publication_figure.cc)
// Shares values, and starts a second process that opens, packs and digests them.
void MeasurePublication(Bench& bench);
// That process.
void OpenPublication(Bench& bench);

// ---- correctness (agreement.cc): small models of the same layers, beside the CPU.
void CheckAgreement(Bench& bench);

}  // namespace temper::gpu_check
