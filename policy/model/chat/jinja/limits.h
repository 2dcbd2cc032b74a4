// What a template may use: steps, bytes, items, depth; and the meter that counts them.
//
// A template is written by a stranger. Every step, and every byte and item that is made, is paid
// for from one purse, so that neither time nor memory can run away.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"

namespace temper::model::jinja {

struct Limits {
  int64_t steps = 500'000;      // nodes evaluated, items made, and one for every 64 bytes made
  size_t text_bytes = 8 << 20;  // of one string, and of what is rendered
  size_t items = 1 << 20;       // of one list
  int calls = 400;              // expressions and statements inside each other, macros included
};

// Lists in lists in lists, of data and of what a template builds.
inline constexpr int kNestingMax = 100;
// Values inside a value, shared ones counted each time, and its texts by 64 bytes: what a
// comparison goes through.
inline constexpr int64_t kWeightMax = 4 << 20;
// Expressions and blocks inside each other, in the source.
inline constexpr int kSourceNestingMax = 150;
// What a step pays for: so many bytes copied, or looked at one by one; and what small parts cost.
inline constexpr size_t kBytesPerStep = 64;
inline constexpr size_t kCharactersPerStep = 16;
inline constexpr int64_t kStepsPerPart = 4;     // a string in a list
inline constexpr int64_t kStepsPerObject = 20;  // a macro, a namespace, a loop, a kept scope
inline constexpr size_t kSourceBytesMax = 4 << 20;

// RESOURCE_EXHAUSTED names the limit that was met.
class Meter {
 public:
  explicit Meter(const Limits& limits) : limits_(limits), left_(limits.steps) {}

  absl::Status Steps(int64_t count);
  // For a string of that many bytes with that many marks.
  absl::Status Text(size_t bytes, size_t marks = 0);
  // Before a list of that many items is made.
  absl::Status Items(size_t count);

  // One more evaluation inside others, for as long as it lives.
  class Level {
   public:
    explicit Level(Meter& meter) : meter_(meter) { ++meter_.level_; }
    ~Level() { --meter_.level_; }
    Level(const Level&) = delete;
    // One step; refused when too many stand inside each other.
    absl::Status Enter();

   private:
    Meter& meter_;
  };

  const Limits& limits() const { return limits_; }
  int64_t used() const { return limits_.steps - left_; }

 private:
  const Limits limits_;
  int64_t left_;
  int level_ = 0;
};

}  // namespace temper::model::jinja
