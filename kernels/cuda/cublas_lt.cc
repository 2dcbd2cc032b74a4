// Asks cuBLASLt. Compiled, but never yet run: no machine of ours has had a GPU. tune_weight.h
// trusts nothing here: it compares with our own kernels before it admits an algorithm.
//
// cuBLASLt's matrices are column-major, so that all of ours are seen transposed:
//   forward         transpose(c) [out, rows] = transpose(weight seen as [in, out]) * [in, rows]
//   backward input  transpose(c) [in, rows]  = weight seen as [in, out] * [out, rows]
#include "kernels/cuda/cublas_lt.h"

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <cstring>
#include <mutex>
#include <optional>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kAskedFor = 64;        // algorithms, for each number of rows
constexpr uint32_t kAlignment = 16;  // of our matrices; weights and scratch are aligned to more

static_assert(sizeof(cublasLtMatmulAlgo_t) == sizeof(Algorithm::record));

cublasLtMatmulAlgo_t Native(const Algorithm& algorithm) {
  cublasLtMatmulAlgo_t native;
  std::memcpy(&native, algorithm.record.data(), sizeof(native));
  return native;
}

void Require(cublasStatus_t status) { TEMPER_KERNEL_CHECK(status == CUBLAS_STATUS_SUCCESS); }

// The descriptors of one product: small records, made anew for each call.
struct Descriptors {
  Descriptors(Direction direction, int64_t rows, int64_t out, int64_t in, int64_t c_stride) {
    const bool forward = direction == Direction::kForward;
    const int64_t columns = forward ? out : in, depth = forward ? in : out;
    Require(cublasLtMatmulDescInit(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    const cublasOperation_t turn = forward ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t as_is = CUBLAS_OP_N;
    Require(
        cublasLtMatmulDescSetAttribute(&product, CUBLASLT_MATMUL_DESC_TRANSA, &turn, sizeof(turn)));
    Require(cublasLtMatmulDescSetAttribute(&product, CUBLASLT_MATMUL_DESC_TRANSB, &as_is,
                                           sizeof(as_is)));
    Init(weight, CUDA_R_16BF, in, out, in);
    Init(a, CUDA_R_16BF, depth, rows, depth);
    Init(c, CUDA_R_32F, columns, rows, c_stride);
  }

  cublasLtMatmulDescOpaque_t product;
  cublasLtMatrixLayoutOpaque_t weight, a, c;

 private:
  static void Init(cublasLtMatrixLayoutOpaque_t& layout, cudaDataType type, int64_t rows,
                   int64_t cols, int64_t stride) {
    Require(cublasLtMatrixLayoutInit(&layout, type, static_cast<uint64_t>(rows),
                                     static_cast<uint64_t>(cols), stride));
  }
};

template <class T>
std::optional<T> Config(const cublasLtMatmulAlgo_t& algorithm,
                        cublasLtMatmulAlgoConfigAttributes_t attribute) {
  T value{};
  size_t written = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &value, sizeof(value), &written);
  if (status != CUBLAS_STATUS_SUCCESS || written != sizeof(value)) return std::nullopt;
  return value;
}

// One chain over all of depth: no split, no reduction of parts. What cannot be asked is not
// trusted.
bool IsWhole(const cublasLtMatmulAlgo_t& algorithm) {
  const std::optional<int32_t> splits = Config<int32_t>(algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM);
  const std::optional<uint32_t> reduction =
      Config<uint32_t>(algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME);
  return splits.has_value() && (*splits == 0 || *splits == 1) && reduction.has_value() &&
         *reduction == CUBLASLT_REDUCTION_SCHEME_NONE;
}

std::string LabelOf(const cublasLtMatmulAlgo_t& algorithm) {
  return absl::StrCat(
      "id ", Config<int32_t>(algorithm, CUBLASLT_ALGO_CONFIG_ID).value_or(-1), " tile ",
      Config<uint32_t>(algorithm, CUBLASLT_ALGO_CONFIG_TILE_ID).value_or(0), " stages ",
      Config<uint32_t>(algorithm, CUBLASLT_ALGO_CONFIG_STAGES_ID).value_or(0), " swizzle ",
      Config<uint32_t>(algorithm, CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING).value_or(0), " custom ",
      Config<uint32_t>(algorithm, CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION).value_or(0), " inner ",
      Config<uint16_t>(algorithm, CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID).value_or(0), " cluster ",
      Config<uint16_t>(algorithm, CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID).value_or(0));
}

class CublasLt final : public BlasLibrary {
 public:
  explicit CublasLt(cublasLtHandle_t handle) : handle_(handle) {}
  ~CublasLt() override { cublasLtDestroy(handle_); }

