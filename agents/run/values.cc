// Instances by point, and how many under each prefix are still open.
#include "agents/run/values.h"

#include <algorithm>

#include "base/check.h"

namespace temper::agents {

Point Front(const Point& point, size_t length) {
  return Point(point.begin(), point.begin() + static_cast<int64_t>(std::min(length, point.size())));
}

bool BeginsWith(const Point& point, const Point& prefix) {
  return point.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), point.begin());
}

Instance* NodeValues::Find(const Point& point) {
  const auto found = instances_.find(point);
  return found == instances_.end() ? nullptr : &found->second;
}

const Instance* NodeValues::Find(const Point& point) const {
  const auto found = instances_.find(point);
  return found == instances_.end() ? nullptr : &found->second;
}

Instance& NodeValues::Create(Point point) {
  const auto [at, fresh] = instances_.try_emplace(point);
  TEMPER_CHECK(fresh);
  for (size_t length = 0; length <= point.size(); ++length) {
    ++open_[Front(point, length)];
  }
  waiting_.insert(point);
  at->second.point = std::move(point);
  return at->second;
}

void NodeValues::Started(Instance& instance) {
  TEMPER_CHECK(instance.state == Instance::State::kWaiting);
  instance.state = Instance::State::kOpen;
  waiting_.erase(instance.point);
}

void NodeValues::Close(Instance& instance) {
  TEMPER_CHECK(instance.state != Instance::State::kClosed);
  if (instance.state == Instance::State::kWaiting) waiting_.erase(instance.point);
  instance.state = Instance::State::kClosed;
  for (size_t length = 0; length <= instance.point.size(); ++length) {
    const auto open = open_.find(Front(instance.point, length));
    if (--open->second == 0) open_.erase(open);
  }
}

bool NodeValues::AnyOpen(const Point& prefix) const { return open_.contains(prefix); }

void NodeValues::Visit(const Point& prefix,
                       const std::function<void(const Instance&)>& visit) const {
  for (auto at = instances_.lower_bound(prefix);
       at != instances_.end() && BeginsWith(at->first, prefix); ++at) {
    visit(at->second);
  }
}

std::vector<Point> NodeValues::Waiting(const Point& prefix) const {
  std::vector<Point> points;
  for (auto at = waiting_.lower_bound(prefix); at != waiting_.end() && BeginsWith(*at, prefix);
       ++at) {
    points.push_back(*at);
  }
  return points;
}

}  // namespace temper::agents
