// From this process's list to messages.
#include "base/wait_list.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/wait.h"

namespace temper {
namespace {

temper::v1::WaitPolicy OnWire(WaitPolicy policy) {
  switch (policy) {
    case WaitPolicy::kRetry:
      return temper::v1::WAIT_POLICY_RETRY;
    case WaitPolicy::kDrop:
      return temper::v1::WAIT_POLICY_DROP;
    case WaitPolicy::kFail:
      return temper::v1::WAIT_POLICY_FAIL;
    case WaitPolicy::kIdle:
      return temper::v1::WAIT_POLICY_IDLE;
  }
  return temper::v1::WAIT_POLICY_UNSPECIFIED;
}

}  // namespace

void AddWaits(std::string_view process, absl::Duration older_than,
              google::protobuf::RepeatedPtrField<temper::v1::Wait>& waits, IdleWaits idle) {
  for (const WaitReport& report : CurrentWaits(older_than)) {
    if (report.policy == WaitPolicy::kIdle && idle == IdleWaits::kLeaveOut) continue;
    temper::v1::Wait& wait = *waits.Add();
    wait.set_name(report.name);
    wait.set_age_seconds(absl::ToDoubleSeconds(report.age));
    wait.set_deadline_seconds(absl::ToDoubleSeconds(report.timeout));
    wait.set_owner(absl::StrCat(std::string(process), " ", report.owner));
    wait.set_policy(OnWire(report.policy));
    wait.set_run(report.run);
  }
}

}  // namespace temper
