// The callback side of LearnerService.
#include "policy/learner/service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "base/grpc_status.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "grpcpp/support/server_callback.h"
#include "temper/v1/learner.grpc.pb.h"

namespace temper::learner {
namespace {

using temper::v1::FetchWeightsRequest;
using temper::v1::FetchWeightsResponse;

constexpr int64_t kChunkBytes = 1 << 20;

absl::Status Closing() { return absl::UnavailableError("the learner closes the run"); }

// Streams a version, or says where its file is; deletes itself when gRPC is done with it.
class WeightsStream : public grpc::ServerWriteReactor<FetchWeightsResponse> {
 public:
  // One of these, once, from any thread.
  void Refuse(const absl::Status& status) { Finish(ToGrpc(status)); }
  void SendPath(const std::string& path) {
    chunk_.set_shared_path(path);
    StartWriteAndFinish(&chunk_, grpc::WriteOptions(), grpc::Status::OK);
  }
  void SendBytes(absl::StatusOr<MappedFile> file) {
    if (!file.ok()) return Refuse(file.status());
    file_ = *std::move(file);
    WriteNext();
  }

  void OnWriteDone(bool ok) override {
    if (!file_.has_value()) return;  // it ends by itself
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

  std::optional<MappedFile> file_;
  int64_t offset_ = 0;
  FetchWeightsResponse chunk_;
};

// Of a version whose file is there.
void Send(TrainerLoop& loop, const FetchWeightsRequest& request, WeightsStream& stream) {
  const absl::StatusOr<std::string> path = loop.AskForFile(request.version());
  if (!path.ok()) {
    stream.Refuse(path.status());
  } else if (request.host_id() == HostId()) {
    stream.SendPath(*path);
  } else {
    stream.SendBytes(loop.Map(request.version()));
  }
}

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
      grpc::CallbackServerContext* context, const FetchWeightsRequest* request) override {
    auto* const stream = new WeightsStream;
    const absl::StatusOr<std::shared_ptr<TrainerLoop>> loop = runs_.Find(request->run());
    const absl::Status begun =
        loop.ok() ? BeginFetch(*loop, *context, *request, *stream) : loop.status();
    if (!begun.ok()) stream->Refuse(begun);
    return stream;
  }

 private:
  template <class T>
  static absl::Status Put(absl::StatusOr<T> answer, T* response) {
    if (answer.ok()) *response = *std::move(answer);
    return answer.status();
  }

  // Not OK: the stream was not told.
  static absl::Status BeginFetch(const std::shared_ptr<TrainerLoop>& loop,
                                 const grpc::CallbackServerContext& context,
                                 const FetchWeightsRequest& request, WeightsStream& stream) {
    TEMPER_ASSIGN_OR_RETURN(const std::string path, loop->AskForFile(request.version()));
    if (!path.empty()) {
      Send(*loop, request, stream);
      return absl::OkStatus();
    }
    // Between two steps the trainer makes it. The line is empty by the time the loop is gone.
    return loop->Push([loop = loop.get(), request, &context, &stream](Trainer* trainer) {
      if (trainer == nullptr) return stream.Refuse(Closing());
      if (context.IsCancelled()) return stream.Refuse(absl::CancelledError());
      const absl::Status made = trainer->MakeFile(request.version());
      if (!made.ok()) return stream.Refuse(made);
      Send(*loop, request, stream);
    });
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
        reactor->Finish(ToGrpc(Closing()));
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
