// Listens to the events of nlohmann's parser, which still have the text of a number.
#include "reward/code/value_of_json.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "reward/code/literal.h"

namespace temper::reward {
namespace {

using Kind = Value::Kind;

// Builds a Value from the parser's events, for only they still have the text of a number.
class JsonBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Value root;

  bool null() override { return Put({}); }
  bool boolean(bool yes) override { return Put({Kind::kBool, yes ? "True" : "False", {}}); }
  bool number_integer(number_integer_t number) override {
    return Put({Kind::kInteger, absl::StrCat(number), {}});
  }
  bool number_unsigned(number_unsigned_t number) override {
    return Put({Kind::kInteger, absl::StrCat(number), {}});
  }
  bool number_float(number_float_t, const string_t& text) override {
    const bool integer = text.find_first_of(".eE") == std::string::npos;
    return Put({integer ? Kind::kInteger : Kind::kFloat, text, {}});
  }
  bool string(string_t& text) override { return Put({Kind::kString, text, {}}); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return Open(Kind::kDict); }
  bool key(string_t& text) override { return Put({Kind::kString, text, {}}); }
  bool end_object() override { return Close(); }
  bool start_array(size_t) override { return Open(Kind::kList); }
  bool end_array() override { return Close(); }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool Put(Value value) {
    if (open_.empty()) {
      root = std::move(value);
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }
  bool Open(Kind kind) {
    open_.emplace_back().kind = kind;
    return open_.size() <= kLiteralDepthMax;
  }
  bool Close() {
    Value closed = std::move(open_.back());
    open_.pop_back();
    return Put(std::move(closed));
  }

  std::vector<Value> open_;
};

}  // namespace

absl::StatusOr<Value> ValueOfJson(std::string_view text) {
  JsonBuilder builder;
  if (!nlohmann::json::sax_parse(text, &builder)) {
    return absl::InvalidArgumentError(
        absl::StrCat("not JSON, or nested deeper than ", kLiteralDepthMax));
  }
  return std::move(builder.root);
}

const Value* Find(const Value& value, std::string_view key) {
  if (value.kind != Kind::kDict) return nullptr;
  for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
    if (value.items[i].text == key) return &value.items[i + 1];
  }
  return nullptr;
}

}  // namespace temper::reward
