// The calls that only look, and the streams.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/fakes/recording_controller.h"
#include "tests/fakes/recording_controller_once.h"

namespace temper::fakes {

using grpc::ServerContext;
using grpc::Status;
using grpc::StatusCode;

Status RecordingController::List(ServerContext* context, const v1::ListRequest* request,
                                 v1::ListResponse* response) {
  MutexLock lock(mutex_);
  Record("List", *context, *request, "");
  for (const auto& entry : runs_) *response->add_runs() = entry.second.run;
  return Status::OK;
}

Status RecordingController::Get(ServerContext* context, const v1::GetRequest* request,
                                v1::GetResponse* response) {
  MutexLock lock(mutex_);
  Record("Get", *context, *request, "");
  Run* run = nullptr;
  if (Status status = Find(request->run(), &run); !status.ok()) return status;
  *response = run->run;
  if (response->workers_size() == 0) {
    for (const v1::Worker& worker : workers_) *response->add_workers() = worker;
  }
  return Status::OK;
}

Status RecordingController::Watch(ServerContext* context, const v1::WatchRequest* request,
                                  grpc::ServerWriter<v1::WatchResponse>* writer) {
  size_t next = request->from_sequence() > 0 ? request->from_sequence() - 1 : 0;
  int sent = 0;
  absl::Time step_due = absl::Now();
  MutexLock lock(mutex_);
  Record("Watch", *context, *request, "");
  while (!ending_ && !context->IsCancelled()) {
    Run* run = nullptr;
    if (Status status = Find(request->run(), &run); !status.ok()) return status;
    if (breaks_left_ > 0 && sent >= break_after_) {
      --breaks_left_;
      return Status(StatusCode::UNAVAILABLE, "the watch is broken");
    }
    if (next < run->events.size()) {
      v1::WatchResponse response;
      *response.mutable_event() = run->events[next++];
      ++sent;
      mutex_.Unlock();
      const bool taken = writer->Write(response);
      mutex_.Lock();
      if (!taken) return Status::CANCELLED;
    } else if (Ended(run->run.state())) {
      return Status::OK;
    } else if (run->run.state() == v1::RUN_STATE_RUNNING && absl::Now() >= step_due &&
               step_time_ < absl::InfiniteDuration()) {
      MakeStep(*run);
      step_due = absl::Now() + step_time_;
    } else {
      mutex_.Await(Wait::ForWork("an event", absl::Milliseconds(20)), [&] { return ending_; });
    }
  }
  return Status(StatusCode::UNAVAILABLE, "the controller is ending");
}

Status RecordingController::Replay(ServerContext* context, const v1::ReplayRequest* request,
                                   grpc::ServerWriter<v1::ReplayResponse>* writer) {
  std::string difference;
  {
    MutexLock lock(mutex_);
    Record("Replay", *context, *request, "");
    Run* run = nullptr;
    if (Status status = Find(request->run(), &run); !status.ok()) return status;
    if (request->step() < 1 || request->step() > run->run.step()) {
      return Status(StatusCode::OUT_OF_RANGE,
                    absl::StrCat("step ", request->step(), " was never made"));
    }
    difference = replay_difference_;
  }
  v1::ReplayResponse response;
  for (int done = 1; done <= 2; ++done) {
    response.mutable_progress()->set_what("generates the samples again");
    response.mutable_progress()->set_done(done);
    response.mutable_progress()->set_total(2);
    writer->Write(response);
  }
  v1::ReplayReport& report = *response.mutable_report();
  report.set_step(request->step());
  report.set_equal(difference.empty());
  for (const char* name : {"tokens", "logprobs", "rewards", "advantages", "weights"}) {
    v1::ReplayComparison& comparison = *report.add_comparisons();
    comparison.set_name(name);
    comparison.set_compared(1024);
    if (comparison.name() == "weights" && !difference.empty()) {
      comparison.set_differing(1);
      comparison.set_first_difference(difference);
    }
  }
  report.set_seconds(1.5);
  writer->Write(response);
  return Status::OK;
}

Status RecordingController::GetSamples(ServerContext* context, const v1::GetSamplesRequest* request,
                                       v1::GetSamplesResponse* response) {
  MutexLock lock(mutex_);
  Record("GetSamples", *context, *request, "");
  Run* run = nullptr;
  if (Status status = Find(request->run(), &run); !status.ok()) return status;
  size_t at = 0;
  if (!request->page_token().empty()) at = std::stoul(request->page_token());
  const int limit = request->limit() == 0 ? 64 : request->limit();
  for (; at < samples_.size() && response->samples_size() < limit; ++at) {
    const v1::Sample& sample = samples_[at];
    if (request->has_step() && sample.step() != request->step()) continue;
    if (request->has_score_min() && sample.score().value() < request->score_min()) continue;
    if (request->has_score_max() && sample.score().value() > request->score_max()) continue;
    if (!request->prompt_id().empty() && sample.prompt_id() != request->prompt_id()) continue;
    if (sample.evaluation() != request->evaluation()) continue;
    *response->add_samples() = sample;
  }
  if (at < samples_.size()) response->set_next_page_token(absl::StrCat(at));
  return Status::OK;
}

Status RecordingController::GetTimeline(ServerContext* context,
                                        const v1::GetTimelineRequest* request,
                                        v1::GetTimelineResponse* response) {
  MutexLock lock(mutex_);
  Record("GetTimeline", *context, *request, "");
  Run* run = nullptr;
  if (Status status = Find(request->run(), &run); !status.ok()) return status;
  response->set_step(request->step());
  v1::Span& span = *response->add_spans();
  span.set_worker("rollout-0");
  span.set_kind("generate");
  span.set_name("group 17, samples 0-7");
  span.set_from_us(1000);
  span.set_to_us(2000);
  return Status::OK;
}

Status RecordingController::ListWaits(ServerContext* context, const v1::ListWaitsRequest* request,
                                      v1::ListWaitsResponse* response) {
  MutexLock lock(mutex_);
  Record("ListWaits", *context, *request, "");
  for (const auto& [name, run] : runs_) {
    if (!request->run().empty() && request->run() != name) continue;
    response->mutable_waits()->MergeFrom(run.run.waits());
  }
  return Status::OK;
}

Status RecordingController::ListWorkers(ServerContext* context,
                                        const v1::ListWorkersRequest* request,
                                        v1::ListWorkersResponse* response) {
  MutexLock lock(mutex_);
  Record("ListWorkers", *context, *request, "");
  for (const v1::Worker& worker : workers_) *response->add_workers() = worker;
  return Status::OK;
}

}  // namespace temper::fakes
