// Files that are whole or absent.
//
// Every error names the path and what the system said.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace temper {

absl::StatusOr<std::string> ReadFile(const std::string& path);

// Writes beside, syncs, renames, syncs the folder. On failure nothing is left and the old file
// stays.
absl::Status WriteFileAtomically(const std::string& path, std::string_view bytes);

absl::Status MakeDirectories(const std::string& path);
absl::Status SyncFile(const std::string& path);
absl::Status SyncDirectory(const std::string& path);
bool Exists(const std::string& path);
// Removes a file or a whole folder; absent is fine.
absl::Status RemoveAll(const std::string& path);

// "a/b" + "c" -> "a/b/c"; an absolute second part stands alone.
std::string JoinPath(std::string_view a, std::string_view b);
std::string Dirname(std::string_view path);

// Status for the current errno: NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED (disk full), ...
// with
// "<path>: <doing>: <what the system says>".
absl::Status ErrnoStatus(std::string_view path, std::string_view doing);

// A whole file mapped read-only; moves, never copies.
class MappedFile {
 public:
  static absl::StatusOr<MappedFile> Open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  std::span<const std::byte> bytes() const { return {data_, size_}; }

  // Tells the system that the file will be read from front to back.
  void WillReadInOrder() const;
  // Brings bytes [begin, begin + size) into memory. DATA_LOSS where the file has shrunk since it
  // was opened or the disk fails: touching such bytes would end the process.
  absl::Status Load(int64_t begin, int64_t size) const;
  // Gives back the memory of the whole pages among these bytes; touched again, they are read again.
  void Release(int64_t begin, int64_t size) const;

 private:
  MappedFile(const std::byte* data, size_t size) : data_(data), size_(size) {}
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace temper
