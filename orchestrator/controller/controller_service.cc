// Looking: runs, events, waits, workers.
#include "orchestrator/controller/controller_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/wait_list.h"
#include "orchestrator/controller/event_stream.h"
#include "orchestrator/controller/replay_call.h"
#include "orchestrator/ledger_samples.h"

namespace temper::orchestrator {
namespace {

// What threads of this process wait for, if it is not for work, is told when it lasts so long.
constexpr absl::Duration kOwnWaitsFrom = absl::Seconds(1);

grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context, const absl::Status& status) {
  OpenCall call(context);
  call.Finish(status);
  return call.reactor();
}

}  // namespace

void ControllerServiceOnWire::CompleteWorkers(v1::GetResponse& run) {
  for (v1::Worker& worker : *run.mutable_workers()) {
    controller_.registry().Complete(worker, controller_.clock().Uptime());
  }
}

ControllerServiceOnWire::Unary* ControllerServiceOnWire::List(Context* context,
                                                              const v1::ListRequest*,
                                                              v1::ListResponse* response) {
  return AnswerOn(controller_, context, [this, response] {
    std::vector<v1::GetResponse> runs;
    for (const auto& run : controller_.runs()) runs.push_back(run->View());
    std::stable_sort(runs.begin(), runs.end(),
                     [](const auto& a, const auto& b) { return a.created_ms() > b.created_ms(); });
    for (v1::GetResponse& run : runs) {
      CompleteWorkers(run);
      *response->add_runs() = std::move(run);
    }
    for (const auto& [name, why] : controller_.left_alone()) {
      v1::GetResponse& run = *response->add_runs();
      run.set_name(name);
      run.set_dir(controller_.DirOf(name));
      run.set_state(v1::RUN_STATE_FAILED);
      run.set_reason(absl::StrCat("cannot be opened: ", std::string(why.message())));
    }
    return absl::OkStatus();
  });
}

