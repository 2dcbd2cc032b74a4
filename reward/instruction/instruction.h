// One instruction that a program can check, made from its id and its arguments as IFEval and
// IFBench publish them.
#pragma once

#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace temper::reward {

// Whether a response that is not blank follows it. Pure; linear in the response. Any thread.
using InstructionCheck = std::function<bool(std::u32string_view response)>;
using CheckOr = absl::StatusOr<InstructionCheck>;

// The kwargs of one instruction; those that are null are not there. Every failure is
// INVALID_ARGUMENT and begins with the path of the value.
class Arguments {
 public:
  Arguments(const nlohmann::json& values, std::string place)
      : values_(values), place_(std::move(place)) {}

  absl::StatusOr<double> Number(const char* key) const;                   // 0 or more
  absl::StatusOr<size_t> Count(const char* key, size_t least) const;      // whole: 5 or 5.0
  absl::StatusOr<std::string> Text(const char* key) const;                // not empty
  absl::StatusOr<std::u32string> Points(const char* key) const;           // the same, decoded
  absl::StatusOr<std::vector<std::string>> Texts(const char* key) const;  // at least one
  // Whether the relation is "at least"; the other one is "less than".
  absl::StatusOr<bool> AtLeast(const char* key) const;

  absl::Status Wrong(const char* key, const std::string& expected) const;
  std::string PlaceOf(const char* key) const { return place_ + "." + key; }
  // Refuses keys that nobody asked for.
  absl::Status CheckAllRead() const;

 private:
  const nlohmann::json* Find(const char* key) const;

  const nlohmann::json& values_;
  const std::string place_;
  mutable std::set<std::string> read_;
};

struct InstructionEntry {
  const char* id;
  CheckOr (*make)(const Arguments&);
};

// The 25 of IFEval, and the 58 of IFBench, room by room.
std::span<const InstructionEntry> IfevalTextInstructions();
std::span<const InstructionEntry> IfevalFormatInstructions();
std::span<const InstructionEntry> IfbenchCountInstructions();
std::span<const InstructionEntry> IfbenchWordInstructions();
std::span<const InstructionEntry> IfbenchFormatInstructions();
std::span<const InstructionEntry> IfbenchCustomInstructions();

const std::vector<std::string>& InstructionIds();

// INVALID_ARGUMENT for an id that is not known (with the nearest known one) or not supported, and
// for arguments that are missing, wrong or of no use. `values` is an object or null and outlives
// nothing; `place` names it in messages, e.g. "metadata.kwargs[0]".
CheckOr MakeInstruction(const std::string& id, const nlohmann::json& values,
                        const std::string& place);

}  // namespace temper::reward
