// Puts a call's arguments into the order of a function's parameters.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/model/chat/jinja/value.h"

namespace temper::model::jinja {

// Of functions whose parameters have no names.
absl::Status CheckNameless(std::string_view function, const Arguments& arguments);

class Bound {
 public:
  // `names`: of the parameters, in order; the first `required` must be given. `function` is named
  // in errors.
  static absl::StatusOr<Bound> Make(std::string_view function, const Arguments& arguments,
                                    std::initializer_list<std::string_view> names,
                                    size_t required = 0);

  bool has(size_t i) const { return given_[i]; }
  const Value& operator[](size_t i) const { return values_[i]; }  // None when not given
  // Errors name the parameter and what was found.
  absl::StatusOr<int64_t> Integer(size_t i, int64_t otherwise) const;
  absl::StatusOr<Text> String(size_t i, std::string_view otherwise) const;
  bool Flag(size_t i, bool otherwise) const;

 private:
  absl::Status Wrong(size_t i, std::string_view expected) const;

  std::string function_;
  std::vector<std::string> names_;
  std::vector<Value> values_;
  std::vector<bool> given_;
};

}  // namespace temper::model::jinja
