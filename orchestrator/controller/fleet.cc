// The core's actions as asynchronous gRPC calls.
#include "orchestrator/controller/fleet.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "base/grpc_status.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/rpc.h"
#include "temper/v1/learner.grpc.pb.h"
#include "temper/v1/reward.grpc.pb.h"
#include "temper/v1/rollout.grpc.pb.h"

namespace temper::orchestrator {

struct Fleet::Connection {
  explicit Connection(const std::string& address)
      : channel(Dial(address)),
        learner(v1::LearnerService::NewStub(channel)),
        reward(v1::RewardService::NewStub(channel)),
        rollout(v1::RolloutService::NewStub(channel)) {}

  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v1::LearnerService::Stub> learner;
  const std::unique_ptr<v1::RewardService::Stub> reward;
  const std::unique_ptr<v1::RolloutService::Stub> rollout;
};

// What must have ended before the fleet may go: contexts by number, so that each can be cancelled.
struct Fleet::CallsInFlight {
  int64_t Add(std::shared_ptr<grpc::ClientContext> context) ABSL_LOCKS_EXCLUDED(mutex) {
    MutexLock lock(mutex);
    contexts[++last] = std::move(context);
    return last;
  }
  int64_t AddGenerate(std::shared_ptr<grpc::ClientContext> context, int64_t epoch)
      ABSL_LOCKS_EXCLUDED(mutex) {
    MutexLock lock(mutex);
    contexts[++last] = std::move(context);
    generates[epoch] = last;
    return last;
  }
  void Remove(int64_t number) ABSL_LOCKS_EXCLUDED(mutex) {
    std::shared_ptr<grpc::ClientContext> context;  // freed outside the lock
    MutexLock lock(mutex);
    const auto found = contexts.find(number);
    context = std::move(found->second);
    contexts.erase(found);
    std::erase_if(generates, [number](const auto& entry) { return entry.second == number; });
    mutex.Changed();
  }
  void CancelAll() ABSL_LOCKS_EXCLUDED(mutex) {
    MutexLock lock(mutex);
    for (auto& [number, context] : contexts) context->TryCancel();
  }
  void CancelGenerate(int64_t epoch) ABSL_LOCKS_EXCLUDED(mutex) {
    MutexLock lock(mutex);
    const auto found = generates.find(epoch);
    if (found != generates.end()) contexts[found->second]->TryCancel();
  }
  // False when some call is still under way after `timeout`.
  bool AwaitNone(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex) {
    MutexLock lock(mutex);
    return mutex.Await(Wait::OrDrop("the end of cancelled calls", timeout),
                       [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return contexts.empty(); });
  }

  Mutex mutex;
  int64_t last ABSL_GUARDED_BY(mutex) = 0;
  std::map<int64_t, std::shared_ptr<grpc::ClientContext>> contexts ABSL_GUARDED_BY(mutex);
  std::map<int64_t, int64_t> generates ABSL_GUARDED_BY(mutex);  // lease epoch -> number
};

namespace {

std::shared_ptr<grpc::ClientContext> WithDeadline(absl::Duration timeout) {
  return std::shared_ptr<grpc::ClientContext>(Deadline(timeout));
}

absl::Status NotConnected(const std::string& worker) {
  return absl::UnavailableError(absl::StrCat("worker ", worker, " is not connected"));
}

}  // namespace

// Streams the episodes of one lease; deletes itself when gRPC is done with it.
class Fleet::GenerateCall : public grpc::ClientReadReactor<v1::GenerateResponse> {
 public:
  GenerateCall(std::shared_ptr<const v1::GenerateRequest> request,
               std::shared_ptr<grpc::ClientContext> context, std::function<void()> ended,
               Deliver deliver)
      : request_(std::move(request)),
        context_(std::move(context)),
        ended_(std::move(ended)),
        deliver_(std::move(deliver)) {}

