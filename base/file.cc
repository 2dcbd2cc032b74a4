// Files through POSIX calls, each checked.
#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace temper {

absl::Status ErrnoStatus(std::string_view path, std::string_view doing) {
  const int error = errno;
  return absl::Status(
      absl::ErrnoToStatusCode(error),
      absl::StrCat(std::string(path), ": ", std::string(doing), ": ", std::strerror(error)));
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(path, "cannot open");
  auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  struct stat status {};
  if (fstat(fd, &status) != 0) return ErrnoStatus(path, "cannot stat");
  if (S_ISDIR(status.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is a folder, expected a file"));
  }
  std::string bytes;
  char buffer[1 << 16];
  while (true) {
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(path, "cannot read");
    if (got == 0) return bytes;
    bytes.append(buffer, got);
  }
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view bytes) {
  const std::string aside = absl::StrCat(path, ".tmp-", getpid());
  const int fd = open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(aside, "cannot create");
  auto remove_aside = absl::MakeCleanup([&aside] { unlink(aside.c_str()); });
  auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  while (!bytes.empty()) {
    const ssize_t put = write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoStatus(aside, "cannot write");
    bytes.remove_prefix(put);
  }
  if (fsync(fd) != 0) return ErrnoStatus(aside, "cannot sync");
  if (rename(aside.c_str(), path.c_str()) != 0) return ErrnoStatus(path, "cannot rename to");
  std::move(remove_aside).Cancel();
  return SyncDirectory(Dirname(path));
}

absl::Status MakeDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error && std::filesystem::is_directory(path)) return absl::OkStatus();
  errno = error ? error.value() : ENOTDIR;
  return ErrnoStatus(path, "cannot create folder");
}

absl::Status SyncFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(path, "cannot open");
  auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  if (fsync(fd) != 0) return ErrnoStatus(path, "cannot sync");
  return absl::OkStatus();
}

absl::Status SyncDirectory(const std::string& path) { return SyncFile(path); }

bool Exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

absl::Status RemoveAll(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (!error) return absl::OkStatus();
  errno = error.value();
  return ErrnoStatus(path, "cannot remove");
}

std::string JoinPath(std::string_view a, std::string_view b) {
  return (std::filesystem::path(a) / std::filesystem::path(b)).string();
}

std::string Dirname(std::string_view path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(path, "cannot open");
  auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  struct stat status {};
  if (fstat(fd, &status) != 0) return ErrnoStatus(path, "cannot stat");
  if (!S_ISREG(status.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not a regular file"));
  }
  if (status.st_size == 0) return MappedFile(nullptr, 0);
  void* data = mmap(nullptr, status.st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return ErrnoStatus(path, "cannot map");
  return MappedFile(static_cast<const std::byte*>(data), status.st_size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void MappedFile::WillReadInOrder() const {
  if (data_ != nullptr) madvise(const_cast<std::byte*>(data_), size_, MADV_SEQUENTIAL);
}

absl::Status MappedFile::Load(int64_t begin, int64_t size) const {
  if (size == 0) return absl::OkStatus();
  const int64_t page = sysconf(_SC_PAGESIZE);
  const int64_t first = begin / page * page;
  std::byte* from = const_cast<std::byte*>(data_) + first;
  while (madvise(from, begin + size - first, MADV_POPULATE_READ) != 0) {
    if (errno == EINTR || errno == EAGAIN) continue;
    if (errno == EINVAL || errno == ENOSYS) return absl::OkStatus();  // Linux before 5.14
    return absl::DataLossError(
        absl::StrCat("cannot read bytes ", begin, " to ", begin + size,
                     ": the file has changed since it was opened, or the disk fails"));
  }
  return absl::OkStatus();
}

void MappedFile::Release(int64_t begin, int64_t size) const {
  const int64_t page = sysconf(_SC_PAGESIZE);
  const int64_t first = (begin + page - 1) / page * page, end = (begin + size) / page * page;
  if (first < end) madvise(const_cast<std::byte*>(data_) + first, end - first, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace temper
