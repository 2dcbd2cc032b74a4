// Which part of a process serves which run, where one process serves several.
//
// Requests name their run; an empty name means the only one. A run that is expected but not open
// yet is UNAVAILABLE: its callers come again. Any thread.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/mutex.h"

namespace temper {

template <class T>
class RunDirectory {
 public:
  // The runs that are to be open; replaces the list before. What is open stays so until Close().
  void Expect(const std::vector<std::string>& runs) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    expected_ = {runs.begin(), runs.end()};
  }

  // From here on calls for `run` find `serves`.
  void Open(const std::string& run, std::shared_ptr<T> serves) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    open_[run] = std::move(serves);
  }

  // Calls find it no more; those that have found it may hold it for a moment. Null: was not open.
  std::shared_ptr<T> Close(const std::string& run) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    const auto found = open_.find(run);
    if (found == open_.end()) return nullptr;
    std::shared_ptr<T> served = std::move(found->second);
    open_.erase(found);
    return served;
  }

  // INVALID_ARGUMENT: no run is named and there are several. NOT_FOUND: it is not served here.
  // UNAVAILABLE: it is being opened.
  absl::StatusOr<std::shared_ptr<T>> Find(const std::string& run) const
      ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    if (const auto found = open_.find(run); found != open_.end()) return found->second;
    std::set<std::string> here = expected_;
    for (const auto& [name, serves] : open_) here.insert(name);
    if (run.empty() && here.size() > 1) {
      return absl::InvalidArgumentError(absl::StrCat(
          "run: empty, but this worker serves several; expected one of ", Names(here)));
    }
    if (run.empty() && open_.size() == 1) return open_.begin()->second;
    if (run.empty() || here.contains(run)) {
      return absl::UnavailableError(absl::StrCat(run.empty() ? "the run" : Quoted(run),
                                                 " is not open on this worker yet; try again"));
    }
    return absl::NotFoundError(
        absl::StrCat("run: ", Quoted(run), " is not open on this worker; ",
                     here.empty() ? "no run is" : absl::StrCat("found ", Names(here))));
  }

  std::vector<std::string> names() const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, serves] : open_) names.push_back(name);
    return names;
  }

 private:
  static std::string Quoted(const std::string& name) { return absl::StrCat("\"", name, "\""); }
  static std::string Names(const std::set<std::string>& names) {
    return absl::StrJoin(names, ", ", [](std::string* text, const std::string& name) {
      absl::StrAppend(text, Quoted(name));
    });
  }

  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<T>> open_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> expected_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace temper