  int64_t version() const override { return static_cast<int64_t>(cublasLtGetVersion()); }

  std::vector<Algorithm> Candidates(int64_t out, int64_t in, Direction direction,
                                    const std::vector<int64_t>& rows) override {
    std::vector<Algorithm> candidates;
    if (out % 8 != 0 || in % 8 != 0) return candidates;
    const std::lock_guard lock(mutex_);
    for (const int64_t count : rows) {
      for (const cublasLtMatmulAlgo_t& found : Proposed(out, in, direction, count)) {
        Algorithm candidate;
        std::memcpy(candidate.record.data(), &found, sizeof(found));
        bool known = false;
        for (const Algorithm& other : candidates) known |= other.record == candidate.record;
        if (known || !IsWhole(found)) continue;
        bool all = true;
        for (const int64_t other : rows) all = all && Does(found, out, in, direction, other);
        if (!all) continue;
        candidate.label = LabelOf(found);
        candidates.push_back(std::move(candidate));
      }
    }
    return candidates;
  }

  bool Multiply(StreamHandle stream, const LibraryProduct& product,
                const Algorithm& algorithm) override {
    Descriptors of(product.direction, product.rows, product.out, product.in, product.c_stride);
    const cublasLtMatmulAlgo_t native = Native(algorithm);
    const float one = 1.0f, zero = 0.0f;
    const std::lock_guard lock(mutex_);
    return cublasLtMatmul(handle_, &of.product, &one, product.weight, &of.weight, product.a, &of.a,
                          &zero, product.c, &of.c, product.c, &of.c, &native, product.workspace,
                          LibraryProduct::kWorkspaceBytes, stream) == CUBLAS_STATUS_SUCCESS;
  }

 private:
  // What cuBLASLt itself would choose from for so many rows.
  std::vector<cublasLtMatmulAlgo_t> Proposed(int64_t out, int64_t in, Direction direction,
                                             int64_t rows) {
    Descriptors of(direction, rows, out, in, direction == Direction::kForward ? out : in);
    cublasLtMatmulPreferenceOpaque_t preference;
    Require(cublasLtMatmulPreferenceInit(&preference));
    const uint64_t workspace = LibraryProduct::kWorkspaceBytes;
    const uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_NONE;
    Require(cublasLtMatmulPreferenceSetAttribute(
        &preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof(workspace)));
    Require(cublasLtMatmulPreferenceSetAttribute(
        &preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reduction, sizeof(reduction)));
    for (const cublasLtMatmulPreferenceAttributes_t matrix :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      Require(cublasLtMatmulPreferenceSetAttribute(&preference, matrix, &kAlignment,
                                                   sizeof(kAlignment)));
    }
    cublasLtMatmulHeuristicResult_t results[kAskedFor];
    int count = 0;
    if (cublasLtMatmulAlgoGetHeuristic(handle_, &of.product, &of.weight, &of.a, &of.c, &of.c,
                                       &preference, kAskedFor, results,
                                       &count) != CUBLAS_STATUS_SUCCESS) {
      return {};  // it has none
    }
    std::vector<cublasLtMatmulAlgo_t> proposed;
    for (int i = 0; i < count; ++i) {
      if (results[i].state == CUBLAS_STATUS_SUCCESS) proposed.push_back(results[i].algo);
    }
    return proposed;
  }

  bool Does(const cublasLtMatmulAlgo_t& algorithm, int64_t out, int64_t in, Direction direction,
            int64_t rows) {
    Descriptors of(direction, rows, out, in, direction == Direction::kForward ? out : in);
    cublasLtMatmulHeuristicResult_t result;
    return cublasLtMatmulAlgoCheck(handle_, &of.product, &of.weight, &of.a, &of.c, &of.c,
                                   &algorithm, &result) == CUBLAS_STATUS_SUCCESS &&
           result.state == CUBLAS_STATUS_SUCCESS &&
           result.workspaceSize <= static_cast<size_t>(LibraryProduct::kWorkspaceBytes);
  }

  std::mutex mutex_;  // its documents do not promise that a handle may be shared
  cublasLtHandle_t handle_;
};

}  // namespace

std::unique_ptr<BlasLibrary> OpenCublasLt() {
  cublasLtHandle_t handle = nullptr;
  if (cublasLtCreate(&handle) != CUBLAS_STATUS_SUCCESS) return nullptr;
  return std::make_unique<CublasLt>(handle);
}

}  // namespace temper::kernels::cuda
