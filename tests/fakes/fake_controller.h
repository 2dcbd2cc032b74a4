// ControllerService in memory, over made runs: strict about what it is asked, and as the protocol
// says about who asks, repeated requests, states and pages.
//
// A real server's service: gRPC's threads call it; a mutex guards everything.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/grpc_status.h"
#include "base/mutex.h"
#include "temper/v1/controller.grpc.pb.h"
#include "tests/fakes/made_run.h"

namespace temper::fakes {

class FakeController : public v1::ControllerService::Service {
 public:
  struct Options {
    int steps = 120;
    int steps_made = 42;
    int64_t created_ms = 1'700'000'000'000;
  };

  FakeController() : FakeController(Options{}) {}
  explicit FakeController(const Options& options);

  // Every running run makes a step.
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_);
  // How often an rpc was let in.
  int calls(const std::string& rpc) ABSL_LOCKS_EXCLUDED(mutex_);

#define TEMPER_FAKE_RPC(name)                                                       \
  grpc::Status name(grpc::ServerContext* context, const v1::name##Request* request, \
                    v1::name##Response* response) override;
  TEMPER_FAKE_RPC(Submit)
  TEMPER_FAKE_RPC(List)
  TEMPER_FAKE_RPC(Get)
  TEMPER_FAKE_RPC(Pause)
  TEMPER_FAKE_RPC(Resume)
  TEMPER_FAKE_RPC(Drain)
  TEMPER_FAKE_RPC(Stop)
  TEMPER_FAKE_RPC(Alter)
  TEMPER_FAKE_RPC(Checkpoint)
  TEMPER_FAKE_RPC(Fork)
  TEMPER_FAKE_RPC(GetSamples)
  TEMPER_FAKE_RPC(GetTimeline)
  TEMPER_FAKE_RPC(ListWaits)
  TEMPER_FAKE_RPC(ListWorkers)
  TEMPER_FAKE_RPC(CordonWorker)
  TEMPER_FAKE_RPC(QuarantinePrompt)
#undef TEMPER_FAKE_RPC
  grpc::Status Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                     grpc::ServerWriter<v1::WatchResponse>* writer) override;
  grpc::Status Replay(grpc::ServerContext* context, const v1::ReplayRequest* request,
                      grpc::ServerWriter<v1::ReplayResponse>* writer) override;

 private:
  // Counts the call, and says who makes it.
  std::string Take(const grpc::ServerContext& context, const std::string& rpc)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Find(const std::string& name, MadeRun*& run) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SetState(const std::string& name, v1::RunState state, const std::string& reason,
                        const std::string& who) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Describe(MadeRun& run, v1::GetResponse& view) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::Wait WaitOf(MadeRun& run) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // A call that changes nothing, and one that is remembered by its request_id.
  template <class Request, class Act>
  grpc::Status Look(const grpc::ServerContext& context, const Request& request, Act act);
  template <class Request, class Response, class Act>
  grpc::Status Change(const grpc::ServerContext& context, const Request& request,
                      Response& response, Act act);

  // "Get" of GetRequest.
  static std::string RpcOf(const google::protobuf::Descriptor& request) {
    return request.name().substr(0, request.name().size() - sizeof("Request") + 1);
  }

  struct Remembered {
    std::string request;
    std::string response;
  };

  const Options options_;
  Mutex mutex_;
  std::deque<MadeRun> runs_ ABSL_GUARDED_BY(mutex_);  // oldest first
  std::vector<v1::Worker> workers_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Remembered> remembered_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> calls_ ABSL_GUARDED_BY(mutex_);
};

template <class Request, class Act>
grpc::Status FakeController::Look(const grpc::ServerContext& context, const Request& request,
                                  Act act) {
  MutexLock lock(mutex_);
  Take(context, RpcOf(*request.GetDescriptor()));
  return ToGrpc(act());
}

template <class Request, class Response, class Act>
grpc::Status FakeController::Change(const grpc::ServerContext& context, const Request& request,
                                    Response& response, Act act) {
  MutexLock lock(mutex_);
  const std::string who = Take(context, RpcOf(*request.GetDescriptor()));
  const std::string asked = RpcOf(*request.GetDescriptor()) + request.SerializeAsString();
  const auto before = remembered_.find(request.request_id());
  if (!request.request_id().empty() && before != remembered_.end()) {
    if (before->second.request != asked) {
      return ToGrpc(absl::InvalidArgumentError(
          absl::StrCat("request_id ", request.request_id(), " was used for another request")));
    }
    TEMPER_CHECK(response.ParseFromString(before->second.response));
    return grpc::Status::OK;
  }
  const absl::Status done = act(who);
  if (done.ok() && !request.request_id().empty()) {
    remembered_[request.request_id()] = {asked, response.SerializeAsString()};
  }
  mutex_.Changed();
  return ToGrpc(done);
}

}  // namespace temper::fakes
