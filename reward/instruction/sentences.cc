// The published rules are a list of replacements, done here in the same order.
#include "reward/instruction/sentences.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "re2/re2.h"
#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

// Python's \s; RE2's is ASCII.
#define SPACE                                                                                     \
  "[\\s\\x0b\\x1c-\\x1f\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{" \
  "205f}\\x{3000}]"

struct Rule {
  Rule(const char* pattern, const char* with) : pattern(pattern), with(with) {}
  const RE2 pattern;
  const char* with;
};

void Apply(const Rule& rule, std::string& text) {
  RE2::GlobalReplace(&text, rule.pattern, rule.with);
}

// "..." is no end but for its last stop.
std::string WithMarkedEllipses(std::string_view text) {
  std::string marked;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_not_of('.', at), text.size());
    if (end - at < 2) {
      marked += text[at++];
      continue;
    }
    for (; at < end; ++at) marked += "<prd>";
    marked += "<stop>";
  }
  return marked;
}

void Replace(std::string& text, std::string_view what, std::string_view with) {
  std::string replaced;
  size_t at = 0;
  for (size_t found = text.find(what); found != text.npos; found = text.find(what, at)) {
    replaced.append(text, at, found - at).append(with);
    at = found + what.size();
  }
  text = replaced.append(text, at);
}

// Words that end in a full stop within a sentence, without it.
constexpr std::u32string_view kAbbreviations[] = {
    U"adm",  U"al",   U"apr",  U"assn", U"aug",    U"ave", U"bldg", U"blvd", U"bros", U"brig",
    U"ca",   U"capt", U"cf",   U"cmdr", U"co",     U"col", U"corp", U"cpl",  U"dec",  U"dept",
    U"dr",   U"ed",   U"e.g",  U"esp",  U"est",    U"etc", U"feb",  U"fig",  U"figs", U"fri",
    U"ft",   U"gen",  U"gov",  U"hon",  U"i.e",    U"inc", U"jan",  U"jr",   U"jul",  U"jun",
    U"lt",   U"ltd",  U"maj",  U"mar",  U"messrs", U"min", U"mon",  U"mr",   U"mrs",  U"ms",
    U"mt",   U"no",   U"nos",  U"nov",  U"oct",    U"op",  U"p",    U"p.m",  U"a.m",  U"pp",
    U"ph.d", U"pres", U"prof", U"rep",  U"rev",    U"sat", U"sec",  U"sen",  U"sens", U"sep",
    U"sept", U"sgt",  U"sr",   U"st",   U"sun",    U"thu", U"tue",  U"u.k",  U"u.n",  U"u.s",
    U"univ", U"viz",  U"vol",  U"vols", U"vs",     U"wed"};

bool IsEnd(char32_t c) { return c == U'.' || c == U'?' || c == U'!'; }

bool IsCloser(char32_t c) {
  return std::u32string_view(U"\"')]}\u201D\u2019\u00BB").find(c) != std::u32string_view::npos;
}

// `word` stands before a single full stop; `next` follows it and blanks, 0 for the end.
bool EndsSentence(std::u32string_view word, char32_t next) {
  word = LeftStrippedOf(word, U"\"'([{\u201C\u2018\u00AB");
  const bool initial = word.size() == 1 && IsAlphabetic(word[0]);
  if (initial) return next == 0 || !(IsUpper(next) || IsLower(next));
  const std::u32string lowered = Lowered(word);
  const bool abbreviation = std::find(std::begin(kAbbreviations), std::end(kAbbreviations),
                                      std::u32string_view(lowered)) != std::end(kAbbreviations);
  return !abbreviation || next == 0;
}

}  // namespace

