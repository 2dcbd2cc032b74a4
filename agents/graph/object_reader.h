// One object of a graph file: its keys by type, and in the end those that nobody asked for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agents/graph/expression.h"
#include "agents/graph/problems.h"
#include "agents/graph/reference.h"
#include "base/placed_json.h"

namespace temper::agents {

Place PlaceOf(const PlacedJson& value);
// Of a string's text, behind the quote.
Place InsideOf(const PlacedJson& value);

// What is wrong goes to the problems; what comes back is then absent.
class ObjectReader {
 public:
  // `what`: "a filter node", for messages about its keys.
  ObjectReader(const PlacedJson& object, std::string what, Problems& problems);

  // Null when absent. Every key that may stand here must be asked for once before Finish.
  const PlacedJson* Take(std::string_view key);
  // The same; tells that it is missing.
  const PlacedJson* Need(std::string_view key, std::string_view expected);

  std::optional<std::string> Text(std::string_view key);
  std::optional<int64_t> Whole(std::string_view key, int64_t min, int64_t max);
  std::optional<double> Number(std::string_view key, double min, double max);
  std::optional<bool> Truth(std::string_view key);
  // The number of the word in `words`.
  std::optional<size_t> Word(std::string_view key, const std::vector<std::string>& words);
  std::vector<std::string> Texts(std::string_view key);  // a text or a list of texts
  std::optional<Reference> AReference(std::string_view key);
  std::vector<Reference> References(std::string_view key);  // one or a list
  std::optional<Expression> AnExpression(std::string_view key,
                                         const std::vector<std::string>& builtins);

  bool Has(std::string_view key) const { return object_.Find(key) != nullptr; }
  void WrongKey(std::string_view key, std::string_view what);  // at the key; else at the object

  // Tells the keys that were not asked for.
  void Finish();

  void Wrong(const PlacedJson& at, std::string_view what) { problems_.Add(PlaceOf(at), what); }
  void WrongType(const PlacedJson& found, std::string_view key, std::string_view expected);
  const std::string& what() const { return what_; }

 private:
  std::optional<Reference> ReadReference(const PlacedJson& value, std::string_view key);

  const PlacedJson& object_;
  const std::string what_;
  Problems& problems_;
  std::vector<std::string> known_;
};

}  // namespace temper::agents
