// Python's rules for positional and named arguments.
#include "policy/model/chat/jinja/arguments.h"

#include <algorithm>

#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {

absl::Status CheckNameless(std::string_view function, const Arguments& arguments) {
  if (arguments.named.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Words(function, ": takes no argument with a name, found ", arguments.named[0].first));
}

absl::StatusOr<Bound> Bound::Make(std::string_view function, const Arguments& arguments,
                                  std::initializer_list<std::string_view> names, size_t required) {
  Bound bound;
  bound.function_ = function;
  bound.names_.assign(names.begin(), names.end());
  bound.values_.resize(names.size());
  bound.given_.resize(names.size());
  if (arguments.positional.size() > names.size()) {
    return absl::InvalidArgumentError(Words(function, ": found ", arguments.positional.size(),
                                            " arguments, expected at most ", names.size()));
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    bound.values_[i] = arguments.positional[i];
    bound.given_[i] = true;
  }
  for (const auto& [name, value] : arguments.named) {
    const size_t i = std::ranges::find(bound.names_, name) - bound.names_.begin();
    if (i == names.size() || bound.given_[i]) {
      return absl::InvalidArgumentError(
          Words(function, ": the argument ", name,
                i == names.size() ? " is not known" : " is given twice"));
    }
    bound.values_[i] = value;
    bound.given_[i] = true;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!bound.given_[i]) {
      return absl::InvalidArgumentError(
          Words(function, ": the argument ", bound.names_[i], " is missing"));
    }
  }
  return bound;
}

absl::Status Bound::Wrong(size_t i, std::string_view expected) const {
  if (values_[i].is_undefined()) return values_[i].WhyUndefined();
  return absl::InvalidArgumentError(Words(function_, ": ", names_[i], ": found a value of type ",
                                          TypeName(values_[i]), ", expected ", expected));
}

absl::StatusOr<int64_t> Bound::Integer(size_t i, int64_t otherwise) const {
  if (!given_[i]) return otherwise;
  int64_t number = 0;
  if (!AsInteger(values_[i], number)) return Wrong(i, "an integer");
  return number;
}

absl::StatusOr<Text> Bound::String(size_t i, std::string_view otherwise) const {
  if (!given_[i]) return Text(std::string(otherwise));
  if (values_[i].text() == nullptr) return Wrong(i, "a string");
  return *values_[i].text();
}

bool Bound::Flag(size_t i, bool otherwise) const {
  return given_[i] ? Truth(values_[i]) : otherwise;
}

}  // namespace temper::model::jinja
