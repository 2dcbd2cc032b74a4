// What readers see of values, when it is complete, and what the best of it is.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agents/run/execution.h"
#include "agents/run/node_work.h"
#include "base/check.h"

namespace temper::agents {

const std::vector<Item>* Execution::Carried(int loop, int carry, const Point& round) const {
  const auto found = carries_.find({loop, round});
  return found == carries_.end() ? nullptr : &found->second[static_cast<size_t>(carry)];
}

bool Execution::AllInstancesThere(int index, const Point& prefix) const {
  const Node& own = node(index);
  if (!own.each.has_value()) return true;
  for (const Reference::Choice& choice : own.each->choices) {
    // Its instances lie at the elements of what it runs for, so the prefix is theirs too.
    if (choice.target.kind == Target::Kind::kInput) continue;
    if (Inside(*graph_, choice.target, own.instance_axes)) continue;  // there from the start
    if (!NodeClosed(choice.target.index, prefix)) return false;
  }
  return true;
}

bool Execution::NodeClosed(int index, const Point& prefix) const {
  const Node& own = node(index);
  const NodeValues& values = values_[static_cast<size_t>(index)];
  const size_t depth = own.instance_axes.size();
  if (prefix.size() >= depth) {
    const Point point = Front(prefix, depth);
    const Instance* instance = values.Find(point);
    if (instance == nullptr) return AllInstancesThere(index, point);
    if (instance->state == Instance::State::kClosed) return true;
    return prefix.size() > depth && instance->items.contains(prefix[depth]);
  }
  return !values.AnyOpen(prefix) && AllInstancesThere(index, prefix);
}

bool Execution::TargetClosed(const Target& target, const std::vector<int>& axes,
                             const Point& point) const {
  if (target.kind == Target::Kind::kInput || target.kind == Target::Kind::kCandidate) return true;
  if (Inside(*graph_, target, axes)) return true;
  return NodeClosed(target.index, Front(point, Shared(axes, AxesOf(*graph_, target, false))));
}

void Execution::Collect(const Target& target, const std::vector<int>& axes, const Point& point,
                        Reading& reading) const {
  const auto add = [&reading](const Item& item) {
    if (item.present()) reading.items.push_back(&item);
    if (item.state == Item::State::kFailed) reading.why = item.why;
  };
  if (target.kind == Target::Kind::kInput) {
    add(inputs_[static_cast<size_t>(target.index)]);
    return;
  }
  if (target.kind == Target::Kind::kCandidate) return;
  const bool inside = Inside(*graph_, target, axes);
  const std::vector<int> own_axes = AxesOf(*graph_, target, inside);
  const Point prefix = Front(point, Shared(axes, own_axes));
  if (target.kind == Target::Kind::kCarry && !inside) {
    CollectFinal(target, prefix, reading);
    return;
  }
  if (inside) {
    const size_t round_axes = node(target.index).instance_axes.size() + 1;
    const auto round = carries_.find({target.index, Front(prefix, round_axes)});
    if (round == carries_.end()) return;
    const std::vector<Item>& items = round->second[static_cast<size_t>(target.carry)];
    for (size_t i = 0; i < items.size(); ++i) {
      if (prefix.size() > round_axes && prefix[round_axes] != static_cast<int32_t>(i)) continue;
      add(items[i]);
    }
    return;
  }
  const size_t depth = node(target.index).instance_axes.size();
  values_[static_cast<size_t>(target.index)].Visit(
      Front(prefix, depth), [&](const Instance& instance) {
        if (instance.failed) {
          reading.why = instance.why;
          return;
        }
        for (const auto& [place, item] : instance.items) {
          if (prefix.size() > depth && prefix[depth] != place) continue;
          add(item);
          if (!reading.list) reading.instance = &instance;
        }
      });
}

// A carry of a loop that is over: what its last round left.
void Execution::CollectFinal(const Target& target, const Point& prefix, Reading& reading) const {
  const size_t depth = node(target.index).instance_axes.size();
  values_[static_cast<size_t>(target.index)].Visit(
      Front(prefix, depth), [&](const Instance& instance) {
        if (instance.failed) {
          reading.why = instance.why;
          return;
        }
        if (instance.state != Instance::State::kClosed || !instance.fields.contains("rounds"))
          return;
        Point last = instance.point;
        last.push_back(instance.fields["rounds"].get<int32_t>());
        const std::vector<Item>* items = Carried(target.index, target.carry, last);
        if (items == nullptr) return;
        for (size_t i = 0; i < items->size(); ++i) {
          if (prefix.size() > depth && prefix[depth] != static_cast<int32_t>(i)) continue;
          if ((*items)[i].present()) reading.items.push_back(&(*items)[i]);
        }
      });
}

Reading Execution::ReadAs(const Reference& reference, const std::vector<int>& axes,
                          const Point& point, bool partial) const {
  Reading last;
  for (const Reference::Choice& choice : reference.choices) {
    Reading reading;
    reading.choice = &choice;
    const std::vector<int> own_axes =
        AxesOf(*graph_, choice.target, Inside(*graph_, choice.target, axes));
    reading.list = own_axes.size() > std::min(Shared(axes, own_axes), point.size());
    const bool closed = TargetClosed(choice.target, axes, point);
    if (closed || partial) Collect(choice.target, axes, point, reading);
    if (!closed) return reading;  // kNotYet
    if (!reading.items.empty()) {
      reading.state = Reading::State::kPresent;
      return reading;
    }
    reading.state = reading.why.empty() ? Reading::State::kAbsent : Reading::State::kFailed;
    // Of several that are not there, a failure says more.
    if (last.choice == nullptr || reading.state == Reading::State::kFailed) last = reading;
  }
  return last;
}

Reading Execution::Read(const Reference& reference, int reader, const Point& point) const {
  return ReadAs(reference, node(reader).instance_axes, point);
}

std::optional<Item> Execution::BestOfNode(int index) const {
  const Node& own = node(index);
  const Item* first = nullptr;
  const Item* best = nullptr;
  values_[static_cast<size_t>(index)].Visit({}, [&](const Instance& instance) {
    for (const auto& [place, item] : instance.items) {
      if (!item.present()) continue;
      if (first == nullptr) first = &item;
      if (item.score.has_value() && (best == nullptr || *item.score > *best->score)) best = &item;
    }
  });
  if (best != nullptr) return *best;
  if (first != nullptr) return *first;
  if (own.loop_body.has_value()) {
    // The newest round's carry.
    std::optional<Item> carried;
    for (const auto& [place, carries] : carries_) {
      if (place.first != index || carries.empty()) continue;
      for (const Item& item : carries.front()) {
        if (item.present()) carried = item;
      }
    }
    if (carried.has_value()) return carried;
  }
  // Among what it would choose from: the highest score that is known, else the earliest.
  std::optional<Item> chosen;
  std::optional<double> score;
  const auto consider = [&](const Item& item) {
    std::optional<double> own_score = item.score;
    for (const auto& [place, given] : item.candidate->scores) {
      if (place.first == index) own_score = given;
    }
    if (!chosen.has_value() ||
        (own_score.has_value() && (!score.has_value() || *own_score > *score))) {
      chosen = item;
      score = own_score;
    }
  };
  for (const Reference& reference : own.from) {
    const Reading reading = ReadAs(reference, {}, {}, /*partial=*/true);
    for (const Item* item : reading.items) consider(*item);
  }
  if (chosen.has_value()) return chosen;
  for (const Reference& reference : own.from) {
    if (std::optional<Item> item = BestOf(reference); item.has_value()) return item;
  }
  if (own.each.has_value()) return BestOf(*own.each);
  if (own.loop_body.has_value()) return BestOf(own.loop_body->carries.front().initial);
  if (own.prompt.has_value()) {
    for (const Prompt::Binding& binding : own.prompt->bindings()) {
      for (const Reference::Choice& choice : binding.reference.choices) {
        if (choice.target.kind != Target::Kind::kNode) continue;
        if (std::optional<Item> item = BestOfNode(choice.target.index); item.has_value()) {
          return item;
        }
      }
    }
  }
  return std::nullopt;
}

std::optional<Item> Execution::BestOf(const Reference& reference) const {
  for (const Reference::Choice& choice : reference.choices) {
    if (choice.target.kind != Target::Kind::kNode) continue;
    if (std::optional<Item> item = BestOfNode(choice.target.index); item.has_value()) return item;
  }
  return std::nullopt;
}

std::optional<Item> Execution::Best() const {
  if (output_.has_value() && !output_->items.empty()) return output_->items.front();
  return BestOf(graph_->output);
}

}  // namespace temper::agents
