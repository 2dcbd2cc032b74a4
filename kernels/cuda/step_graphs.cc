// Listing, finding, recording.
#include "kernels/cuda/step_graphs.h"

#include <algorithm>
#include <chrono>

#include "kernels/check.h"

namespace temper::kernels::cuda {

StepGraphs::~StepGraphs() {
  stream_.Finish();  // the last of them may be running
  for (const auto& [key, graph] : graphs_) {
    if (graph.handle != nullptr) DestroyGraph(graph.handle);
  }
}

void StepGraphs::List(absl::FunctionRef<void()> work) {
  const auto begin = std::chrono::steady_clock::now();
  do {
    stream_.BeginListing();
    work();
  } while (!stream_.EndListing(listed_));
  counts_.listing_seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void StepGraphs::MakeRoom() {
  if (graphs_.size() < kGraphsMax) return;
  const auto oldest = std::min_element(
      graphs_.begin(), graphs_.end(),
      [](const auto& a, const auto& b) { return a.second.last_step < b.second.last_step; });
  if (oldest->second.handle != nullptr) {
    stream_.Finish();
    DestroyGraph(oldest->second.handle);
  }
  graphs_.erase(oldest);
}

void StepGraphs::Run(absl::FunctionRef<void()> work) {
  ++counts_.steps;
  List(work);
  auto found = graphs_.find(listed_);
  if (found == graphs_.end()) {
    MakeRoom();
    graphs_[listed_].last_step = counts_.steps;
    work();
    return;
  }
  Graph& graph = found->second;
  graph.last_step = counts_.steps;
  if (graph.handle == nullptr) {
    stream_.BeginRecording();
    work();
    graph.handle = stream_.EndRecording(recorded_);
    TEMPER_KERNEL_CHECK(recorded_ == listed_);  // `work` must ask for the same each time
    ++counts_.recorded;
  }
  stream_.BringLists();
  LaunchGraph(graph.handle, stream_.handle());
  ++counts_.launched;
}

}  // namespace temper::kernels::cuda
