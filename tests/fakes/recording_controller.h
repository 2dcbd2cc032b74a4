// A controller of runs that exist on paper only: it keeps every call it gets, answers by the
// contract of controller.proto, and loses answers when it is told to.
//
// Strict: a call without a deadline, or one that changes something without a request id, fails the
// test. A run makes steps while somebody watches it. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "base/rpc.h"
#include "temper/v1/controller.grpc.pb.h"

namespace temper::fakes {

class RecordingController final : public v1::ControllerService::Service {
 public:
  struct Call {
    std::string method;
    std::string request_id;
    std::shared_ptr<const google::protobuf::Message> request;
  };

  // address: as of Listen; a test that starts it again gives the old one.
  explicit RecordingController(const std::string& address = "127.0.0.1:0");
  ~RecordingController() override;

  const std::string& address() const { return listening_.address; }

  // A running run called `name`, its fleet of two rollout workers with it.
  void AddRun(const std::string& name, int64_t steps);
  // Changes a run behind everybody's back.
  void Edit(const std::string& name, const std::function<void(v1::GetResponse&)>& edit);
  // Appends an event; gives it its number and time.
  void Tell(const std::string& name, v1::RunEvent event);
  void AddSample(v1::Sample sample);
  // How long a step takes while the run is watched; infinite (the default): it makes none.
  void set_step_time(absl::Duration time);
  // What the next replays find.
  void set_replay_difference(std::string difference);
  void set_checks(std::vector<v1::Check> checks);

  // The next `count` calls of `method` do what they should, and are answered UNAVAILABLE.
  void LoseAnswers(const std::string& method, int count);
  // Each Watch ends as UNAVAILABLE after `events`; `count` times.
  void BreakWatches(int events, int count);

  std::vector<Call> calls() const;
  std::vector<Call> calls(const std::string& method) const;
  // How often a method did something, repetitions not counted.
  int effects(const std::string& method) const;
  v1::GetResponse run(const std::string& name) const;

 private:
  struct Run {
    v1::GetResponse run;
    std::vector<v1::RunEvent> events;
  };
  struct Answered {
    std::string method, request, response;
  };

  // Records the call, checks its form, does `act` once for each request id.
  template <class Request, class Response>
  grpc::Status Once(const char* method, const grpc::ServerContext& context, const Request& request,
                    Response& response,
                    const std::function<grpc::Status(const Request&, Response&)>& act);
  template <class Request, class Response>
  grpc::Status Steer(const char* method, const grpc::ServerContext& context, const Request& request,
                     Response& response, v1::RunState after);
  template <class Request>
  void Record(const char* method, const grpc::ServerContext& context, const Request& request,
              const std::string& request_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status Find(const std::string& name, Run** found) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Append(Run& run, v1::RunEvent event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status Turn(const std::string& name, v1::RunState after, const std::string& reason,
                    v1::RunState* state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static bool Ended(v1::RunState state);
  void MakeStep(Run& run) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::Status Submit(grpc::ServerContext*, const v1::SubmitRequest*, v1::SubmitResponse*) override;
  grpc::Status List(grpc::ServerContext*, const v1::ListRequest*, v1::ListResponse*) override;
  grpc::Status Get(grpc::ServerContext*, const v1::GetRequest*, v1::GetResponse*) override;
  grpc::Status Watch(grpc::ServerContext*, const v1::WatchRequest*,
                     grpc::ServerWriter<v1::WatchResponse>*) override;
  grpc::Status Pause(grpc::ServerContext*, const v1::PauseRequest*, v1::PauseResponse*) override;
  grpc::Status Resume(grpc::ServerContext*, const v1::ResumeRequest*, v1::ResumeResponse*) override;
  grpc::Status Drain(grpc::ServerContext*, const v1::DrainRequest*, v1::DrainResponse*) override;
  grpc::Status Stop(grpc::ServerContext*, const v1::StopRequest*, v1::StopResponse*) override;
  grpc::Status Alter(grpc::ServerContext*, const v1::AlterRequest*, v1::AlterResponse*) override;
  grpc::Status Checkpoint(grpc::ServerContext*, const v1::CheckpointRequest*,
                          v1::CheckpointResponse*) override;
  grpc::Status Fork(grpc::ServerContext*, const v1::ForkRequest*, v1::ForkResponse*) override;
  grpc::Status Replay(grpc::ServerContext*, const v1::ReplayRequest*,
                      grpc::ServerWriter<v1::ReplayResponse>*) override;
  grpc::Status GetSamples(grpc::ServerContext*, const v1::GetSamplesRequest*,
                          v1::GetSamplesResponse*) override;
  grpc::Status GetTimeline(grpc::ServerContext*, const v1::GetTimelineRequest*,
                           v1::GetTimelineResponse*) override;
  grpc::Status ListWaits(grpc::ServerContext*, const v1::ListWaitsRequest*,
                         v1::ListWaitsResponse*) override;
  grpc::Status ListWorkers(grpc::ServerContext*, const v1::ListWorkersRequest*,
                           v1::ListWorkersResponse*) override;
  grpc::Status CordonWorker(grpc::ServerContext*, const v1::CordonWorkerRequest*,
                            v1::CordonWorkerResponse*) override;
  grpc::Status QuarantinePrompt(grpc::ServerContext*, const v1::QuarantinePromptRequest*,
                                v1::QuarantinePromptResponse*) override;

  mutable Mutex mutex_;
  std::map<std::string, Run> runs_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Worker> workers_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Sample> samples_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Check> checks_ ABSL_GUARDED_BY(mutex_);
  std::vector<Call> calls_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Answered> answered_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> effects_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> lost_answers_ ABSL_GUARDED_BY(mutex_);
  absl::Duration step_time_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  std::string replay_difference_ ABSL_GUARDED_BY(mutex_);
  int break_after_ ABSL_GUARDED_BY(mutex_) = 0;
  int breaks_left_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  ListeningServer listening_;
};

}  // namespace temper::fakes
