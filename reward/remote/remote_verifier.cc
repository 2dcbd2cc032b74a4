// One item a call: the scorer's callers keep many calls under way.
#include "reward/remote/remote_verifier.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/grpc_status.h"
#include "base/rpc.h"

namespace temper::reward {

RemoteVerifier::RemoteVerifier(const temper::v1::RemoteOptions& options, absl::Duration timeout)
    : address_(options.address()),
      config_json_(options.config_json()),
      timeout_(timeout),
      stub_(temper::v1::VerifierService::NewStub(Dial(options.address()))) {}

absl::StatusOr<std::unique_ptr<const Verifier>> RemoteVerifier::Create(
    const temper::v1::RemoteOptions& options, absl::Duration timeout) {
  if (options.address().empty()) {
    return absl::InvalidArgumentError(
        "remote.address: missing; verifier \"remote\" needs the address of a VerifierService, e.g. "
        "\"127.0.0.1:7080\"");
  }
  return std::unique_ptr<const Verifier>(new RemoteVerifier(options, timeout));
}

absl::StatusOr<Judgement> RemoteVerifier::Judge(const Response& response) const {
  temper::v1::VerifyRequest request;
  request.set_config_json(config_json_);
  temper::v1::VerifyItem& item = *request.add_items();
  item.set_prompt(std::string(response.prompt));
  item.set_response(std::string(response.text));
  item.set_answer(std::string(response.gold));
  item.set_metadata_json(std::string(response.metadata));
  const BlockingCall context(Wait::OrFail(absl::StrCat("the verdict of ", address_), timeout_));
  temper::v1::VerifyResponse answer;
  const grpc::Status status = stub_->Verify(context.get(), request, &answer);
  if (!status.ok()) {
    const absl::Status failed = FromGrpc(status);
    return absl::Status(failed.code(), absl::StrCat(address_, ": ", std::string(failed.message())));
  }
  if (answer.results_size() != 1) {
    return absl::InternalError(
        absl::StrCat(address_, ": asked about 1 item, got ", answer.results_size(), " results"));
  }
  const temper::v1::VerifyResult& result = answer.results(0);
  if (!result.has_verdict()) {
    return absl::InternalError(absl::StrCat(
        address_, ": ", result.internal_error().empty() ? "no verdict" : result.internal_error()));
  }
  const temper::v1::Verdict& verdict = result.verdict();
  if (!(verdict.value() >= 0 && verdict.value() <= 1)) {
    return absl::InternalError(
        absl::StrCat(address_, ": found the value ", verdict.value(), ", expected 0 to 1"));
  }
  return Judgement{verdict.verdict().empty() ? "judged" : verdict.verdict(), verdict.value(),
                   verdict.reason()};
}

}  // namespace temper::reward
