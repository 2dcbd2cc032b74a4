// Reads the fields of a JSON object that a person wrote, strictly: what is unknown, of the wrong
// kind or out of range is named with its place.
//
// The first problem stays; getters after it return what they were given. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

class JsonFields {
 public:
  // `path`: of the object, for people: "endpoints.json: endpoints.main". Both outlive the reader.
  JsonFields(const nlohmann::ordered_json& object, std::string path);

  // Null where the key is not there. Marks it as known.
  const nlohmann::ordered_json* Find(std::string_view key);

  std::string Text(std::string_view key, std::string otherwise = "");
  std::string RequiredText(std::string_view key);
  bool Flag(std::string_view key, bool otherwise);
  int64_t Whole(std::string_view key, int64_t otherwise, int64_t least, int64_t most);
  double Number(std::string_view key, double otherwise, double least, double most);

  void Refuse(std::string_view key, std::string_view why);
  // A value that is none of the known ones.
  void RefuseName(std::string_view key, std::string_view value,
                  const std::vector<std::string>& known);
  // Takes over the problem of a part.
  void Merge(const absl::Status& status);
  std::string PathOf(std::string_view key) const;

  // Refuses keys that nobody asked for; the first problem, or OK.
  absl::Status Finish();

 private:
  const nlohmann::ordered_json& object_;
  const std::string path_;
  std::vector<std::string> known_;
  absl::Status problem_;
};

}  // namespace temper::agents
