// The case of characters, from the Unicode 14 tables; made by tests/golden/make_unicode_case.py.
#pragma once

#include <cstdint>
#include <span>

namespace temper::model::jinja {

// Every `step`-th character from first to last maps to itself plus `shift`.
struct CaseRange {
  char32_t first;
  char32_t last;
  int32_t step;
  int32_t shift;
};
// Ordered by `first`; ASCII is not in them.
std::span<const CaseRange> LowerRanges();
std::span<const CaseRange> UpperRanges();

// Characters whose upper case is more than one; zeros at the end are none.
struct LongUpper {
  char32_t code;
  char32_t upper[3];
};
std::span<const LongUpper> LongUppers();

}  // namespace temper::model::jinja
