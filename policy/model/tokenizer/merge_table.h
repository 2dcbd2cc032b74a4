// The merge rules of byte-pair encoding, applied lowest rank first, leftmost first.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace temper::model {

class MergeTable {
 public:
  // Rules come in the order of their rank; a pair that comes again takes the later rank.
  void Add(int32_t left, int32_t right, int32_t result);

  // Merges in place until no rule fits. Long inputs take O(n log n).
  void Apply(std::vector<int32_t>& symbols) const;

 private:
  struct Merge {
    int32_t rank;
    int32_t result;
  };
  Merge Find(int32_t left, int32_t right) const;
  void ApplyToFew(std::vector<int32_t>& symbols) const;
  void ApplyToMany(std::vector<int32_t>& symbols) const;

  absl::flat_hash_map<uint64_t, Merge> merges_;
  int32_t next_rank_ = 0;
};

}  // namespace temper::model
