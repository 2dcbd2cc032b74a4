// In place of base/log.cc in the bundle, without spdlog, which Debian has as a shared library only.
#include <cstdio>

#include "base/log.h"

namespace temper::log {

namespace {

void Write(const char* level, std::string_view message, std::initializer_list<Field> fields) {
  std::string line = absl::StrCat(level, ": ", std::string(message));
  for (const Field& field : fields) {
    absl::StrAppend(&line, ", ", std::string(field.key), " ", field.value);
  }
  std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace

void Start(std::string_view, std::string_view) {}
void Debug(std::string_view, std::initializer_list<Field>) {}
void Info(std::string_view m, std::initializer_list<Field> f) { Write("info", m, f); }
void Warning(std::string_view m, std::initializer_list<Field> f) { Write("warning", m, f); }
void Error(std::string_view m, std::initializer_list<Field> f) { Write("error", m, f); }

}  // namespace temper::log
