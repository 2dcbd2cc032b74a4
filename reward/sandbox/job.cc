// Refuses a job before anything of it runs.
#include "reward/sandbox/job.h"

#include <cmath>
#include <set>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/system_file.h"

namespace temper::sandbox {
namespace {

constexpr size_t kPathBytesMax = 255;
constexpr size_t kFilesMax = 1000;
constexpr int64_t kJobBytesMax = 256LL << 20;

absl::Status Refused(std::string_view field, std::string_view found, std::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(
      std::string(field), ": found \"", absl::CEscape(std::string(found.substr(0, 80))),
      found.size() > 80 ? "..." : "", "\", expected ", std::string(expected)));
}

absl::Status CheckPath(std::string_view field, std::string_view path) {
  constexpr std::string_view kExpected =
      "a relative path of at most 255 bytes without \"..\", \".\", empty parts or NUL bytes";
  if (path.empty() || path.size() > kPathBytesMax || path.find('\0') != path.npos) {
    return Refused(field, path, kExpected);
  }
  for (std::string_view part : Split(path, '/')) {
    if (part.empty() || part == "." || part == "..") return Refused(field, path, kExpected);
  }
  return absl::OkStatus();
}

absl::Status CheckFiles(const Job& job) {
  if (job.files.size() > kFilesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("files: ", job.files.size(), " of them, expected at most ", kFilesMax));
  }
  int64_t bytes = static_cast<int64_t>(job.standard_input.size());
  std::set<std::string_view> seen;
  for (size_t i = 0; i < job.files.size(); ++i) {
    const JobFile& file = job.files[i];
    const std::string field = absl::StrCat("files[", i, "].path");
    if (absl::Status status = CheckPath(field, file.path); !status.ok()) return status;
    if (!seen.insert(file.path).second) return Refused(field, file.path, "each path once");
    bytes += static_cast<int64_t>(file.content.size());
  }
  if (bytes > kJobBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("files: ", bytes, " bytes together, expected at most ", kJobBytesMax));
  }
  for (size_t i = 0; i < job.fetch.size(); ++i) {
    const std::string field = absl::StrCat("fetch[", i, "]");
    if (absl::Status status = CheckPath(field, job.fetch[i]); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckLimits(const Limits& limits) {
  const auto positive = [](std::string_view name, double value, double most) -> absl::Status {
    if (value > 0 && value <= most) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("limits.", std::string(name), ": found ", value,
                                                   ", expected above 0 and at most ", most));
  };
  const double wall = limits.wall_seconds == 0 ? 1 : limits.wall_seconds;
  for (const absl::Status& status :
       {positive("cpu_seconds", limits.cpu_seconds, 1e5), positive("wall_seconds", wall, 1e6),
        positive("memory_bytes", limits.memory_bytes, 1LL << 40),
        positive("output_bytes", limits.output_bytes, 1LL << 31),
        positive("disk_bytes", limits.disk_bytes, 1LL << 40),
        positive("disk_files", limits.disk_files, 1e7),
        positive("processes", limits.processes, 30000),
        positive("open_files", limits.open_files, 1e5)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

const char* LimitName(Limit limit) {
  switch (limit) {
    case Limit::kNone:
      return "";
    case Limit::kCpu:
      return "cpu";
    case Limit::kWall:
      return "wall";
    case Limit::kMemory:
      return "memory";
    case Limit::kOutput:
      return "output";
  }
  return "";
}

absl::Status CheckJob(const Job& job) {
  if (job.argv.empty() || !job.argv[0].starts_with('/')) {
    return Refused("argv[0]", job.argv.empty() ? "" : job.argv[0], "an absolute path");
  }
  for (size_t i = 0; i < job.argv.size(); ++i) {
    if (job.argv[i].find('\0') != std::string::npos) {
      return Refused(absl::StrCat("argv[", i, "]"), job.argv[i], "no NUL byte");
    }
  }
  if (absl::Status status = CheckFiles(job); !status.ok()) return status;
  return CheckLimits(job.limits);
}

}  // namespace temper::sandbox
