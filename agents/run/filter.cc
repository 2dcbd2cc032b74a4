// filter: a list made shorter, for nothing.
#include "absl/strings/str_cat.h"
#include "agents/run/node_work.h"
#include "agents/select/filters.h"

namespace temper::agents {
namespace {

class Filter : public NodeWork {
 public:
  using NodeWork::NodeWork;

  void Start() override {
    if (!TakeFrom()) return;
    const absl::StatusOr<std::vector<int>> kept = Keep();
    if (!kept.ok()) {
      Fail(std::string(kept.status().message()));
      return;
    }
    int32_t place = 0;
    for (const int source : *kept) {
      if (node_.keep.has_value() && place >= *node_.keep) break;
      Publish(place++, Kept(items_[static_cast<size_t>(source)], source));
    }
    Close();
  }

 private:
  std::vector<std::string> Texts() const {
    std::vector<std::string> texts;
    for (const Item& item : items_) texts.push_back(TextOf(item, {}));
    return texts;
  }

  absl::StatusOr<std::vector<int>> Keep() const {
    const int count = static_cast<int>(items_.size());
    switch (node_.by) {
      case By::kConstructive:
        return KeepConstructive(Texts(), static_cast<int>(node_.keep.value_or(count)));
      case By::kDedupe:
        return KeepDistinct(Texts());
      case By::kChanged:
        return Changed();
      case By::kRegex: {
        const absl::StatusOr<PatternFilter> filter = PatternFilter::Create(node_.pattern);
        if (!filter.ok()) return filter.status();
        return filter->Keep(Texts());
      }
      case By::kThreshold:
        return Passing();
      default:
        return KeepFirst(count, static_cast<int>(node_.keep.value_or(count)));
    }
  }

  // One source for all, or one for each.
  absl::StatusOr<std::vector<int>> Changed() const {
    const Reading reading = Read(*node_.source);
    std::vector<std::string> sources;
    for (const Item* item : reading.items) sources.push_back(TextOf(*item, reading.choice->fields));
    if (sources.size() == 1) sources.resize(items_.size(), sources.front());
    if (sources.size() != items_.size()) {
      return absl::FailedPreconditionError(absl::StrCat(node_.source->text, " has ", sources.size(),
                                                        " texts for ", items_.size(),
                                                        " candidates"));
    }
    return KeepChanged(Texts(), sources);
  }

  absl::StatusOr<std::vector<int>> Passing() const {
    std::vector<int> kept;
    for (size_t i = 0; i < items_.size(); ++i) {
      ExpressionReader scope(execution_, node_.instance_axes, point_);
      scope.SetIt(&items_[i]);
      const absl::StatusOr<bool> holds = node_.passing->Holds(scope);
      if (!holds.ok()) return holds.status();
      if (*holds) kept.push_back(static_cast<int>(i));
    }
    return kept;
  }
};

}  // namespace

std::unique_ptr<NodeWork> MakeFilter(Execution& execution, int node, const Point& point) {
  return std::make_unique<Filter>(execution, node, point);
}

}  // namespace temper::agents
