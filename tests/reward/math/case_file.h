// Cases (gold, answer, equal) with their sources, one JSON object a line.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace temper::reward::math {

struct Case {
  int line = 0;
  std::string gold;
  std::string answer;
  bool equal = false;
  std::string source;
  std::string note;  // why the label depends on a policy
};

inline std::vector<Case> ReadCases(const std::string& path) {
  std::vector<Case> cases;
  std::ifstream file(path);
  int line = 0;
  for (std::string text; std::getline(file, text);) {
    ++line;
    const auto json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object()) continue;
    cases.push_back({line, json.at("gold"), json.at("answer"), json.at("equal"),
                     json.value("source", ""), json.value("note", "")});
  }
  return cases;
}

}  // namespace temper::reward::math
