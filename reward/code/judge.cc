// Frames down, records up, each problem under a nonce of its own.
#include "reward/code/judge.h"

#include <poll.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "base/status_macros.h"
#include "reward/code/python_source.h"

namespace temper::reward {

absl::StatusOr<std::unique_ptr<Judge>> Judge::Start(const sandbox::Sandbox& sandbox,
                                                    const sandbox::Limits& program_limits) {
  sandbox::Job job;
  job.argv = {"/usr/bin/python3", "-s", "-S", "-P", "-B", "-c", std::string(JudgeSource())};
  job.channel = true;
  // It outlives many problems, each of which limits its own child; a value of the program may be as
  // large as the program was allowed to grow.
  job.limits.cpu_seconds = 1e5;
  job.limits.wall_seconds = 1e6;
  job.limits.output_bytes = 1LL << 31;
  job.limits.memory_bytes = program_limits.memory_bytes + (256LL << 20);
  std::unique_ptr<Judge> judge(new Judge);
  TEMPER_ASSIGN_OR_RETURN(judge->process_, sandbox.Start(job));
  Judge* const self = judge.get();
  self->process_->on_channel = [self](std::string_view bytes) { self->Read(bytes); };
  return judge;
}

void Judge::Send(char kind, const std::string& payload) { process_->Send(Frame(kind, payload)); }

void Judge::Begin(const std::string& setup) {
  const std::string nonce = FreshNonce();
  reader_ = RecordReader();
  reader_.Expect(nonce);
  done_ = false;
  Send('S', nonce + setup);
}

void Judge::GiveUp() {
  if (!done()) Send('X', "");
}

void Judge::Read(std::string_view bytes) {
  reader_.Feed(bytes);
  while (failure_.ok()) {
    absl::StatusOr<std::optional<Record>> record = reader_.Next();
    if (!record.ok()) {
      failure_ = record.status();
      return process_->Stop();
    }
    if (!record->has_value()) return;
    std::string& payload = (*record)->payload;
    if ((*record)->kind == 'C' && on_call) {
      on_call(std::move(payload));
    } else if ((*record)->kind == 'V' && on_verdict) {
      on_verdict(std::move(payload));
    } else if ((*record)->kind == 'D' && absl::SimpleAtoi(payload, &child_status_)) {
      done_ = true;
    } else {
      failure_ = absl::InternalError("the judge broke its protocol");
      return process_->Stop();
    }
  }
}

absl::StatusOr<std::unique_ptr<Judge>> JudgePool::Take(const sandbox::Sandbox& sandbox,
                                                       const sandbox::Limits& program_limits) {
  std::unique_ptr<Judge> judge;
  {
    mutex_.Lock();
    std::erase_if(waiting_, [](const auto& entry) { return !entry.second->process()->Alive(); });
    if (auto own = waiting_.find(std::this_thread::get_id()); own != waiting_.end()) {
      judge = std::move(own->second);
      waiting_.erase(own);
    }
    mutex_.Unlock();
  }
  if (judge == nullptr) return Judge::Start(sandbox, program_limits);
  return judge;
}

void JudgePool::GiveBack(std::unique_ptr<Judge> judge) {
  if (!judge->usable()) return;
  judge->on_call = nullptr;
  judge->on_verdict = nullptr;
  mutex_.Lock();
  waiting_.emplace(std::this_thread::get_id(), std::move(judge));
  mutex_.Unlock();
}

}  // namespace temper::reward
