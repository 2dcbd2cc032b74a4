// The values of a template: Python's, as far as templates use them.
//
// Values are immutable and shared, but for namespaces, loops and the like, which belong to one
// rendering (machine.h) and are only pointed at. So no value ever owns itself. Nothing here leads
// to the host: an attribute is a key, a field of a namespace or loop, or a method of methods.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/model/chat/jinja/limits.h"
#include "policy/model/chat/jinja/text.h"

namespace temper::model::jinja {

struct Sequence;
struct Dict;
struct Callable;
struct Fields;

class Value {
 public:
  struct Undefined {
    std::shared_ptr<const std::string> why;  // what an operation on it says
  };
  struct None {};

  Value() : held_(None{}) {}
  static Value UndefinedFor(std::string why);
  static Value Bool(bool value) { return Value(value); }
  static Value Int(int64_t value) { return Value(value); }
  static Value Float(double value) { return Value(value); }
  static Value String(Text text) { return Value(std::make_shared<const Text>(std::move(text))); }
  static Value String(std::string_view text) { return String(Text(std::string(text))); }
  static Value Of(std::shared_ptr<const Sequence> sequence) { return Value(std::move(sequence)); }
  static Value Of(std::shared_ptr<const Dict> dict) { return Value(std::move(dict)); }
  static Value Of(std::shared_ptr<const Callable> callable) { return Value(std::move(callable)); }
  // `fields` outlives the rendering.
  static Value Of(Fields* fields) { return Value(fields); }

  bool is_undefined() const { return std::holds_alternative<Undefined>(held_); }
  bool is_none() const { return std::holds_alternative<None>(held_); }
  // Null when the value is something else.
  const bool* boolean() const { return std::get_if<bool>(&held_); }
  const int64_t* integer() const { return std::get_if<int64_t>(&held_); }
  const double* real() const { return std::get_if<double>(&held_); }
  const Text* text() const { return Pointee<Text>(); }
  const Sequence* sequence() const { return Pointee<Sequence>(); }
  const Dict* dict() const { return Pointee<Dict>(); }
  const Callable* callable() const { return Pointee<Callable>(); }
  Fields* fields() const;
  std::shared_ptr<const Dict> shared_dict() const;

  // Why it is undefined; INVALID_ARGUMENT.
  absl::Status WhyUndefined() const;
  // Levels of values inside this one.
  int depth() const;
  // What going through all of it takes; see kWeightMax.
  int64_t weight() const;

 private:
  using Held = std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const Text>,
                            std::shared_ptr<const Sequence>, std::shared_ptr<const Dict>,
                            std::shared_ptr<const Callable>, Fields*>;
  template <typename T>
  explicit Value(T held) : held_(std::move(held)) {}
  template <typename T>
  const T* Pointee() const {
    const auto* shared = std::get_if<std::shared_ptr<const T>>(&held_);
    return shared == nullptr ? nullptr : shared->get();
  }

  Held held_;
};

// What can be gone through. Views and iterators cannot be indexed; an iterator has no length and
// can be gone through once.
struct Sequence {
  enum class Kind { kList, kTuple, kRange, kKeys, kValues, kItems, kIterator };

  Kind kind = Kind::kList;
  std::vector<Value> items;
  int depth = 1;
  int64_t weight = 1;
  mutable bool spent = false;  // of an iterator

  bool indexable() const { return kind <= Kind::kRange; }
};

// Keys in the order of their first appearance.
struct Dict {
  std::vector<std::pair<Value, Value>> entries;
  int depth = 1;
  int64_t weight = 1;

  const Value* Find(const Value& key) const;
  const Value* Find(std::string_view key) const;
  // Keeps the place of a key that is there. The key is hashable (HashKey).
  void Set(const Value& key, Value value);
  void Set(std::string_view key, Value value) { Set(Value::String(key), std::move(value)); }

 private:
  absl::flat_hash_map<std::string, size_t> index_;  // by HashKey
};

struct Macro;
class Scope;

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// What can be called: a macro, a method with its receiver, or a function by its name.
struct Callable {
  enum class Kind { kMacro, kMethod, kFunction };

  Kind kind = Kind::kFunction;
  std::string name;
  Value receiver;  // of a method
  const Macro* macro = nullptr;
  Scope* scope = nullptr;  // where the macro was defined
};

// A value with named fields that change: a namespace, a loop, a cycler or a joiner.
struct Fields {
  enum class Kind { kNamespace, kLoop, kCycler, kJoiner };
  virtual ~Fields() = default;
  explicit Fields(Kind kind) : kind(kind) {}

  const Kind kind;
  Dict named;                // of a namespace
  std::vector<Value> items;  // of a loop and of a cycler; of a joiner: what it puts between
  size_t at = 0;             // of a loop: the item under way; else how often it was asked
  Value changed;             // of a loop: what changed() saw last
  bool asked_changed = false;
  int loop_depth = 0;               // loops of the same `recursive` around this one
  const void* statement = nullptr;  // of a recursive loop
  Scope* scope = nullptr;           // the loop stands in
};

// Constructors that keep to the limits.
absl::StatusOr<Value> MakeSequence(Meter& meter, std::vector<Value> items,
                                   Sequence::Kind kind = Sequence::Kind::kList);
absl::StatusOr<Value> MakeText(Meter& meter, Text text);
absl::StatusOr<Value> MakeDict(Meter& meter, std::vector<std::pair<Value, Value>> entries);

// The name of the type in Python.
std::string_view TypeName(const Value& value);

}  // namespace temper::model::jinja
