// Second names for the files of a folder, so that either folder can go without the other.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace temper::orchestrator {

// Makes `to`, which must not exist, with every file of `from`, sub-folders included: by a hard link
// where the file system allows it, else by a copy that is synced. Durable but for the entry `to`
// itself. Only for files that are never written again: both names show one file.
absl::Status LinkFolder(const std::string& from, const std::string& to);

}  // namespace temper::orchestrator
