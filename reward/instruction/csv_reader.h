// Rows of comma-separated values as Python's csv module reads them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace temper::reward {

// Fields in double quotes may hold the delimiter and line ends, and "" for a quotation mark; quotes
// within a field that does not begin with one are characters. An empty line is a row of no fields.
// Nothing where Python raises an error: text behind a lone carriage return, or a field of over
// 131,072 characters. Linear.
std::optional<std::vector<std::vector<std::u32string>>> ReadCsv(std::u32string_view text,
                                                                char32_t delimiter);

}  // namespace temper::reward
