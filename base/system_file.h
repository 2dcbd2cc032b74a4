// The small text files under /proc and /sys.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace temper {

// Such files have no size beforehand. Empty when it cannot be read; at most 1 MiB.
inline std::string ReadSystemFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[8192];
  while (fd.open() && text.size() < (1 << 20)) {
    const ssize_t n = read(fd.get(), buffer, sizeof(buffer));
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

// Views into `text`.
inline std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// The number that `text` begins with, after blanks; false when there is none.
inline bool ToNumber(std::string_view text, int64_t* number) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return std::from_chars(text.data(), text.data() + text.size(), *number).ec == std::errc();
}

// Fields of /proc/<pid>/stat from the third on ("S", parent, ...); the second may hold anything.
inline std::vector<std::string_view> StatFields(std::string_view stat) {
  const size_t name_end = stat.rfind(')');
  if (name_end == stat.npos || name_end + 2 > stat.size()) return {};
  return Split(stat.substr(name_end + 2), ' ');
}

// Memory of this process in bytes, of /proc/self/statm; zeros when it cannot be read.
struct OwnMemory {
  int64_t address_space = 0;
  int64_t resident = 0;
};
inline OwnMemory ReadOwnMemory() {
  const std::string text = ReadSystemFile("/proc/self/statm");
  const std::vector<std::string_view> fields = Split(text, ' ');
  OwnMemory pages;
  if (fields.size() < 2 || !ToNumber(fields[0], &pages.address_space) ||
      !ToNumber(fields[1], &pages.resident)) {
    return {};
  }
  const int64_t page = sysconf(_SC_PAGESIZE);
  return {pages.address_space * page, pages.resident * page};
}

}  // namespace temper
