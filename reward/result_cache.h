// Remembers judgements by a digest of everything they depend on; the least recently used goes
// first.
//
// One thread.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

namespace temper::reward {

template <class Value>
class ResultCache {
 public:
  explicit ResultCache(size_t entries_max) : entries_max_(entries_max) {}

  // Null when it is not known. Valid until the next Put.
  const Value* Find(const std::string& digest) {
    const auto found = places_.find(digest);
    if (found == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->second;
  }

  void Put(const std::string& digest, Value value) {
    if (entries_max_ == 0 || places_.contains(digest)) return;
    entries_.emplace_front(digest, std::move(value));
    places_[digest] = entries_.begin();
    if (places_.size() <= entries_max_) return;
    places_.erase(entries_.back().first);
    entries_.pop_back();
  }

  size_t size() const { return places_.size(); }

 private:
  using Entries = std::list<std::pair<std::string, Value>>;
  const size_t entries_max_;
  Entries entries_;
  std::unordered_map<std::string, typename Entries::iterator> places_;
};

}  // namespace temper::reward
