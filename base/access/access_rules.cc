// Roles and the descriptors that decide about them.
#include "base/access/access_rules.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"

namespace temper {
namespace {

constexpr std::pair<v1::Access, std::string_view> kRoles[] = {{v1::ACCESS_ADMIN, "admin"},
                                                              {v1::ACCESS_WORKER, "worker"},
                                                              {v1::ACCESS_VERIFIER, "verifier"},
                                                              {v1::ACCESS_READER, "reader"}};
constexpr size_t kNameMax = 48;  // with the role it fits a certificate's common name

// A path is what a stranger sent: for messages, without what a terminal would obey.
std::string Printable(std::string_view path) {
  std::string text(path.substr(0, 200));
  for (char& c : text) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) c = '?';
  }
  return text;
}

}  // namespace

std::string_view RoleWord(v1::Access role) {
  for (const auto& [known, word] : kRoles) {
    if (known == role) return word;
  }
  return "nobody";
}

std::optional<v1::Access> RoleOfWord(std::string_view word) {
  for (const auto& [role, known] : kRoles) {
    if (known == word) return role;
  }
  return std::nullopt;
}

bool IsCallerName(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

std::vector<v1::Access> RolesFor(std::string_view path) {
  std::vector<v1::Access> roles = {v1::ACCESS_ADMIN};
  std::string name(path.substr(path.starts_with('/') ? 1 : 0));
  std::replace(name.begin(), name.end(), '/', '.');
  const google::protobuf::MethodDescriptor* method =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name);
  if (method == nullptr) return roles;
  for (int i = 0; i < method->options().ExtensionSize(v1::access); ++i) {
    const v1::Access role = method->options().GetExtension(v1::access, i);
    if (role != v1::ACCESS_ADMIN && role != v1::ACCESS_UNSPECIFIED) roles.push_back(role);
  }
  return roles;
}

absl::Status MayCall(v1::Access role, std::string_view path) {
  if (role == v1::ACCESS_ADMIN) return absl::OkStatus();
  const std::vector<v1::Access> roles = RolesFor(path);
  if (std::find(roles.begin(), roles.end(), role) != roles.end()) return absl::OkStatus();
  const std::string may = absl::StrJoin(
      roles, ", ", [](std::string* text, v1::Access allowed) { text->append(RoleWord(allowed)); });
  return absl::PermissionDeniedError(absl::StrCat("role \"", std::string(RoleWord(role)),
                                                  "\" may not call ", Printable(path),
                                                  "; it is for: ", may));
}

}  // namespace temper
