// Scans for brackets; whether one is a citation is decided by the shape of the ids that were given.
#include "reward/text/citation_reader.h"

#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "base/trim.h"
#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

constexpr size_t kBracketBytesMax = 1024;
constexpr size_t kQuoteBytesMax = 4096;

std::string ShapeOf(std::string_view id) {
  std::string shape;
  for (const char c : id) {
    const bool digit = absl::ascii_isdigit(static_cast<unsigned char>(c));
    if (digit && !shape.empty() && shape.back() == '9') continue;
    shape += digit ? '9' : absl::ascii_tolower(static_cast<unsigned char>(c));
  }
  return shape;
}

// What is quoted at the end of `before`, full stops and blanks behind the quotation aside.
std::string QuoteAtEnd(std::string_view before) {
  constexpr std::string_view kOpen = "\xe2\x80\x9c", kClose = "\xe2\x80\x9d";
  before = before.substr(before.size() > kQuoteBytesMax ? before.size() - kQuoteBytesMax : 0);
  const size_t last = before.find_last_not_of(" \t\r\n.,;:");
  if (last == std::string_view::npos) return "";
  before = before.substr(0, last + 1);
  if (before.size() >= kClose.size() && before.substr(before.size() - kClose.size()) == kClose) {
    before.remove_suffix(kClose.size());
    const size_t open = before.rfind(kOpen);
    return open == before.npos ? "" : std::string(before.substr(open + kOpen.size()));
  }
  if (before.back() != '"') return "";
  before.remove_suffix(1);
  const size_t open = before.rfind('"');
  return open == before.npos ? "" : std::string(before.substr(open + 1));
}

class Reader {
 public:
  explicit Reader(const std::vector<std::string>& given) {
    for (const std::string& id : given) shapes_.insert(ShapeOf(id));
  }

  // The ids in a bracket, or none when it is no citation.
  std::vector<std::string> IdsIn(std::string_view inside) const {
    std::vector<std::string> ids;
    for (const absl::string_view part :
         absl::StrSplit(absl::string_view(inside.data(), inside.size()), absl::ByAnyChar(",;"))) {
      const std::string_view id = Trimmed({part.data(), part.size()});
      if (shapes_.count(ShapeOf(id)) == 0) return {};
      ids.emplace_back(id);
    }
    return ids;
  }

 private:
  std::set<std::string> shapes_;
};

}  // namespace

std::vector<CitationGroup> ReadCitations(std::string_view text,
                                         const std::vector<std::string>& given) {
  const Reader reader(given);
  std::vector<CitationGroup> groups;
  size_t last_end = 0;
  for (size_t open = text.find('['); open != text.npos;) {
    // The innermost bracket counts: the next one that opens takes the place of this one.
    const size_t next = text.find_first_of("[]", open + 1);
    if (next == text.npos) break;
    if (text[next] == '[') {
      open = next;
      continue;
    }
    std::vector<std::string> ids;
    if (next - open <= kBracketBytesMax) ids = reader.IdsIn(text.substr(open + 1, next - open - 1));
    if (!ids.empty()) {
      const bool together =
          !groups.empty() && Trimmed(text.substr(last_end, open - last_end)).empty();
      if (together) {
        groups.back().ids.insert(groups.back().ids.end(), ids.begin(), ids.end());
      } else {
        groups.push_back({std::move(ids), QuoteAtEnd(text.substr(0, open))});
      }
      last_end = next + 1;
    }
    open = text.find('[', next + 1);
  }
  return groups;
}

std::string FoldedQuote(std::string_view text) {
  std::u32string folded;
  for (char32_t c : Decoded(text)) {
    if (c == 0x201C || c == 0x201D) c = U'"';
    if (c == 0x2018 || c == 0x2019) c = U'\'';
    if (c == 0x2013 || c == 0x2014) c = U'-';
    if (!IsSpace(c)) {
      folded += ToLower(c);
    } else if (!folded.empty() && folded.back() != U' ') {
      folded += U' ';
    }
  }
  return Encoded(StrippedOf(folded, U" .,;:"));
}

}  // namespace temper::reward
