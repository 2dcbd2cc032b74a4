// Files of weights: whole or absent, locked by the process that made them for as long as it lives.
//
// Shared memory outlasts its processes: what a killed learner leaves there takes as much memory as
// its weights until somebody removes it. The lock (flock) tells others that nobody will.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace temper::learner {

// The bytes of a version from `offset` on, at least one and at most `left`, until the next call.
using NextBytes = absl::FunctionRef<std::span<const std::byte>(int64_t offset, int64_t left)>;

struct VersionFile {
  std::string path;  // "": no file
  UniqueFd lock;     // held until this is gone; the file stays
};
// Writes beside, then renames. On failure nothing is left.
absl::StatusOr<VersionFile> WriteVersionFile(std::string path, int64_t bytes, NextBytes next);

// The same path whatever the working directory.
std::string CanonicalPath(const std::string& path);
// "temper-<run>-", which the names of a run's files begin with, and a version's name.
std::string VersionFilePrefix(const std::string& run_dir);
std::string VersionFileName(std::string_view prefix, int64_t version);

// Whether `folder` has room for so many bytes and as many again, for the others who use it.
bool HasRoom(const std::string& folder, int64_t bytes);

// Removes all files of a run, of which no process may be at work. A folder that is not there is
// fine.
absl::Status RemoveVersionFiles(const std::string& folder, std::string_view prefix);

// Removes the files of any run that no process holds, but for those of the last minute, whose maker
// may be about to lock them; says in the log what it removed. Files of others that it may not touch
// stay.
void RemoveAbandonedVersionFiles(const std::string& folder);

}  // namespace temper::learner
