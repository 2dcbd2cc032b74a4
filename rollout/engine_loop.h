// The engine's thread: takes what callbacks enqueued, steps, and changes versions in between.
//
// The thread alone touches the engine and its weights. Generate(), Measure() and Update() may be
// called from any thread, also before Start(): the orders then wait.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bounded_queue.h"
#include "base/thread.h"
#include "rollout/engine/request.h"
#include "temper/v1/rollout.pb.h"
#include "temper/v1/weights.pb.h"

namespace temper::rollout {

class Engine;
class WeightFollower;

// A version that was made current.
struct WeightsUpdate {
  int64_t version = 0;
  std::string digest;  // WeightsFingerprint() of what lies here
  absl::Duration took;
  v1::WeightsWay way = v1::WEIGHTS_WAY_UNSPECIFIED;  // none: it was here already
};

// Where the outcome of an update goes: Done() exactly once, on the engine's thread.
class UpdateSink {
 public:
  virtual ~UpdateSink() = default;
  virtual void Done(const absl::StatusOr<WeightsUpdate>& update) = 0;
  virtual bool cancelled() const = 0;
};

struct UpdateOrder {
  v1::WeightsManifest manifest;
  absl::Time deadline;
  std::shared_ptr<UpdateSink> sink;
};

class EngineLoop {
 public:
  // waiting_max: orders between two steps.
  explicit EngineLoop(size_t waiting_max) : orders_(waiting_max) {}
  ~EngineLoop() { Stop(); }

  // When refused, the sink is not told. RESOURCE_EXHAUSTED: the line is full. UNAVAILABLE: stopped.
  absl::Status Generate(GroupRequest request) { return Push(std::move(request)); }
  absl::Status Measure(MeasureRequest request) { return Push(std::move(request)); }
  // Waits in line until the groups in flight have ended; those that come meanwhile are refused.
  absl::Status Update(UpdateOrder order) { return Push(std::move(order)); }

  // Both are there until Stop() returns. Called once. follower: null for an engine that keeps the
  // weights it has; updates are then refused with FAILED_PRECONDITION.
  void Start(Engine& engine, const WeightFollower* follower);
  // Ends everything in flight with UNAVAILABLE and joins the thread.
  void Stop();

  // Tokens that went through the model, for the sign of life.
  const std::atomic<int64_t>& progress() const { return progress_; }

 private:
  using Order = std::variant<GroupRequest, MeasureRequest, UpdateOrder>;

  absl::Status Push(Order order);
  void Run();
  void TakeOrders(absl::Duration wait);
  void Take(GroupRequest request);
  void Take(MeasureRequest request);
  void Take(UpdateOrder order);
  // Not OK while updates wait for what runs to end. `wanted`: of the request, in words.
  absl::Status CheckNoUpdateWaits(const std::string& wanted) const;
  // Carries out the updates that can be; those that must wait stay.
  void ApplyUpdates();
  absl::StatusOr<WeightsUpdate> Apply(const UpdateOrder& order);
  absl::StatusOr<v1::WeightsWay> TakeWeights(const UpdateOrder& order);
  void Refuse(const absl::Status& status);

  BoundedQueue<Order> orders_;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> progress_{0};
  Thread thread_;

  // The thread's own.
  Engine* engine_ = nullptr;
  const WeightFollower* follower_ = nullptr;
  std::deque<UpdateOrder> updates_;
  std::string digest_;  // of the current version; "": none is
};

}  // namespace temper::rollout
