// Around a library's product: rows rounded to bfloat16 and filled up, the result put in its place.
#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

#include "kernels/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/library_product.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/packed_weight.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 256;

// y (=|+=) from.
__global__ void PutRowsKernel(Matrix<const float> from, bool add, Matrix<float> y) {
  ForEachElement(y.rows, y.cols, [&](int64_t i, int64_t j) {
    const float value = from.at(i, j);
    y.at(i, j) = add ? y.at(i, j) + value : value;
  });
}

struct Pinned {
  BlasLibrary* library = nullptr;
  std::map<std::pair<int64_t, int64_t>, Algorithm> forward, backward_input;
  std::atomic<bool> asked = false;  // for an algorithm: nothing may be pinned any more
};
Pinned& ThePinned() {
  static Pinned pinned;
  return pinned;
}

// The library writes where the result belongs, if every row it computes is one and they are
// aligned.
bool FitsInPlace(View<float> y, int64_t rows, Write write) {
  return write == Write::kReplace && y.rows == rows && y.stride % 4 == 0 &&
         reinterpret_cast<uintptr_t>(y.data) % 16 == 0;
}

// One call of the library, or, while the stream lists, a note of it: an algorithm is known to do it
// by then, since the work was done once before it is a graph.
bool Ask(CudaStream& cuda, BlasLibrary& library, const LibraryProduct& product,
         const Algorithm& algorithm) {
  if (cuda.notes()) {
    cuda.Note(&algorithm);
    cuda.Note(static_cast<int64_t>(product.direction));
    for (const int64_t number : {product.rows, product.out, product.in, product.c_stride}) {
      cuda.Note(number);
    }
    for (const void* memory :
         {static_cast<const void*>(product.a), static_cast<const void*>(product.weight),
          static_cast<const void*>(product.c), static_cast<const void*>(product.workspace)}) {
      cuda.Note(memory);
    }
    if (!cuda.asks()) return true;
  }
  return library.Multiply(cuda.handle(), product, algorithm);
}

}  // namespace

void PinAlgorithms(BlasLibrary& library, const DeviceTraits& device, const AlgorithmTable& table) {
  Pinned& pinned = ThePinned();
  TEMPER_KERNEL_CHECK(!pinned.asked && pinned.library == nullptr);
  pinned.library = &library;
  for (const auto& [key, algorithm] : table) {
    if (key.device != device.name || key.major != device.major || key.minor != device.minor ||
        key.library_version != library.version()) {
      continue;
    }
    auto& of_direction =
        key.direction == Direction::kForward ? pinned.forward : pinned.backward_input;
    of_direction[{key.out, key.in}] = algorithm;
  }
}

const Algorithm* PinnedAlgorithm(int64_t out, int64_t in, Direction direction) {
  Pinned& pinned = ThePinned();
  pinned.asked = true;
  const auto& of_direction =
      direction == Direction::kForward ? pinned.forward : pinned.backward_input;
  const auto found = of_direction.find({out, in});
  return found == of_direction.end() ? nullptr : &found->second;
}

BlasLibrary& PinnedLibrary() {
  TEMPER_KERNEL_CHECK(ThePinned().library != nullptr);
  return *ThePinned().library;
}

const std::vector<int64_t>& LibraryRows() {
  static const std::vector<int64_t> all = [] {
    std::vector<int64_t> rows;
    for (int64_t count = 16; count < 128; count += 16) rows.push_back(count);
    for (int64_t count = 128; count <= 4096; count += 128) rows.push_back(count);
    return rows;
  }();
  return all;
}

bool MultiplyByLibrary(CudaStream& cuda, BlasLibrary& library, const Algorithm& algorithm,
                       Direction direction, View<const float> x, const uint16_t* weight,
                       int64_t out, int64_t in, View<float> y, Write write) {
  const std::vector<int64_t>& counts = LibraryRows();
  const int64_t most = std::min(counts.back(), x.rows);
  if (most == 0) return true;
  const int64_t filled_most = *std::lower_bound(counts.begin(), counts.end(), most);
  LibraryProduct product{.direction = direction, .out = out, .in = in, .weight = weight};
  TEMPER_KERNEL_CHECK(x.rows == y.rows && x.cols == product.depth() && y.cols == product.columns());
  product.workspace = cuda.Scratch<char>(LibraryProduct::kWorkspaceBytes);
  uint16_t* const rounded = cuda.Scratch<uint16_t>(filled_most * x.cols);
  float* result = nullptr;
  product.a = rounded;
  for (int64_t begin = 0; begin < x.rows; begin += counts.back()) {
    const int64_t count = std::min(counts.back(), x.rows - begin);
    const View<const float> from = x.Rows(begin, count);
    const View<float> to = y.Rows(begin, count);
    product.rows = *std::lower_bound(counts.begin(), counts.end(), count);
    RoundRows(cuda, from, product.rows, rounded);
    const bool in_place = FitsInPlace(to, product.rows, write);
    if (!in_place && result == nullptr) result = cuda.Scratch<float>(filled_most * y.cols);
    product.c = in_place ? to.data : result;
    product.c_stride = in_place ? to.stride : y.cols;
    if (!Ask(cuda, library, product, algorithm)) return false;
    if (in_place) continue;
    TEMPER_LAUNCH(PutRowsKernel, cuda, BlocksFor(cuda, to, kThreads), kThreads, 0,
                  View<const float>(result, count, y.cols), write == Write::kAdd, to);
  }
  return true;
}

}  // namespace temper::kernels::cuda
