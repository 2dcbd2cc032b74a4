// Making a rubric is checking it.
#include "reward/rubric_check.h"

#include "reward/registry.h"
#include "reward/rubric.h"

namespace temper::reward {

absl::Status CheckRubric(const temper::v1::Rubric& rubric) {
  return Rubric::Create(rubric).status();
}

bool NeedsAnswers(const temper::v1::Rubric& rubric) {
  for (const temper::v1::RubricPart& part : rubric.parts()) {
    const auto kind = KindOf(part.verifier());
    if (kind.ok() && kind->needs_gold && part.tasks().empty()) return true;
  }
  return false;
}

}  // namespace temper::reward
