// The callback side of LearnerService.
#include "policy/learner/service.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "base/grpc_status.h"
#include "base/status_macros.h"
#include "grpcpp/support/server_callback.h"
#include "temper/v1/learner.grpc.pb.h"

namespace temper::learner {
namespace {

using temper::v1::FetchWeightsRequest;
using temper::v1::FetchWeightsResponse;

constexpr int64_t kChunkBytes = 1 << 20;

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

class LearnerService final : public temper::v1::LearnerService::CallbackService {
 public:
  explicit LearnerService(const TrainerDirectory& runs) : runs_(runs) {}

  grpc::ServerUnaryReactor* Train(grpc::CallbackServerContext* context,
                                  const temper::v1::TrainRequest* request,
                                  temper::v1::TrainResponse* response) override {
    return Enqueue(context, *request,
                   [=](Trainer& trainer) { return Put(trainer.Train(*request), response); });
  }

  grpc::ServerUnaryReactor* SaveCheckpoint(grpc::CallbackServerContext* context,
                                           const temper::v1::SaveCheckpointRequest* request,
                                           temper::v1::SaveCheckpointResponse* response) override {
    return Enqueue(context, *request, [=](Trainer& trainer) {
      return Put(trainer.SaveCheckpoint(*request), response);
    });
  }

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const temper::v1::GetStatusRequest* request,
                                      temper::v1::GetStatusResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(Describe(*request, *response)));
    return reactor;
  }

  grpc::ServerWriteReactor<FetchWeightsResponse>* FetchWeights(
      grpc::CallbackServerContext*, const FetchWeightsRequest* request) override {
    const auto loop = runs_.Find(request->run());
    return new WeightsStream(loop.ok() ? (*loop)->Map(request->version())
                                       : absl::StatusOr<MappedFile>(loop.status()));
  }

 private:
  template <class T>
  static absl::Status Put(absl::StatusOr<T> answer, T* response) {
    if (answer.ok()) *response = *std::move(answer);
    return answer.status();
  }

  absl::Status Describe(const temper::v1::GetStatusRequest& request,
                        temper::v1::GetStatusResponse& response) const {
    TEMPER_ASSIGN_OR_RETURN(const std::shared_ptr<TrainerLoop> loop, runs_.Find(request.run()));
    TEMPER_ASSIGN_OR_RETURN(const Manifest manifest, loop->Newest());
    *response.mutable_manifest() = *manifest;
    return absl::OkStatus();
  }

  template <class Request, class Job>
  grpc::ServerUnaryReactor* Enqueue(grpc::CallbackServerContext* context, const Request& request,
                                    Job job) const {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const auto loop = runs_.Find(request.run());
    const auto work = [=](Trainer* trainer) {
      if (trainer == nullptr) {
        reactor->Finish(ToGrpc(absl::UnavailableError("the learner closes the run")));
      } else if (context->IsCancelled()) {  // the caller will ask again, if it still wants it
        reactor->Finish(grpc::Status::CANCELLED);
      } else {
        reactor->Finish(ToGrpc(job(*trainer)));
      }
    };
    const absl::Status queued = loop.ok() ? (*loop)->Push(work) : loop.status();
    if (!queued.ok()) reactor->Finish(ToGrpc(queued));
    return reactor;
  }

  const TrainerDirectory& runs_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeLearnerService(const TrainerDirectory& runs) {
  return std::make_unique<LearnerService>(runs);
}

}  // namespace temper::learner
