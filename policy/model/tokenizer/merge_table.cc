// Merging: a scan for the words of ordinary text, a heap for what is long.
#include "policy/model/tokenizer/merge_table.h"

#include <array>
#include <climits>
#include <queue>

namespace temper::model {
namespace {

constexpr int32_t kNoMerge = INT32_MAX;
constexpr size_t kFew = 64;

uint64_t Key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

void MergeTable::Add(int32_t left, int32_t right, int32_t result) {
  merges_.insert_or_assign(Key(left, right), Merge{next_rank_++, result});
}

MergeTable::Merge MergeTable::Find(int32_t left, int32_t right) const {
  const auto at = merges_.find(Key(left, right));
  return at == merges_.end() ? Merge{kNoMerge, -1} : at->second;
}

void MergeTable::Apply(std::vector<int32_t>& symbols) const {
  if (symbols.size() < 2) return;
  if (symbols.size() <= kFew) {
    ApplyToFew(symbols);
  } else {
    ApplyToMany(symbols);
  }
}

void MergeTable::ApplyToFew(std::vector<int32_t>& symbols) const {
  std::array<Merge, kFew> merges;  // merges[i]: of symbols i and i + 1
  size_t pairs = symbols.size() - 1;
  for (size_t i = 0; i < pairs; ++i) merges[i] = Find(symbols[i], symbols[i + 1]);
  while (pairs > 0) {
    size_t best = 0;
    for (size_t i = 1; i < pairs; ++i) {
      if (merges[i].rank < merges[best].rank) best = i;
    }
    if (merges[best].rank == kNoMerge) return;
    symbols[best] = merges[best].result;
    symbols.erase(symbols.begin() + best + 1);
    for (size_t i = best; i + 1 < pairs; ++i) merges[i] = merges[i + 1];
    --pairs;
    if (best < pairs) merges[best] = Find(symbols[best], symbols[best + 1]);
    if (best > 0) merges[best - 1] = Find(symbols[best - 1], symbols[best]);
  }
}

void MergeTable::ApplyToMany(std::vector<int32_t>& symbols) const {
  struct Candidate {
    int32_t rank;
    int32_t place;  // of the left symbol
    int32_t left, right, result;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : place > other.place;
    }
  };
  const int32_t count = static_cast<int32_t>(symbols.size());
  std::vector<int32_t> next(count), previous(count);
  for (int32_t i = 0; i < count; ++i) {
    next[i] = i + 1;
    previous[i] = i - 1;
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto offer = [&](int32_t place) {
    if (place < 0 || next[place] >= count) return;
    const int32_t left = symbols[place], right = symbols[next[place]];
    const Merge merge = Find(left, right);
    if (merge.rank != kNoMerge) queue.push({merge.rank, place, left, right, merge.result});
  };
  for (int32_t i = 0; i + 1 < count; ++i) offer(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    const int32_t second = next[best.place];
    // Stale when one of the two has been merged since; -1 marks a symbol that is gone.
    if (symbols[best.place] != best.left || second >= count || symbols[second] != best.right) {
      continue;
    }
    symbols[best.place] = best.result;
    symbols[second] = -1;
    next[best.place] = next[second];
    if (next[second] < count) previous[next[second]] = best.place;
    offer(previous[best.place]);
    offer(best.place);
  }
  std::erase(symbols, -1);
}

}  // namespace temper::model
