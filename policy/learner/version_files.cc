// Writing, removing.
#include "policy/learner/version_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace temper::learner {
namespace {

constexpr char kPrefix[] = "temper-";
constexpr time_t kYoungSeconds = 60;

absl::Status WriteAll(int fd, const std::string& path, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoStatus(path, "cannot write");
    bytes = bytes.subspan(put);
  }
  return absl::OkStatus();
}

// The bytes of an abandoned file, which is gone then; -1: it is held, young, no regular file, or
// not ours to remove.
int64_t RemoveIfAbandoned(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return -1;
  if (time(nullptr) - status.st_mtime < kYoungSeconds) return -1;
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0 || unlink(path.c_str()) != 0) return -1;
  return static_cast<int64_t>(status.st_size);
}

}  // namespace

absl::StatusOr<VersionFile> WriteVersionFile(std::string path, int64_t bytes, NextBytes next) {
  const std::string aside = absl::StrCat(path, ".tmp-", getpid());
  UniqueFd file(open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return ErrnoStatus(aside, "cannot create");
  auto remove_aside = absl::MakeCleanup([&aside] { unlink(aside.c_str()); });
  // Some file systems know no locks: then others cannot tell, and leave it alone for a minute only.
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    log::Warning("a file of weights cannot be locked", {{"path", aside}});
  }
  for (int64_t offset = 0; offset < bytes;) {
    const std::span<const std::byte> part = next(offset, bytes - offset);
    TEMPER_RETURN_IF_ERROR(WriteAll(file.get(), aside, part));
    offset += static_cast<int64_t>(part.size());
  }
  if (rename(aside.c_str(), path.c_str()) != 0) return ErrnoStatus(path, "cannot rename to");
  std::move(remove_aside).Cancel();
  return VersionFile{std::move(path), std::move(file)};
}

std::string CanonicalPath(const std::string& path) {
  std::error_code error;
  const auto canonical = std::filesystem::weakly_canonical(path, error);
  return error ? path : canonical.string();
}

std::string VersionFilePrefix(const std::string& run_dir) {
  return absl::StrCat(kPrefix, Hex(Xxh3Digest(CanonicalPath(run_dir))).substr(0, 16), "-");
}

std::string VersionFileName(std::string_view prefix, int64_t version) {
  return absl::StrFormat("%sv%06d.f32", std::string(prefix), version);
}

bool HasRoom(const std::string& folder, int64_t bytes) {
  struct statvfs status {};
  if (statvfs(folder.c_str(), &status) != 0) return false;
  const auto free = static_cast<int64_t>(status.f_bavail) * static_cast<int64_t>(status.f_frsize);
  return free / 2 >= bytes;
}

absl::Status RemoveVersionFiles(const std::string& folder, std::string_view prefix) {
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  if (error) return absl::OkStatus();
  for (const auto& entry : entries) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    TEMPER_RETURN_IF_ERROR(RemoveAll(entry.path().string()));
  }
  return absl::OkStatus();
}

void RemoveAbandonedVersionFiles(const std::string& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error), end;
  int64_t files = 0, bytes = 0;
  for (; !error && entries != end; entries.increment(error)) {
    const std::string path = entries->path().string(), name = entries->path().filename().string();
    if (!name.starts_with(kPrefix) || name.find(".f32") == std::string::npos) continue;
    const int64_t size = RemoveIfAbandoned(path);
    if (size < 0) continue;
    ++files;
    bytes += size;
  }
  if (files == 0) return;
  log::Info("removed weights that killed processes left in shared memory",
            {{"folder", folder}, {"files", files}, {"bytes", bytes}});
}

}  // namespace temper::learner
