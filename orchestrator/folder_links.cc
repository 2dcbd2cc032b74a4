// Walks, links, copies.
#include "orchestrator/folder_links.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace temper::orchestrator {
namespace {

absl::Status LinkFile(const std::string& from, const std::string& to) {
  std::error_code error;
  std::filesystem::create_hard_link(from, to, error);
  if (!error) return absl::OkStatus();
  // Another file system, or one without links.
  std::filesystem::copy_file(from, to, error);
  if (error) {
    errno = error.value();
    return ErrnoStatus(to, absl::StrCat("cannot copy ", from));
  }
  return SyncFile(to);
}

}  // namespace

absl::Status LinkFolder(const std::string& from, const std::string& to) {
  std::error_code error;
  if (!std::filesystem::is_directory(from, error)) {
    return absl::NotFoundError(absl::StrCat(from, ": there is no such folder"));
  }
  TEMPER_RETURN_IF_ERROR(MakeDirectories(to));
  for (std::filesystem::directory_iterator at(from, error), end; !error && at != end;
       at.increment(error)) {
    const std::string target = JoinPath(to, at->path().filename().string());
    std::error_code unknown;
    TEMPER_RETURN_IF_ERROR(at->is_directory(unknown) ? LinkFolder(at->path().string(), target)
                                                     : LinkFile(at->path().string(), target));
  }
  if (error) {
    errno = error.value();
    return ErrnoStatus(from, "cannot read the folder");
  }
  return SyncDirectory(to);
}

}  // namespace temper::orchestrator
