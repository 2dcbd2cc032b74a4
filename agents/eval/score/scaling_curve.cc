// Candidates are walked from the best down; what is carried along is the probability that none of
// those before was drawn.
#include "agents/eval/score/scaling_curve.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::agents {
namespace {

// C(n - m, k) / C(n, k): the chance that k of n miss m given ones.
double ChanceToMiss(int64_t n, int64_t k, int64_t m) {
  if (m > n - k) return 0;
  double chance = 1;
  for (int64_t i = 0; i < m; ++i) {
    chance *= static_cast<double>(n - k - i) / static_cast<double>(n - i);
  }
  return chance;
}

struct Ranked {
  double selector = 0;
  double value = 0;
  size_t element = 0;
  bool own = false;
};

void SortBestFirst(std::vector<Ranked>& list) {
  std::stable_sort(list.begin(), list.end(),
                   [](const Ranked& a, const Ranked& b) { return a.selector > b.selector; });
}

void AddTo(CurvePoint& point, const Ranked& candidate, double chance) {
  point.value += chance * candidate.value;
  point.selector += chance * candidate.selector;
  point.chosen += chance;
}

// Sums become expectations over the draws in which something can be chosen.
CurvePoint Conditional(CurvePoint point) {
  if (point.chosen <= 0) return {};
  point.value /= point.chosen;
  point.selector /= point.chosen;
  return point;
}

// The mean, over all subsets of `size` of `factors`, of their product: the elementary symmetric
// mean, built up one factor at a time so that nothing grows.
double SymmetricMean(const std::vector<double>& factors, int64_t size) {
  std::vector<double> mean(size + 1, 0);
  mean[0] = 1;
  for (size_t t = 1; t <= factors.size(); ++t) {
    const double whole = static_cast<double>(t);
    for (int64_t j = std::min<int64_t>(size, static_cast<int64_t>(t)); j >= 1; --j) {
      const double part = static_cast<double>(j);
      mean[j] = (whole - part) / whole * mean[j] + part / whole * factors[t - 1] * mean[j - 1];
    }
  }
  return mean[size];
}

// How an element stands while candidates are walked from the best down.
struct Seen {
  bool own = false;
  int64_t inner = 0;
};

absl::Status CheckTree(std::span<const RecordedElement> elements, int64_t outer, int64_t inner) {
  if (outer < 1 || outer > static_cast<int64_t>(elements.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("curve: ", outer, " of ", elements.size(), " elements, expected 1 to all"));
  }
  for (const RecordedElement& element : elements) {
    if (element.inner.size() != elements[0].inner.size()) {
      return absl::InvalidArgumentError(absl::StrCat("curve: elements with ", element.inner.size(),
                                                     " and with ", elements[0].inner.size(),
                                                     " inner ones; a failed one must be there too, "
                                                     "without a score"));
    }
  }
  if (inner < 0 || inner > static_cast<int64_t>(elements[0].inner.size())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "curve: ", inner, " of ", elements[0].inner.size(), " inner elements, expected 0 to all"));
  }
  return absl::OkStatus();
}

std::vector<Ranked> Flatten(std::span<const RecordedElement> elements) {
  std::vector<Ranked> list;
  // Drafts stand before edits in lineage order.
  for (size_t i = 0; i < elements.size(); ++i) {
    const auto& own = elements[i].own;
    if (own.has_value() && own->selector.has_value()) {
      list.push_back({*own->selector, own->value, i, true});
    }
  }
  for (size_t i = 0; i < elements.size(); ++i) {
    for (const RecordedCandidate& candidate : elements[i].inner) {
      if (candidate.selector.has_value()) {
        list.push_back({*candidate.selector, candidate.value, i, false});
      }
    }
  }
  SortBestFirst(list);
  return list;
}

}  // namespace

double ExpectedMaxOf(std::span<const double> scores, int64_t k) {
  std::vector<RecordedCandidate> candidates;
  for (const double score : scores) candidates.push_back({score, score});
  return ExpectedChoiceOf(candidates, k).value;
}

CurvePoint ExpectedChoiceOf(std::span<const RecordedCandidate> candidates, int64_t k) {
  const auto n = static_cast<int64_t>(candidates.size());
  TEMPER_CHECK(k >= 1 && k <= n);
  std::vector<Ranked> list;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].selector.has_value()) {
      list.push_back({*candidates[i].selector, candidates[i].value, i, true});
    }
  }
  SortBestFirst(list);
  CurvePoint point;
  double missed = 1;  // none of the better ones was drawn: C(n - i, k) / C(n, k)
  for (int64_t i = 0; i < static_cast<int64_t>(list.size()) && i <= n - k; ++i) {
    // Of the n - i that are left one is this; it is drawn with chance k / (n - i).
    const double drawn = static_cast<double>(k) / static_cast<double>(n - i);
    AddTo(point, list[i], missed * drawn);
    missed *= 1 - drawn;
  }
  return Conditional(point);
}

absl::StatusOr<CurvePoint> ExpectedChoiceOfTree(std::span<const RecordedElement> elements,
                                                int64_t outer, int64_t inner) {
  if (absl::Status status = CheckTree(elements, outer, inner); !status.ok()) return status;
  const auto n = static_cast<int64_t>(elements.size());
  const auto m = static_cast<int64_t>(elements[0].inner.size());
  std::vector<Seen> seen(elements.size());
  CurvePoint point;
  for (const Ranked& candidate : Flatten(elements)) {
    Seen& home = seen[candidate.element];
    // That this one is drawn and nothing better of its element, given that the element is.
    double chance = 0;
    if (candidate.own) {
      chance = ChanceToMiss(m, inner, home.inner);
    } else if (!home.own && inner > 0 && home.inner <= m - inner) {
      chance = ChanceToMiss(m, inner, home.inner) * static_cast<double>(inner) /
               static_cast<double>(m - home.inner);
    }
    if (chance > 0) {
      // That nothing better is drawn of any other element that is.
      std::vector<double> others;
      for (size_t i = 0; i < seen.size(); ++i) {
        if (i == candidate.element) continue;
        others.push_back(seen[i].own ? 0 : ChanceToMiss(m, inner, seen[i].inner));
      }
      chance *=
          static_cast<double>(outer) / static_cast<double>(n) * SymmetricMean(others, outer - 1);
      AddTo(point, candidate, chance);
    }
    if (candidate.own) {
      home.own = true;
    } else {
      ++home.inner;
    }
  }
  return Conditional(point);
}

CurvePoint MeanOf(std::span<const CurvePoint> points) {
  CurvePoint mean;
  if (points.empty()) return mean;
  for (const CurvePoint& point : points) {
    mean.value += point.chosen * point.value;
    mean.selector += point.chosen * point.selector;
    mean.chosen += point.chosen;
  }
  mean = Conditional(mean);
  mean.chosen /= static_cast<double>(points.size());
  return mean;
}

std::vector<CurveSetting> CurveSettings(const CurveAxis& axis) {
  std::vector<CurveSetting> settings;
  for (int64_t k = 1; k <= axis.n; k = k * 2 > axis.n && k < axis.n ? axis.n : k * 2) {
    CurveSetting setting;
    setting.k = k;
    setting.needs_calls = axis.pooled && k < axis.n;
    if (setting.needs_calls) {
      setting.calls = axis.downstream_calls;
      setting.usd = axis.downstream_usd;
    }
    settings.push_back(setting);
  }
  return settings;
}

}  // namespace temper::agents
