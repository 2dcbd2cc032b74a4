// The rpcs of the fake that change nothing, but for List and Get.
#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "tests/fakes/fake_controller.h"

namespace temper::fakes {

grpc::Status FakeController::GetSamples(grpc::ServerContext* context,
                                        const v1::GetSamplesRequest* request,
                                        v1::GetSamplesResponse* response) {
  return Look(*context, *request, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) -> absl::Status {
    MadeRun* run = nullptr;
    TEMPER_RETURN_IF_ERROR(Find(request->run(), run));
    const int limit = request->limit() == 0 ? 64 : request->limit();
    size_t from = 0;
    if (limit < 0 || limit > 1024 ||
        (!request->page_token().empty() && !absl::SimpleAtoi(request->page_token(), &from))) {
      return absl::InvalidArgumentError("limit is 1 to 1024, page_token an answer's");
    }
    const std::vector<v1::Sample> found = run->Samples(*request);
    const size_t to = std::min(found.size(), from + static_cast<size_t>(limit));
    for (size_t i = from; i < to; ++i) *response->add_samples() = found[i];
    if (to < found.size()) response->set_next_page_token(absl::StrCat(to));
    return absl::OkStatus();
  });
}

grpc::Status FakeController::GetTimeline(grpc::ServerContext* context,
                                         const v1::GetTimelineRequest* request,
                                         v1::GetTimelineResponse* response) {
  return Look(*context, *request, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) -> absl::Status {
    MadeRun* run = nullptr;
    TEMPER_RETURN_IF_ERROR(Find(request->run(), run));
    if (request->step() < 0 || request->step() > run->step()) {
      return absl::NotFoundError(absl::StrCat("step ", request->step(), " has no spans"));
    }
    *response = run->Timeline(request->step() == 0 ? run->step() : request->step());
    return absl::OkStatus();
  });
}

grpc::Status FakeController::ListWaits(grpc::ServerContext* context,
                                       const v1::ListWaitsRequest* request,
                                       v1::ListWaitsResponse* response) {
  return Look(*context, *request, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (MadeRun& run : runs_) {
      if (run.view().state() != v1::RUN_STATE_RUNNING) continue;
      if (request->run().empty() || request->run() == run.view().name()) {
        *response->add_waits() = WaitOf(run);
      }
    }
    v1::Wait& idle = *response->add_waits();
    idle.set_name("waits for items to score");
    idle.set_owner("reward-0 scorer");
    idle.set_age_seconds(0.8);
    idle.set_deadline_seconds(1);
    idle.set_policy(v1::WAIT_POLICY_IDLE);
    return absl::OkStatus();
  });
}

grpc::Status FakeController::ListWorkers(grpc::ServerContext* context,
                                         const v1::ListWorkersRequest* request,
                                         v1::ListWorkersResponse* response) {
  return Look(*context, *request, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const v1::Worker& worker : workers_) {
      v1::Worker& copy = *response->add_workers() = worker;
      for (MadeRun& run : runs_) {
        if (run.live()) copy.add_runs(run.view().name());
      }
    }
    return absl::OkStatus();
  });
}

grpc::Status FakeController::Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                                   grpc::ServerWriter<v1::WatchResponse>* writer) {
  size_t next = static_cast<size_t>(std::max<int64_t>(1, request->from_sequence())) - 1;
  MadeRun* run = nullptr;
  const grpc::Status found = Look(*context, *request, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return Find(request->run(), run);
  });
  if (!found.ok()) return found;
  while (!context->IsCancelled()) {
    std::vector<v1::RunEvent> events;
    {
      MutexLock lock(mutex_);
      if (!Find(request->run(), run).ok()) return grpc::Status::OK;
      mutex_.Await(Wait::ForWork("an event", absl::Milliseconds(50)),
                   [&, next]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
                     return next < run->events().size();
                   });
      if (!Find(request->run(), run).ok()) return grpc::Status::OK;
      for (; next < run->events().size(); ++next) events.push_back(run->events()[next]);
      if (events.empty() && !run->live()) return grpc::Status::OK;
    }
    for (v1::RunEvent& event : events) {
      v1::WatchResponse response;
      *response.mutable_event() = std::move(event);
      if (!writer->Write(response)) return grpc::Status::CANCELLED;
    }
  }
  return grpc::Status::CANCELLED;
}

grpc::Status FakeController::Replay(grpc::ServerContext* context, const v1::ReplayRequest* request,
                                    grpc::ServerWriter<v1::ReplayResponse>* writer) {
  const grpc::Status found =
      Look(*context, *request, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) -> absl::Status {
        MadeRun* run = nullptr;
        TEMPER_RETURN_IF_ERROR(Find(request->run(), run));
        if (request->step() > run->step()) return absl::OutOfRangeError("never reached");
        return absl::OkStatus();
      });
  if (!found.ok()) return found;
  v1::ReplayResponse response;
  response.mutable_progress()->set_what("generates the samples again");
  response.mutable_progress()->set_total(16);
  for (int done = 0; done <= 16; done += 8) {
    response.mutable_progress()->set_done(done);
    if (!writer->Write(response)) return grpc::Status::CANCELLED;
  }
  v1::ReplayReport& report = *response.mutable_report();
  report.set_step(request->step());
  report.set_equal(true);
  for (const char* name : {"tokens", "logprobs", "rewards", "advantages", "weights"}) {
    v1::ReplayComparison& comparison = *report.add_comparisons();
    comparison.set_name(name);
    comparison.set_compared(16);
  }
  writer->Write(response);
  return grpc::Status::OK;
}

}  // namespace temper::fakes