std::vector<std::u32string> SplitIntoSentences(std::u32string_view text) {
  static const Rule& kPrefixes = *new Rule("(Mr|St|Mrs|Ms|Dr)[.]", "\\1<prd>");
  static const Rule& kWebsites = *new Rule("[.](com|net|org|io|gov|edu|me)", "<prd>\\1");
  static const Rule& kDecimals = *new Rule("([0-9])[.]([0-9])", "\\1<prd>\\2");
  static const Rule& kLoneLetters = *new Rule(SPACE "([A-Za-z])[.] ", " \\1<prd> ");
#define STARTERS                                                                                  \
  "(Mr|Mrs|Ms|Dr|Prof|Capt|Cpt|Lt|He" SPACE "|She" SPACE "|It" SPACE "|They" SPACE "|Their" SPACE \
  "|Our" SPACE "|We" SPACE "|But" SPACE "|However" SPACE "|That" SPACE "|This" SPACE "|Wherever)"
  static const Rule& kAcronyms =
      *new Rule("([A-Z][.][A-Z][.](?:[A-Z][.])?) " STARTERS, "\\1<stop> \\2");
  static const Rule& kThreeLetters =
      *new Rule("([A-Za-z])[.]([A-Za-z])[.]([A-Za-z])[.]", "\\1<prd>\\2<prd>\\3<prd>");
  static const Rule& kTwoLetters = *new Rule("([A-Za-z])[.]([A-Za-z])[.]", "\\1<prd>\\2<prd>");
  static const Rule& kSuffixes = *new Rule(" (Inc|Ltd|Jr|Sr|Co)[.] " STARTERS, " \\1<stop> \\2");
  static const Rule& kSuffixesWithin = *new Rule(" (Inc|Ltd|Jr|Sr|Co)[.]", " \\1<prd>");
  static const Rule& kLetters = *new Rule(" ([A-Za-z])[.]", " \\1<prd>");
#undef STARTERS
  std::string marked = " " + Encoded(text) + "  ";
  std::replace(marked.begin(), marked.end(), '\n', ' ');
  Apply(kPrefixes, marked);
  Apply(kWebsites, marked);
  Apply(kDecimals, marked);
  marked = WithMarkedEllipses(marked);
  Replace(marked, "Ph.D.", "Ph<prd>D<prd>");
  for (const Rule* rule : {&kLoneLetters, &kAcronyms, &kThreeLetters, &kTwoLetters, &kSuffixes,
                           &kSuffixesWithin, &kLetters}) {
    Apply(*rule, marked);
  }
  constexpr std::pair<std::string_view, std::string_view> kMarks[] = {
      {".\xe2\x80\x9d", "\xe2\x80\x9d."},
      {".\"", "\"."},
      {"!\"", "\"!"},
      {"?\"", "\"?"},
      {".", ".<stop>"},
      {"?", "?<stop>"},
      {"!", "!<stop>"},
      {"<prd>", "."}};
  for (const auto& [what, with] : kMarks) Replace(marked, what, with);
  std::vector<std::u32string> sentences;
  const std::u32string points = Decoded(marked);
  for (const std::u32string_view piece : SplitAt(points, U"<stop>")) {
    sentences.emplace_back(Stripped(piece));
  }
  if (sentences.back().empty()) sentences.pop_back();
  return sentences;
}
#undef SPACE

std::vector<std::u32string_view> PunktSentences(std::u32string_view text) {
  std::vector<std::u32string_view> sentences;
  size_t begin = 0;
  size_t word = 0;  // where the word at hand begins
  const auto end_at = [&](size_t end) {
    const std::u32string_view sentence = Stripped(text.substr(begin, end - begin));
    if (!sentence.empty()) sentences.push_back(sentence);
    begin = end;
  };
  for (size_t at = 0; at < text.size();) {
    if (IsSpace(text[at])) {
      word = ++at;
      continue;
    }
    if (!IsEnd(text[at])) {
      ++at;
      continue;
    }
    const size_t run = at;
    while (at < text.size() && IsEnd(text[at])) ++at;
    const std::u32string_view marks = text.substr(run, at - run);
    size_t close = at;
    while (close < text.size() && IsCloser(text[close])) ++close;
    if (close < text.size() && !IsSpace(text[close])) continue;
    size_t next = close;
    while (next < text.size() && IsSpace(text[next])) ++next;
    const char32_t follows = next < text.size() ? text[next] : 0;
    const bool stops = marks.find_first_not_of(U'.') == marks.npos;
    if (stops && marks.size() > 1 && IsLower(follows)) continue;
    if (marks == U"." && !EndsSentence(text.substr(word, run - word), follows)) continue;
    end_at(close);
    at = close;
  }
  end_at(text.size());
  return sentences;
}

}  // namespace temper::reward
