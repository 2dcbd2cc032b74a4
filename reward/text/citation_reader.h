// Finds citations, [1] or [doc3, doc7], and the quotation before them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace temper::reward {

// Citations that stand together: "[1][2]", "[1, 2]".
struct CitationGroup {
  std::vector<std::string> ids;
  std::string quote;  // what stands in quotation marks right before; "" for none
};

// A bracket is a citation when each of its parts (between "," and ";") has the shape of a given id:
// the same characters, with any number in place of each of its numbers. So with ids doc1 and doc2,
// [doc9] is a citation, though a wrong one, and [see below] is none. Linear.
std::vector<CitationGroup> ReadCitations(std::string_view text,
                                         const std::vector<std::string>& given);

// Blanks are one, letters in lower case, quotation marks and dashes plain: how a quotation is
// compared with a passage.
std::string FoldedQuote(std::string_view text);

}  // namespace temper::reward
