// Tokens: the secrets that stand for a role where no certificate does.
//
// A listener's file has a line `role token [name]` for each of its callers; a client's file holds
// one token. Both must be readable by their owner alone. Messages never carry a token.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/access/access_rules.h"

namespace temper {

// Immutable; any thread.
class TokenTable {
 public:
  // Empty lines and lines that begin with '#' are left out. INVALID_ARGUMENT names the line.
  static absl::StatusOr<TokenTable> Parse(std::string_view text, const std::string& path);
  static absl::StatusOr<TokenTable> Read(const std::string& path);

  // Takes as long for every token: digests are compared, all of them, in constant time.
  std::optional<Caller> Find(std::string_view token) const;
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string digest;  // SHA-256: the token itself is not kept
    Caller caller;
  };
  std::vector<Entry> entries_;
};

// A client's file.
absl::StatusOr<std::string> ReadOwnToken(const std::string& path);

// The text of a file that nobody but its owner may read or write; PERMISSION_DENIED otherwise, with
// the chmod that mends it.
absl::StatusOr<std::string> ReadSecretFile(const std::string& path);

}  // namespace temper
