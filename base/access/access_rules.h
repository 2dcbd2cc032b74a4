// Who may call what, read from the schemas: every rpc carries option (temper.v1.access).
//
// Pure; any thread. A method that is unknown or lacks the option is for admin alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "temper/v1/access.pb.h"

namespace temper {

// Who made a call: for decisions, and for the event log's "who".
struct Caller {
  v1::Access role = v1::ACCESS_UNSPECIFIED;
  std::string name;  // of the certificate or token, else what the client says of itself
};

// "admin", "worker", "verifier", "reader".
std::string_view RoleWord(v1::Access role);
std::optional<v1::Access> RoleOfWord(std::string_view word);

// The letters of names that stand in certificates, token files and logs: [A-Za-z0-9._-]{1,48}.
bool IsCallerName(std::string_view name);

// path: "/temper.v1.RolloutService/Generate", as HTTP/2 carries it. The first is always admin.
std::vector<v1::Access> RolesFor(std::string_view path);

// PERMISSION_DENIED names the role, the method and the roles that may.
absl::Status MayCall(v1::Access role, std::string_view path);

}  // namespace temper
