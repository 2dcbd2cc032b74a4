// Work that is asked for step after step in the same way becomes one launch of a CUDA graph.
//
// A decoding step is some hundreds of kernels that each run for microseconds: launching them one by
// one takes longer than they do. Here the work is first only listed (CudaStream::BeginListing):
// which kernels, with which arguments. These bytes are the key. Where the same bytes were asked for
// before, one copy brings the lists (tokens, positions, where states lie) to where the kernels look
// for them, and one launch starts them all; a graph can so never be stale: had memory moved or a
// size changed, the bytes would be others. What is asked for the first time is done at once, the
// second time recorded.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "absl/functional/function_ref.h"
#include "kernels/cuda/cuda_stream.h"

namespace temper::kernels::cuda {

class StepGraphs {
 public:
  // Graphs that are kept; beyond, the one that was not used for longest goes.
  static constexpr size_t kGraphsMax = 256;
  explicit StepGraphs(CudaStream& stream) : stream_(stream) {}
  ~StepGraphs();

  // As work(); see Device::Repeat.
  void Run(absl::FunctionRef<void()> work);

  const RepeatCounts& counts() const { return counts_; }

 private:
  struct Graph {
    GraphHandle handle = nullptr;
    int64_t last_step = 0;
  };
  void List(absl::FunctionRef<void()> work);
  void MakeRoom();

  CudaStream& stream_;
  std::unordered_map<std::string, Graph> graphs_;  // by what they ask for
  std::string listed_, recorded_;
  RepeatCounts counts_;
};

}  // namespace temper::kernels::cuda
