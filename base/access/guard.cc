// The order of questions: is anything demanded, a token, a certificate, the method.
#include "base/access/guard.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace temper {
namespace {

// Of a name that is only said, what may stand in a log.
std::string SaidName(std::string_view user) {
  return IsCallerName(user) ? std::string(user) : std::string();
}

}  // namespace

Guard::Guard(const ListenCredentials& credentials)
    : demanded_(credentials.demanded()),
      certificates_(credentials.tls.has_value()),
      tokens_(credentials.tokens) {}

absl::StatusOr<Caller> Guard::Identify(const Presented& presented) const {
  if (!demanded_) return Caller{v1::ACCESS_ADMIN, SaidName(presented.user)};
  absl::StatusOr<Caller> caller = absl::UnauthenticatedError("");
  if (tokens_.has_value() && !presented.authorization.empty()) {
    caller = OfToken(presented.authorization);
  } else if (certificates_ && !presented.common_name.empty()) {
    caller = OfCertificate(presented.common_name);
  } else {
    const char* demands = !tokens_.has_value() ? "a certificate of its CA (--tls-dir)"
                          : !certificates_
                              ? "a token (--token-file, TEMPER_TOKEN_FILE)"
                              : "a token (--token-file, TEMPER_TOKEN_FILE) or a certificate of its "
                                "CA (--tls-dir)";
    return absl::UnauthenticatedError(
        absl::StrCat("no credentials; this listener demands ", demands));
  }
  if (caller.ok() && caller->name.empty()) caller->name = SaidName(presented.user);
  return caller;
}

absl::StatusOr<Caller> Guard::OfToken(std::string_view authorization) const {
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) {
    return absl::UnauthenticatedError("metadata \"authorization\" is not \"Bearer TOKEN\"");
  }
  std::optional<Caller> caller = tokens_->Find(authorization.substr(kScheme.size()));
  if (!caller.has_value()) {
    return absl::UnauthenticatedError("the token stands in no line of this listener's token file");
  }
  return *std::move(caller);
}

absl::StatusOr<Caller> Guard::OfCertificate(std::string_view common_name) const {
  const size_t colon = common_name.find(':');
  const std::optional<v1::Access> role = RoleOfWord(common_name.substr(0, colon));
  if (colon == std::string_view::npos || !role.has_value() ||
      !IsCallerName(common_name.substr(colon + 1))) {
    return absl::UnauthenticatedError(
        "the certificate's common name says no role; expected admin:NAME, worker:NAME, "
        "verifier:NAME or reader:NAME");
  }
  return Caller{*role, std::string(common_name.substr(colon + 1))};
}

absl::Status Guard::Admit(const Presented& presented, std::string_view path) const {
  TEMPER_ASSIGN_OR_RETURN(const Caller caller, Identify(presented));
  return MayCall(caller.role, path);
}

}  // namespace temper
