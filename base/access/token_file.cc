// Reading token files, and comparing tokens in constant time.
#include "base/access/token_file.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/system_file.h"
#include "base/unique_fd.h"

namespace temper {
namespace {

constexpr size_t kTokenLeast = 20;
constexpr size_t kTokenMost = 512;
constexpr off_t kFileMost = 1 << 20;
constexpr char kHowToMakeOne[] = "make one with: openssl rand -hex 32";

// What RFC 6750 lets a bearer token consist of.
absl::Status CheckToken(std::string_view token) {
  if (token.size() < kTokenLeast || token.size() > kTokenMost) {
    return absl::InvalidArgumentError(absl::StrCat("a token of ", token.size(),
                                                   " characters; expected ", kTokenLeast, " to ",
                                                   kTokenMost, "; ", kHowToMakeOne));
  }
  for (const unsigned char c : token) {
    if (!absl::ascii_isalnum(c) && std::string_view("-._~+/=").find(c) == std::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a token with a character other than A-Z a-z 0-9 - . _ ~ + / =; ", kHowToMakeOne));
    }
  }
  return absl::OkStatus();
}

std::vector<std::string_view> Words(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r\n";
  std::vector<std::string_view> words;
  while (true) {
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    if (line.empty()) return words;
    const size_t end = std::min(line.find_first_of(kBlanks), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

absl::Status AtLine(const std::string& path, size_t line, std::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(path, ":", line, ": ", std::string(message)));
}

}  // namespace

absl::StatusOr<std::string> ReadSecretFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.open()) return ErrnoStatus(path, "open");
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus(path, "stat");
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a regular file"));
  }
  if ((info.st_mode & 077) != 0) {
    return absl::PermissionDeniedError(
        absl::StrFormat("%s: mode %04o lets others at a secret; run: chmod 600 %s", path,
                        info.st_mode & 07777, path));
  }
  if (info.st_size > kFileMost) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", info.st_size, " bytes; a file of secrets has at most 1 MiB"));
  }
  std::string text(static_cast<size_t>(info.st_size), '\0');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = read(fd.get(), text.data() + done, text.size() - done);
    if (n < 0) return ErrnoStatus(path, "read");
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  text.resize(done);
  return text;
}

absl::StatusOr<TokenTable> TokenTable::Parse(std::string_view text, const std::string& path) {
  TokenTable table;
  size_t number = 0;
  for (const std::string_view line : Split(text, '\n')) {
    ++number;
    const std::vector<std::string_view> words = Words(line);
    if (words.empty() || words[0].front() == '#') continue;
    if (words.size() < 2 || words.size() > 3) {
      return AtLine(path, number,
                    absl::StrCat(words.size(), " words; expected: role token [name]"));
    }
    const std::optional<v1::Access> role = RoleOfWord(words[0]);
    if (!role.has_value()) {
      return AtLine(path, number,
                    "the first word is no role; expected admin, worker, verifier or reader");
    }
    if (const absl::Status good = CheckToken(words[1]); !good.ok()) {
      return AtLine(path, number, std::string(good.message()));
    }
    const std::string_view name = words.size() == 3 ? words[2] : std::string_view();
    if (!name.empty() && !IsCallerName(name)) {
      return AtLine(path, number, "the name is not 1 to 48 of A-Z a-z 0-9 . _ -");
    }
    if (table.Find(words[1]).has_value()) {
      return AtLine(path, number, "the same token stands in an earlier line; give each its own");
    }
    table.entries_.push_back({Sha256Hex(words[1]), {*role, std::string(name)}});
  }
  if (table.entries_.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no token in it; expected lines: role token [name]"));
  }
  return table;
}

absl::StatusOr<TokenTable> TokenTable::Read(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadSecretFile(path));
  return Parse(text, path);
}

std::optional<Caller> TokenTable::Find(std::string_view token) const {
  const std::string digest = Sha256Hex(token);
  const Entry* found = nullptr;
  for (const Entry& entry : entries_) {
    if (CRYPTO_memcmp(entry.digest.data(), digest.data(), digest.size()) == 0) found = &entry;
  }
  if (found == nullptr) return std::nullopt;
  return found->caller;
}

absl::StatusOr<std::string> ReadOwnToken(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadSecretFile(path));
  const std::vector<std::string_view> words = Words(text);
  if (words.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", words.size(),
                     " words; a client's token file holds its token and nothing else (a file of "
                     "lines \"role token\" is for listeners)"));
  }
  if (const absl::Status good = CheckToken(words[0]); !good.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", std::string(good.message())));
  }
  return std::string(words[0]);
}

}  // namespace temper