  void Start(v1::RolloutService::Stub& stub) {
    stub.async()->Generate(context_.get(), request_.get(), this);
    StartRead(&response_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    EpisodeArrived event{response_.lease_epoch(),
                         std::make_shared<v1::Episode>(std::move(*response_.mutable_episode()))};
    if (!deliver_(std::move(event))) context_->TryCancel();  // the lease will be given again
    response_.Clear();
    StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override {
    if (!deliver_(GenerateEnded{request_->lease_epoch(), FromGrpc(status)})) {
      log::Error("the end of a lease was lost: queue full");
    }
    const std::function<void()> ended = std::move(ended_);
    delete this;
    ended();
  }

 private:
  const std::shared_ptr<const v1::GenerateRequest> request_;
  const std::shared_ptr<grpc::ClientContext> context_;
  std::function<void()> ended_;
  const Deliver deliver_;
  v1::GenerateResponse response_;
};

Fleet::Fleet(std::string run, Deliver deliver)
    : run_(std::move(run)),
      deliver_(std::move(deliver)),
      in_flight_(std::make_shared<CallsInFlight>()) {}

Fleet::~Fleet() {
  in_flight_->CancelAll();
  if (!in_flight_->AwaitNone(absl::Seconds(10))) {
    log::Error("calls did not end within 10 s of being cancelled");
  }
}

void Fleet::Connect(const std::string& worker, const std::string& address) {
  connections_[worker] = std::make_unique<Connection>(address);
}

void Fleet::Disconnect(const std::string& worker) { connections_.erase(worker); }

Fleet::Connection* Fleet::Find(const std::string& worker) {
  const auto found = connections_.find(worker);
  return found == connections_.end() ? nullptr : found->second.get();
}

// Starts one unary call: `start(connection, context, request, response, callback)` makes it,
// `make_event(response)` is what its success means.
template <class Request, class Response, class Action, class Start, class MakeEvent>
void Fleet::Unary(const Action& action, std::shared_ptr<const Request> request, Start start,
                  MakeEvent make_event) {
  Connection* const connection = Find(action.worker);
  if (connection == nullptr) {
    (void)deliver_(CallFailed{action.call, NotConnected(action.worker)});
    return;
  }
  auto context = WithDeadline(action.timeout);
  const int64_t number = in_flight_->Add(context);
  auto response = std::make_shared<Response>();
  grpc::ClientContext* const raw_context = context.get();
  const Request* const raw_request = request.get();
  Response* const raw_response = response.get();
  auto finished = [deliver = deliver_, in_flight = in_flight_, number, call = action.call,
                   request = std::move(request), response = std::move(response),
                   make_event = std::move(make_event)](grpc::Status status) {
    Event event =
        status.ok() ? Event(make_event(response)) : Event(CallFailed{call, FromGrpc(status)});
    if (!deliver(std::move(event))) log::Error("an answer was lost: queue full");
    in_flight->Remove(number);
  };
  start(*connection, raw_context, raw_request, raw_response, std::move(finished));
}

void Fleet::Call(const AskStatus& action) {
  auto request = std::make_shared<v1::GetStatusRequest>();
  request->set_run(run_);
  Unary<v1::GetStatusRequest, v1::GetStatusResponse>(
      action, std::move(request),
      [](Connection& to, auto* context, auto* request, auto* response, auto finished) {
        to.learner->async()->GetStatus(context, request, response, std::move(finished));
      },
      [call = action.call](const std::shared_ptr<v1::GetStatusResponse>& response) {
        return LearnerStatus{call, std::make_shared<v1::WeightsManifest>(response->manifest())};
      });
}

void Fleet::Call(const UpdateWeights& action) {
  auto request = std::make_shared<v1::UpdateWeightsRequest>();
  *request->mutable_manifest() = *action.manifest;
  request->set_run(run_);
  Unary<v1::UpdateWeightsRequest, v1::UpdateWeightsResponse>(
      action, std::move(request),
      [](Connection& to, auto* context, auto* request, auto* response, auto finished) {
        to.rollout->async()->UpdateWeights(context, request, response, std::move(finished));
      },
      [call = action.call](const std::shared_ptr<v1::UpdateWeightsResponse>& response) {
        return WeightsUpdated{call, *response};
      });
}

void Fleet::Call(const Generate& action) {
  Connection* const connection = Find(action.worker);
  const int64_t epoch = action.request->lease_epoch();
  if (connection == nullptr) {
    (void)deliver_(GenerateEnded{epoch, NotConnected(action.worker)});
    return;
  }
  auto context = WithDeadline(action.timeout);
  const int64_t number = in_flight_->AddGenerate(context, epoch);
  auto* call = new GenerateCall(
      action.request, std::move(context),
      [in_flight = in_flight_, number] { in_flight->Remove(number); }, deliver_);
  call->Start(*connection->rollout);
}

void Fleet::Call(const ScoreEpisodes& action) {
  Unary<v1::ScoreRequest, v1::ScoreResponse>(
      action, action.request,
      [](Connection& to, auto* context, auto* request, auto* response, auto finished) {
        to.reward->async()->Score(context, request, response, std::move(finished));
      },
      [call = action.call](std::shared_ptr<v1::ScoreResponse> response) {
        return ScoresArrived{call, std::move(response)};
      });
}

void Fleet::Call(const Train& action, std::shared_ptr<const v1::TrainRequest> request) {
  Unary<v1::TrainRequest, v1::TrainResponse>(
      action, std::move(request),
      [](Connection& to, auto* context, auto* request, auto* response, auto finished) {
        to.learner->async()->Train(context, request, response, std::move(finished));
      },
      [call = action.call](std::shared_ptr<v1::TrainResponse> response) {
        return Trained{call, std::move(response)};
      });
}

void Fleet::Call(const SaveCheckpoint& action) {
  Unary<v1::SaveCheckpointRequest, v1::SaveCheckpointResponse>(
      action, std::make_shared<v1::SaveCheckpointRequest>(action.request),
      [](Connection& to, auto* context, auto* request, auto* response, auto finished) {
        to.learner->async()->SaveCheckpoint(context, request, response, std::move(finished));
      },
      [call = action.call](const std::shared_ptr<v1::SaveCheckpointResponse>& response) {
        return CheckpointSaved{call, *response};
      });
}

void Fleet::Cancel(const CancelGenerate& action) { in_flight_->CancelGenerate(action.epoch); }

}  // namespace temper::orchestrator
