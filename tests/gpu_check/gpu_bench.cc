// gpu_bench: measures and checks one device with random models; no services, no model folder.
//
// A line of JSON a figure with --json. Exit code 0; 1: an error, or a check that failed; 2: the
// command line; 3: the device is not there.
#include <cstdlib>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>

#include "base/status_macros.h"
#include "tests/gpu_check/bench_model.h"

namespace temper::gpu_check {

int64_t Bench::FreeBytes() const {
  if (const absl::StatusOr<DeviceFacts> now = FactsOf(options.device);
      now.ok() && now->free_bytes > 0) {
    return now->free_bytes;
  }
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  for (int64_t kbytes = 0; file >> name >> kbytes; std::getline(file, unit)) {
    if (name == "MemAvailable:") return kbytes * 1024;
  }
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

const cli::Peaks& Bench::peaks() {
  if (measured.bandwidth == 0) MeasureCopies(*this, /*print=*/false);
  if (measured.flops == 0) MeasureProducts(*this, /*print=*/false);
  return measured;
}

void Bench::Print(Figure figure) {
  figure.details["device"] = facts.name;
  std::printf("%s\n", (options.json ? FigureLine(figure) : FigureText(figure)).c_str());
  std::fflush(stdout);
}

namespace {

constexpr char kWhats[] =
    "device, tune, bandwidth, gemm, agree, weights, decode, prefill, train, "
    "publish";

// What the back end cannot do yet, said before it is tried.
absl::Status CheckOps(const Bench& bench) {
  const kernels::Ops& ops = bench.device.ops();
  for (const model::LayerConfig& layer : bench.config.layers) {
    if (layer.kind != model::LayerKind::kMamba) continue;
    if (ops.ssm_scan != nullptr && ops.ssm_scan_backward != nullptr) continue;
    return absl::UnimplementedError(
        "this device has no recurrence (Ops::ssm_scan): choose layers without it, e.g. "
        "--layers '*-*-'");
  }
  return absl::OkStatus();
}

void PrintDevice(Bench& bench) {
  Figure figure{.name = "device",
                .value = static_cast<double>(bench.FreeBytes()) / double{1 << 30},
                .unit = "GiB free",
                .limit = static_cast<double>(bench.facts.memory_bytes) / double{1 << 30}};
  figure.details = {{"compute_capability",
                     std::to_string(bench.facts.major) + "." + std::to_string(bench.facts.minor)},
                    {"multiprocessors", bench.facts.multiprocessors},
                    {"memory_bytes", bench.facts.memory_bytes},
                    {"cublaslt_version", bench.facts.library_version},
                    {"backend", std::string(bench.device.ops().backend)}};
  bench.Print(std::move(figure));
}

void FillDefaults(const model::ModelConfig& config, Options& options) {
  const bool small = config.hidden_size <= 256;
  if (options.batch.empty())
    options.batch = small ? std::vector<int64_t>{1, 4} : std::vector<int64_t>{1, 64};
  if (options.context.empty()) {
    options.context = small ? std::vector<int64_t>{16} : std::vector<int64_t>{128, 1024};
  }
  if (options.prefill_tokens == 0) options.prefill_tokens = small ? 80 : 8192;
  if (options.train_tokens == 0) options.train_tokens = small ? 24 : 2048;
  if (options.tune_rows == 0) options.tune_rows = small ? 64 : 4096;
  if (options.train_batch == 0) options.train_batch = 2;
}

absl::StatusOr<int> Run(Options options) {
  TEMPER_ASSIGN_OR_RETURN(model::ModelConfig config, ReadConfig(options));
  TEMPER_RETURN_IF_ERROR(model::CheckLanguageModel(config, "gpu_bench"));
  FillDefaults(config, options);
  auto opened = OpenNamed(options.device, options.threads);
  if (!opened.ok()) {
    std::fprintf(stderr, "no device: %s\n", std::string(opened.status().message()).c_str());
    return 3;
  }
  const std::unique_ptr<kernels::Device> device = *std::move(opened);
  TEMPER_ASSIGN_OR_RETURN(DeviceFacts facts, FactsOf(options.device));
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<Products> products,
                          OpenProducts(options.device, options.table));
  Bench bench(options, std::move(config), *device, std::move(facts), std::move(products));
  if (bench.pinned()) {
    if (bench.products == nullptr) {
      return absl::FailedPreconditionError("--products pinned: there is no library here");
    }
    const int entries = bench.products->Pin();
    if (entries == 0) {
      return absl::FailedPreconditionError(
          "--products pinned: --table has no entry for this GPU and library; --what tune makes it");
    }
    std::fprintf(stderr, "gpu_bench: %d products pinned\n", entries);
  }
  if (!options.open_handle.empty()) {
    OpenPublication(bench);
    return bench.failed ? 1 : 0;
  }
  bool inference_done = false;
  for (const std::string& what : options.what) {
    if (what == "device") PrintDevice(bench);
    if (what == "tune") TuneAll(bench);
    if (what == "bandwidth") MeasureCopies(bench, /*print=*/true);
    if (what == "gemm") MeasureProducts(bench, /*print=*/true);
    if (what == "publish") MeasurePublication(bench);
    const bool inference = what == "weights" || what == "decode" || what == "prefill";
    if (!inference && what != "agree" && what != "train") continue;
    TEMPER_RETURN_IF_ERROR(CheckOps(bench));
    if (what == "agree") CheckAgreement(bench);
    if (what == "train") MeasureTraining(bench);
    if (!inference || inference_done) continue;
    MeasureInference(bench);
    inference_done = true;
  }
  return bench.failed ? 1 : 0;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures and checks one device with random models.");
  app.add_option("--device", options.device, "cpu or cuda:N")->capture_default_str();
  app.add_option("--preset", options.preset, "tiny or nemotron-h-8b")->capture_default_str();
  app.add_option("--config", options.config, "a config.json in place of a preset");
  app.add_option("--layers", options.layers, "a pattern of layers in place of its own: M, *, -, E");
  app.add_option("--what", options.what, kWhats)
      ->required()
      ->delimiter(',')
      ->check(CLI::IsMember({"device", "tune", "bandwidth", "gemm", "agree", "weights", "decode",
                             "prefill", "train", "publish"}));
  app.add_option("--dtype", options.dtype, "of packed weights")
      ->check(CLI::IsMember({"float32", "bfloat16"}))
      ->capture_default_str();
  app.add_option("--products", options.products, "own kernels, or those pinned by --table")
      ->check(CLI::IsMember({"own", "pinned"}))
      ->capture_default_str();
  app.add_option("--table", options.table, "file of pinned algorithms; --what tune writes it");
  app.add_option("--tune-seconds", options.tune_seconds)->capture_default_str();
  app.add_option("--tune-rows", options.tune_rows, "the most rows that are tried");
  const CLI::Range positive(int64_t{1}, int64_t{1} << 20);
  app.add_option("--batch", options.batch, "decode")->delimiter(',')->check(positive);
  app.add_option("--context", options.context, "decode")->delimiter(',')->check(positive);
  app.add_option("--prefill-tokens", options.prefill_tokens)->check(positive);
  app.add_option("--train-tokens", options.train_tokens, "of a sequence")->check(positive);
  app.add_option("--train-batch", options.train_batch)->check(positive);
  app.add_option("--copy-mbytes", options.copy_mbytes)->check(positive);
  app.add_option("--gemm-side", options.gemm_side)->check(positive);
  app.add_option("--threads", options.threads, "of the CPU");
  app.add_option("--seconds", options.seconds, "about so long a figure")->capture_default_str();
  app.add_flag("--json", options.json, "a line of JSON a figure");
  app.add_option("--open-handle", options.open_handle)->group("");
  app.add_option("--open-digest", options.open_digest)->group("");
  app.add_option("--open-layers", options.open_layers)->group("");
  options.arguments.assign(argv + 1, argv + argc);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const auto asked = [&options](const char* name) {
    return std::find(options.what.begin(), options.what.end(), name) != options.what.end();
  };
  if (asked("tune") && (options.table.empty() || options.products == "pinned")) {
    std::fprintf(stderr, "gpu_bench: --what tune needs --table FILE, and own products\n");
    return 2;
  }
  const absl::StatusOr<int> code = Run(std::move(options));
  if (code.ok()) return *code;
  std::fprintf(stderr, "gpu_bench: %s\n", std::string(code.status().message()).c_str());
  return 1;
}

}  // namespace
}  // namespace temper::gpu_check

int main(int argc, char** argv) {
  setenv("TEMPER_CUDA_ALGORITHMS", "", 1);  // it tunes and pins by itself
  return temper::gpu_check::Main(argc, argv);
}
