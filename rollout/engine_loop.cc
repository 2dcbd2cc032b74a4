// Orders in, steps, versions: one thread, no locks but the queue's.
#include "rollout/engine_loop.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/weights_fingerprint.h"
#include "rollout/engine/engine.h"
#include "rollout/weight_follower.h"

namespace temper::rollout {
namespace {

// How long an idle thread sleeps when nobody wakes it: bounds how late a stop is seen.
constexpr absl::Duration kIdleWait = absl::Milliseconds(200);

absl::Status Stopped() {
  return absl::UnavailableError("this rollout worker is stopping, or closes the run");
}

}  // namespace

absl::Status EngineLoop::Push(Order order) {
  if (orders_.TryPush(std::move(order))) return absl::OkStatus();
  if (orders_.closed()) return Stopped();
  return absl::ResourceExhaustedError("the waiting line is full; try later");
}

void EngineLoop::Start(Engine& engine, const WeightFollower* follower) {
  TEMPER_CHECK(!thread_.joinable());
  engine_ = &engine;
  follower_ = follower;
  thread_ = Thread("engine", [this] { Run(); });
}

void EngineLoop::Stop() {
  stopping_.store(true);
  orders_.Close();
  if (thread_.joinable()) thread_.Join(kLoopEnd, WaitPolicy::kFail);
  Refuse(Stopped());  // what came before Start(), or nothing
}

void EngineLoop::Run() {
  while (!stopping_.load()) {
    TakeOrders(engine_->idle() && updates_.empty() ? kIdleWait : absl::ZeroDuration());
    ApplyUpdates();
    if (engine_->idle()) continue;
    engine_->Step();
    progress_.store(engine_->tokens(), std::memory_order_relaxed);
  }
  engine_->Abandon(Stopped());
  Refuse(Stopped());
}

void EngineLoop::TakeOrders(absl::Duration wait) {
  // As many as stand there now: a flood must not keep the engine from stepping.
  size_t left = orders_.size() + 1;
  for (; left > 0; --left, wait = absl::ZeroDuration()) {
    std::optional<Order> order = orders_.Pop(Wait::ForWork("an order", wait));
    if (!order.has_value()) return;
    std::visit([this](auto&& taken) { Take(std::move(taken)); }, *std::move(order));
  }
}

absl::Status EngineLoop::CheckNoUpdateWaits(const std::string& wanted) const {
  if (updates_.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(wanted, " is wanted; version ", engine_->version(),
                   " is making room for version ", updates_.back().manifest.version()));
}

void EngineLoop::Take(GroupRequest request) {
  const std::shared_ptr<EpisodeSink> sink = request.sink;
  absl::Status taken = CheckNoUpdateWaits(absl::StrCat("version ", request.version));
  if (taken.ok()) taken = engine_->Submit(std::move(request));
  if (!taken.ok()) sink->Done(taken);
}

void EngineLoop::Take(MeasureRequest request) {
  const std::shared_ptr<MeasureSink> sink = request.sink;
  absl::Status taken = CheckNoUpdateWaits(
      request.version.has_value() ? absl::StrCat("version ", *request.version) : "any version");
  if (taken.ok()) taken = engine_->Submit(std::move(request));
  if (!taken.ok()) sink->Done(taken);
}

void EngineLoop::Take(UpdateOrder order) {
  if (follower_ == nullptr) {
    order.sink->Done(absl::FailedPreconditionError(absl::StrCat(
        "version ", order.manifest.version(), " is wanted; this worker serves the weights of a ",
        "model folder (--model) and takes no others")));
    return;
  }
  updates_.push_back(std::move(order));
  ApplyUpdates();
}

void EngineLoop::ApplyUpdates() {
  while (!updates_.empty()) {
    UpdateOrder& order = updates_.front();
    absl::StatusOr<WeightsUpdate> update;
    if (order.sink->cancelled()) {
      update = absl::CancelledError("the caller went away");
    } else if (absl::Now() > order.deadline) {
      update = absl::DeadlineExceededError(
          absl::StrCat("version ", order.manifest.version(), " waited for ", engine_->running(),
                       " running and ", engine_->waiting(), " waiting"));
    } else if (order.manifest.version() == engine_->version() &&
               WeightsFingerprint(order.manifest) == digest_) {
      update = WeightsUpdate{engine_->version(), digest_, absl::ZeroDuration()};
    } else if (engine_->idle()) {
      update = Apply(order);
    } else {
      return;
    }
    if (!update.ok()) {
      log::Warning("weights not updated", {{"version", order.manifest.version()},
                                           {"why", std::string(update.status().message())}});
    }
    order.sink->Done(update);
    updates_.pop_front();
  }
}

absl::StatusOr<WeightsUpdate> EngineLoop::Apply(const UpdateOrder& order) {
  const absl::Time start = absl::Now();
  TEMPER_ASSIGN_OR_RETURN(const v1::WeightsWay way, TakeWeights(order));
  const WeightsUpdate update{order.manifest.version(), digest_, absl::Now() - start, way};
  log::Info("weights taken", {{"version", update.version},
                              {"way", v1::WeightsWay_Name(way)},
                              {"seconds", absl::ToDoubleSeconds(update.took)}});
  return update;
}

absl::StatusOr<v1::WeightsWay> EngineLoop::TakeWeights(const UpdateOrder& order) {
  const v1::WeightsManifest& manifest = order.manifest;
  TEMPER_ASSIGN_OR_RETURN(const std::optional<SharedWeights> shared, follower_->Open(manifest));
  if (shared.has_value()) {
    // There is no room for two versions: what is current goes before the new one is known to be
    // good.
    digest_.clear();
    engine_->PackWeights(shared->values);
    TEMPER_ASSIGN_OR_RETURN(digest_, follower_->Confirm(manifest, *shared));
    engine_->ConfirmWeights(manifest.version());
    return v1::WEIGHTS_WAY_DEVICE;
  }
  TEMPER_ASSIGN_OR_RETURN(LoadedWeights loaded, follower_->Load(manifest, order.deadline, [&] {
    return stopping_.load() || order.sink->cancelled();
  }));
  engine_->SetWeights(manifest.version(), std::move(loaded.values));
  digest_ = std::move(loaded.digest);
  return loaded.way;
}

void EngineLoop::Refuse(const absl::Status& status) {
  for (const UpdateOrder& order : updates_) order.sink->Done(status);
  updates_.clear();
  while (std::optional<Order> order = orders_.TryPop()) {
    std::visit([&](const auto& refused) { refused.sink->Done(status); }, *order);
  }
}

}  // namespace temper::rollout
