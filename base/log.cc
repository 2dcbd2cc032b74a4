// The program's log: one JSON object a line.
#include "base/log.h"

#include <memory>

#include "nlohmann/json.hpp"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace temper::log {
namespace {

std::string Quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = spdlog::stderr_logger_mt("temper");
    made->set_pattern("{\"time\":\"%Y-%m-%dT%H:%M:%S.%e%z\",\"level\":\"%l\",%v}");
    made->flush_on(spdlog::level::debug);
    made->set_level(spdlog::level::warn);
    return made;
  }();
  return *logger;
}

std::string& Component() {
  static std::string* component = new std::string("temper");
  return *component;
}

void Write(spdlog::level::level_enum level, std::string_view message,
           std::initializer_list<Field> fields) {
  if (!Logger().should_log(level)) return;
  std::string line =
      absl::StrCat("\"component\":", Quoted(Component()), ",\"message\":", Quoted(message));
  for (const Field& field : fields) {
    absl::StrAppend(&line, ",", Quoted(field.key), ":", Quoted(field.value));
  }
  Logger().log(level, "{}", line);
}

}  // namespace

void Start(std::string_view component, std::string_view level) {
  Component() = std::string(component);
  Logger().set_level(spdlog::level::from_str(std::string(level)));
}

void Debug(std::string_view m, std::initializer_list<Field> f) {
  Write(spdlog::level::debug, m, f);
}
void Info(std::string_view m, std::initializer_list<Field> f) { Write(spdlog::level::info, m, f); }
void Warning(std::string_view m, std::initializer_list<Field> f) {
  Write(spdlog::level::warn, m, f);
}
void Error(std::string_view m, std::initializer_list<Field> f) { Write(spdlog::level::err, m, f); }

}  // namespace temper::log
