// The calls that change something.
#include <string>

#include "absl/strings/str_cat.h"
#include "base/grpc_status.h"
#include "base/json_config.h"
#include "tests/fakes/recording_controller.h"
#include "tests/fakes/recording_controller_once.h"

namespace temper::fakes {
namespace {

using grpc::ServerContext;
using grpc::Status;
using grpc::StatusCode;

void Change(v1::Altered& altered, const char* field, double before, double after) {
  v1::FieldChange& change = *altered.add_changes();
  change.set_field(field);
  change.set_before(absl::StrCat(before));
  change.set_after(absl::StrCat(after));
}

}  // namespace

Status RecordingController::Submit(ServerContext* context, const v1::SubmitRequest* request,
                                   v1::SubmitResponse* response) {
  std::string name;
  const Status status = Once<v1::SubmitRequest, v1::SubmitResponse>(
      "Submit", *context, *request, *response,
      [&](const v1::SubmitRequest& asked, v1::SubmitResponse& answer)
          ABSL_NO_THREAD_SAFETY_ANALYSIS {
            *answer.mutable_spec() = asked.spec();
            *answer.mutable_checks() = {checks_.begin(), checks_.end()};
            if (runs_.contains(asked.spec().name())) {
              return Status(StatusCode::ALREADY_EXISTS,
                            absl::StrCat("run \"", asked.spec().name(), "\" is there already"));
            }
            if (!asked.check()) name = asked.spec().name();
            return Status::OK;
          });
  if (!name.empty()) {
    AddRun(name, request->spec().steps());
    Edit(name, [&](v1::GetResponse& run) { run.mutable_spec()->MergeFrom(request->spec()); });
  }
  return status;
}

template <class Request, class Response>
Status RecordingController::Steer(const char* method, const ServerContext& context,
                                  const Request& request, Response& response, v1::RunState after) {
  return Once<Request, Response>(
      method, context, request, response,
      [&](const Request& asked, Response& answer) ABSL_NO_THREAD_SAFETY_ANALYSIS {
        v1::RunState state{};
        Status status = Turn(asked.run(), after, asked.reason(), &state);
        answer.set_state(state);
        return status;
      });
}

Status RecordingController::Pause(ServerContext* context, const v1::PauseRequest* request,
                                  v1::PauseResponse* response) {
  return Steer("Pause", *context, *request, *response, v1::RUN_STATE_PAUSED);
}

Status RecordingController::Resume(ServerContext* context, const v1::ResumeRequest* request,
                                   v1::ResumeResponse* response) {
  return Steer("Resume", *context, *request, *response, v1::RUN_STATE_RUNNING);
}

Status RecordingController::Drain(ServerContext* context, const v1::DrainRequest* request,
                                  v1::DrainResponse* response) {
  return Steer("Drain", *context, *request, *response, v1::RUN_STATE_DRAINING);
}

Status RecordingController::Stop(ServerContext* context, const v1::StopRequest* request,
                                 v1::StopResponse* response) {
  return Steer("Stop", *context, *request, *response, v1::RUN_STATE_STOPPED);
}

Status RecordingController::Alter(ServerContext* context, const v1::AlterRequest* request,
                                  v1::AlterResponse* response) {
  return Once<v1::AlterRequest, v1::AlterResponse>(
      "Alter", *context, *request, *response,
      [&](const v1::AlterRequest& asked, v1::AlterResponse& answer) ABSL_NO_THREAD_SAFETY_ANALYSIS {
        Run* run = nullptr;
        if (Status status = Find(asked.run(), &run); !status.ok()) return status;
        v1::RunSpec& spec = *run->run.mutable_spec();
        const v1::Alteration& wanted = asked.alteration();
        if (wanted.has_learning_rate() && !(wanted.learning_rate() > 0)) {
          return Status(StatusCode::INVALID_ARGUMENT,
                        absl::StrCat("learning_rate: found ", wanted.learning_rate(),
                                     ", expected a number above 0"));
        }
        v1::Altered& altered = *answer.mutable_altered();
        altered.set_from_step(run->run.step() + 1);
        altered.set_reason(asked.reason());
        if (wanted.has_learning_rate()) {
          Change(altered, "learning_rate", spec.learning_rate(), wanted.learning_rate());
          spec.set_learning_rate(wanted.learning_rate());
        }
        if (wanted.has_temperature()) {
          Change(altered, "temperature", spec.temperature(), wanted.temperature());
          spec.set_temperature(wanted.temperature());
        }
        if (wanted.has_mixture()) {
          *spec.mutable_dataset()->mutable_mixture() = wanted.mixture().shares();
        }
        v1::RunEvent event;
        event.set_who("tester");
        *event.mutable_altered() = altered;
        Append(*run, std::move(event));
        return Status::OK;
      });
}

Status RecordingController::Checkpoint(ServerContext* context, const v1::CheckpointRequest* request,
                                       v1::CheckpointResponse* response) {
  return Once<v1::CheckpointRequest, v1::CheckpointResponse>(
      "Checkpoint", *context, *request, *response,
      [&](const v1::CheckpointRequest& asked, v1::CheckpointResponse& answer)
          ABSL_NO_THREAD_SAFETY_ANALYSIS {
            Run* run = nullptr;
            if (Status status = Find(asked.run(), &run); !status.ok()) return status;
            v1::CheckpointKept& kept = *answer.mutable_checkpoint();
            kept.set_version(run->run.step());
            kept.set_step(run->run.step());
            kept.set_path(absl::StrCat(run->run.dir(), "/checkpoints/step-", run->run.step()));
            kept.set_sha256("ab12");
            *run->run.add_checkpoints() = kept;
            return Status::OK;
          });
}

Status RecordingController::Fork(ServerContext* context, const v1::ForkRequest* request,
                                 v1::ForkResponse* response) {
  v1::GetResponse parent;
  const Status status = Once<v1::ForkRequest, v1::ForkResponse>(
      "Fork", *context, *request, *response,
      [&](const v1::ForkRequest& asked, v1::ForkResponse& answer) ABSL_NO_THREAD_SAFETY_ANALYSIS {
        Run* run = nullptr;
        if (Status found = Find(asked.run(), &run); !found.ok()) return found;
        if (asked.step() > run->run.step()) {
          return Status(StatusCode::OUT_OF_RANGE,
                        absl::StrCat("step ", asked.step(), " was never reached"));
        }
        *answer.mutable_spec() = run->run.spec();
        for (const std::string& setting : asked.settings()) {
          const absl::Status set = ApplySetting(setting, *answer.mutable_spec());
          if (!set.ok()) return ToGrpc(set);
        }
        answer.set_run(asked.name().empty() ? absl::StrCat(run->run.name(), "-at-", asked.step())
                                            : asked.name());
        answer.mutable_spec()->set_name(answer.run());
        parent = run->run;
        v1::RunEvent event;
        event.mutable_forked()->set_run(answer.run());
        event.mutable_forked()->set_step(asked.step());
        Append(*run, std::move(event));
        return Status::OK;
      });
  if (!parent.name().empty()) {
    AddRun(response->run(), parent.steps());
    Edit(response->run(), [&](v1::GetResponse& run) {
      *run.mutable_spec() = response->spec();
      run.set_step(request->step());
      run.set_parent(parent.name());
      run.set_parent_step(request->step());
    });
  }
  return status;
}

Status RecordingController::CordonWorker(ServerContext* context,
                                         const v1::CordonWorkerRequest* request,
                                         v1::CordonWorkerResponse* response) {
  return Once<v1::CordonWorkerRequest, v1::CordonWorkerResponse>(
      "CordonWorker", *context, *request, *response,
      [&](const v1::CordonWorkerRequest& asked, v1::CordonWorkerResponse& answer)
          ABSL_NO_THREAD_SAFETY_ANALYSIS {
            for (v1::Worker& worker : workers_) {
              if (worker.name() != asked.worker()) continue;
              worker.set_cordoned(asked.cordoned());
              worker.set_cordon_reason(asked.cordoned() ? asked.reason() : "");
              *answer.mutable_worker() = worker;
              return Status::OK;
            }
            return Status(StatusCode::NOT_FOUND,
                          absl::StrCat("worker \"", asked.worker(), "\" is not here"));
          });
}

Status RecordingController::QuarantinePrompt(ServerContext* context,
                                             const v1::QuarantinePromptRequest* request,
                                             v1::QuarantinePromptResponse* response) {
  return Once<v1::QuarantinePromptRequest, v1::QuarantinePromptResponse>(
      "QuarantinePrompt", *context, *request, *response,
      [&](const v1::QuarantinePromptRequest& asked, v1::QuarantinePromptResponse&)
          ABSL_NO_THREAD_SAFETY_ANALYSIS {
            Run* run = nullptr;
            if (Status status = Find(asked.run(), &run); !status.ok()) return status;
            run->run.add_quarantined(asked.prompt_id());
            v1::RunEvent event;
            event.mutable_quarantined()->set_prompt_id(asked.prompt_id());
            event.mutable_quarantined()->set_reason(asked.reason());
            Append(*run, std::move(event));
            return Status::OK;
          });
}

}  // namespace temper::fakes