ControllerServiceOnWire::Unary* ControllerServiceOnWire::Get(Context* context,
                                                             const v1::GetRequest* request,
                                                             v1::GetResponse* response) {
  const auto run = controller_.Find(request->run());
  if (!run.ok()) return Refuse(context, run.status());
  *response = (*run)->View();
  return AnswerOn(controller_, context, [this, response] {
    CompleteWorkers(*response);
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::WatchResponse>* ControllerServiceOnWire::Watch(
    Context* context, const v1::WatchRequest* request) {
  auto stream = std::make_shared<EventStream>(context, request->from_sequence());
  stream->KeepAlive(stream);
  const auto run = controller_.Find(request->run());
  const bool taken =
      run.ok() && (*run)->Post([stream, loop = run->get()] { loop->AddWatcher(stream); });
  if (!taken) stream->Finish(ToGrpc(run.ok() ? InboxFull() : run.status()));
  return stream.get();
}

grpc::ServerWriteReactor<v1::ReplayResponse>* ControllerServiceOnWire::Replay(
    Context*, const v1::ReplayRequest* request) {
  return ReplayCall::Begin(controller_, *request);
}

ControllerServiceOnWire::Unary* ControllerServiceOnWire::GetSamples(
    Context* context, const v1::GetSamplesRequest* request, v1::GetSamplesResponse* response) {
  const auto run = controller_.Find(request->run());
  if (!run.ok()) return Refuse(context, run.status());
  auto call = std::make_shared<OpenCall>(context);
  Unary* const reactor = call->reactor();
  const auto read = [call, run = *run, request, response](const RunModels::TokenTexts& texts) {
    const bool taken = run->Post([call, run, request, response, texts] {
      auto found =
          ReadSamples(run->ledger(), *request, run->place().spec.warm_start_steps(), texts);
      if (found.ok()) *response = *std::move(found);
      call->Finish(found.status());
    });
    if (!taken) call->Finish(InboxFull());
  };
  if (!request->with_tokens()) {
    read(nullptr);
    return reactor;
  }
  // A tokenizer takes time to read. Where there is none, tokens come without their texts.
  const bool taken = controller_.PostWork([this, read, dir = (*run)->place().model_dir] {
    auto texts = controller_.models().Tokens(dir);
    read(texts.ok() ? *std::move(texts) : nullptr);
  });
  if (!taken) call->Finish(InboxFull());
  return reactor;
}

ControllerServiceOnWire::Unary* ControllerServiceOnWire::GetTimeline(
    Context* context, const v1::GetTimelineRequest* request, v1::GetTimelineResponse* response) {
  const auto run = controller_.Find(request->run());
  if (!run.ok()) return Refuse(context, run.status());
  return AnswerOn(**run, context, [loop = run->get(), request, response]() -> absl::Status {
    const int64_t warm_start = loop->place().spec.warm_start_steps();
    int64_t version = warm_start + request->step() - 1;
    if (request->step() == 0) {
      TEMPER_ASSIGN_OR_RETURN(version, loop->ledger().NewestSpans());
    }
    TEMPER_ASSIGN_OR_RETURN(const std::vector<v1::Span> spans, loop->ledger().ReadSpans(version));
    if (spans.empty()) {
      return absl::NotFoundError(
          absl::StrCat("step ", request->step(), ": nothing is recorded of it"));
    }
    response->set_step(version - warm_start + 1);
    response->mutable_spans()->Assign(spans.begin(), spans.end());
    return absl::OkStatus();
  });
}

ControllerServiceOnWire::Unary* ControllerServiceOnWire::ListWaits(
    Context* context, const v1::ListWaitsRequest* request, v1::ListWaitsResponse* response) {
  if (!request->run().empty()) {
    const auto run = controller_.Find(request->run());
    if (!run.ok()) return Refuse(context, run.status());
  }
  return AnswerOn(controller_, context, [this, request, response] {
    v1::ListWaitsResponse found;
    for (const auto& run : controller_.runs())
      found.mutable_waits()->MergeFrom(run->View().waits());
    controller_.registry().AddWaits(controller_.clock().Uptime(), found);
    temper::AddWaits("controller", kOwnWaitsFrom, *found.mutable_waits());
    for (const v1::Wait& wait : found.waits()) {
      if (request->run().empty() || wait.run() == request->run()) *response->add_waits() = wait;
    }
    std::stable_sort(
        response->mutable_waits()->begin(), response->mutable_waits()->end(),
        [](const v1::Wait& a, const v1::Wait& b) { return a.age_seconds() > b.age_seconds(); });
    return absl::OkStatus();
  });
}

ControllerServiceOnWire::Unary* ControllerServiceOnWire::ListWorkers(
    Context* context, const v1::ListWorkersRequest*, v1::ListWorkersResponse* response) {
  return AnswerOn(controller_, context, [this, response] {
    for (v1::Worker& worker : controller_.registry().Describe(controller_.clock().Uptime())) {
      *response->add_workers() = std::move(worker);
    }
    return absl::OkStatus();
  });
}

ControllerServiceOnWire::Unary* ControllerServiceOnWire::CordonWorker(
    Context* context, const v1::CordonWorkerRequest* request, v1::CordonWorkerResponse* response) {
  const std::string who = CallerOf(*context).name;
  return AnswerOn(controller_, context, [this, who, request, response]() -> absl::Status {
    TEMPER_RETURN_IF_ERROR(CheckRequestId(request->request_id()));
    const std::string digest = RequestDigest(*request);
    TEMPER_ASSIGN_OR_RETURN(const auto before,
                            controller_.store().FindRequest(request->request_id(), digest));
    if (before.has_value()) {
      response->ParseFromString(*before);
      return absl::OkStatus();
    }
    const std::string reason =
        absl::StrCat("by ", who, request->reason().empty() ? "" : ": ", request->reason());
    TEMPER_RETURN_IF_ERROR(
        controller_.registry().Cordon(request->worker(), request->cordoned(), reason));
    for (v1::Worker& worker : controller_.registry().Describe(controller_.clock().Uptime())) {
      if (worker.name() == request->worker()) *response->mutable_worker() = std::move(worker);
    }
    const absl::Status kept =
        controller_.store().SetCordon(request->worker(), request->cordoned(), reason,
                                      request->request_id(), digest, response->SerializeAsString());
    if (!kept.ok()) controller_.Break(kept);
    return kept;
  });
}

absl::Status CheckRequestId(const std::string& request_id) {
  if (request_id.size() <= 128) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("request_id: found ", request_id.size(), " characters, expected at most 128"));
}

}  // namespace temper::orchestrator
