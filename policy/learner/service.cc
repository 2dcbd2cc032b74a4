// The callback side of LearnerService.
#include "policy/learner/service.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/bounded_queue.h"
#include "base/grpc_status.h"
#include "base/mutex.h"
#include "grpcpp/support/server_callback.h"
#include "temper/v1/learner.grpc.pb.h"

namespace temper::learner {
namespace {

using temper::v1::FetchWeightsRequest;
using temper::v1::FetchWeightsResponse;

// The controller is the only caller and repeats what timed out; more than this is a fault.
constexpr size_t kWaitingMax = 64;
constexpr int64_t kChunkBytes = 1 << 20;
constexpr absl::Duration kLoopPeriod = absl::Milliseconds(100);  // how soon a stop is seen

// Streams a mapped version; deletes itself when gRPC is done with it.
class WeightsStream : public grpc::ServerWriteReactor<FetchWeightsResponse> {
 public:
  explicit WeightsStream(absl::StatusOr<MappedFile> file) : file_(std::move(file)) {
    if (file_.ok()) {
      WriteNext();
    } else {
      Finish(ToGrpc(file_.status()));
    }
  }
  void OnWriteDone(bool ok) override {
    if (ok) {
      WriteNext();
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }
  void OnDone() override { delete this; }

 private:
  void WriteNext() {
    const auto size = static_cast<int64_t>(file_->bytes().size());
    if (offset_ == size) {
      Finish(grpc::Status::OK);
      return;
    }
    const int64_t bytes = std::min(kChunkBytes, size - offset_);
    chunk_.set_offset(offset_);
    chunk_.set_data(file_->bytes().data() + offset_, bytes);
    offset_ += bytes;
    StartWrite(&chunk_);
  }

  const absl::StatusOr<MappedFile> file_;
  int64_t offset_ = 0;
  FetchWeightsResponse chunk_;
};

}  // namespace

class Service::Wire : public temper::v1::LearnerService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Train(grpc::CallbackServerContext* context,
                                  const temper::v1::TrainRequest* request,
                                  temper::v1::TrainResponse* response) override {
    return Enqueue(context,
                   [=](Trainer& trainer) { return Put(trainer.Train(*request), response); });
  }

  grpc::ServerUnaryReactor* SaveCheckpoint(grpc::CallbackServerContext* context,
                                           const temper::v1::SaveCheckpointRequest* request,
                                           temper::v1::SaveCheckpointResponse* response) override {
    return Enqueue(
        context, [=](Trainer& trainer) { return Put(trainer.SaveCheckpoint(*request), response); });
  }

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const temper::v1::GetStatusRequest*,
                                      temper::v1::GetStatusResponse* response) override {
    const auto report = [=](const WeightStore& store) {
      *response->mutable_manifest() = *store.newest();
      return absl::OkStatus();
    };
    const WeightStore* store = this->store();
    if (store == nullptr) {
      return Enqueue(context, [=](Trainer& trainer) { return report(trainer.store()); });
    }
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(report(*store)));
    return reactor;
  }

  grpc::ServerWriteReactor<FetchWeightsResponse>* FetchWeights(
      grpc::CallbackServerContext*, const FetchWeightsRequest* request) override {
    const WeightStore* store = this->store();
    if (store == nullptr) {
      return new WeightsStream(absl::UnavailableError("the learner is loading its weights"));
    }
    return new WeightsStream(store->Map(request->version()));
  }

  void Run(Trainer& trainer, const StopToken& stop) {
    {
      MutexLock lock(mutex_);
      store_ = &trainer.store();
    }
    while (!stop.stopped()) {
      if (std::optional<Work> work = queue_.Pop(Wait::ForWork("a call", kLoopPeriod))) (*work)(&trainer);
    }
    Close();
  }

  void Close() {
    queue_.Close();
    while (std::optional<Work> work = queue_.TryPop()) (*work)(nullptr);
  }

 private:
  // Called once, on the loop; without a trainer the call is refused.
  using Work = std::function<void(Trainer*)>;

  template <class T>
  static absl::Status Put(absl::StatusOr<T> answer, T* response) {
    if (answer.ok()) *response = *std::move(answer);
    return answer.status();
  }

  template <class Job>
  grpc::ServerUnaryReactor* Enqueue(grpc::CallbackServerContext* context, Job job) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const bool queued = queue_.TryPush([=](Trainer* trainer) {
      if (trainer == nullptr) {
        reactor->Finish(ToGrpc(absl::UnavailableError("the learner is stopping")));
      } else if (context->IsCancelled()) {  // the caller will ask again, if it still wants it
        reactor->Finish(grpc::Status::CANCELLED);
      } else {
        reactor->Finish(ToGrpc(job(*trainer)));
      }
    });
    if (!queued) {
      reactor->Finish(ToGrpc(
          queue_.closed() ? absl::UnavailableError("the learner is stopping")
                          : absl::ResourceExhaustedError("too many calls wait for the learner")));
    }
    return reactor;
  }

  const WeightStore* store() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return store_;
  }

  BoundedQueue<Work> queue_{kWaitingMax};
  Mutex mutex_;
  const WeightStore* store_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

Service::Service() : wire_(std::make_unique<Wire>()) {}
Service::~Service() = default;
grpc::Service& Service::wire() { return *wire_; }
void Service::Close() { wire_->Close(); }
void Service::Run(Trainer& trainer, const StopToken& stop) { wire_->Run(trainer, stop); }

}  // namespace temper::learner
