// The program's log: JSON lines on stderr, made by spdlog.
//
// log::Info("worker joined", {{"name", name}, {"pid", pid}}). Values are escaped; no prompts,
// answers or tokens belong in it. Any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace temper::log {

struct Field {
  template <class T>
  Field(std::string_view key, const T& value) : key(key), value(absl::StrCat(value)) {}
  std::string_view key;
  std::string value;
};

// `component` stands on every line, e.g. "rollout-0". Level: "debug", "info", "warning", "error".
void Start(std::string_view component, std::string_view level);

void Debug(std::string_view message, std::initializer_list<Field> fields = {});
void Info(std::string_view message, std::initializer_list<Field> fields = {});
void Warning(std::string_view message, std::initializer_list<Field> fields = {});
void Error(std::string_view message, std::initializer_list<Field> fields = {});

}  // namespace temper::log
