// Facts of LaTeX, row by row.
#include "reward/math/token_tables.h"

namespace temper::reward::math {

const SpellingSet& Silent() {
  static const SpellingSet& names = *new SpellingSet{
      "quad",  "qquad",     "left",         "right",        "big",       "Big",     "bigg",
      "Bigg",  "bigl",      "bigr",         "Bigl",         "Bigr",      "biggl",   "biggr",
      "Biggl", "Biggr",     "limits",       "nolimits",     "thinspace", "enspace", "displaystyle",
      "rm",    "textstyle", "mathstrut",    "scriptstyle",  "bf",        "it",      "middle",
      "hfill", "medspace",  "negthinspace", "nobreakspace", "centering", "bigm",    "hline"};
  return names;
}

const SpellingSet& Wording() {
  static const SpellingSet& names =
      *new SpellingSet{"text",   "textbf", "textit", "textrm", "mbox",   "textnormal",
                       "texttt", "textsf", "hbox",   "emph",   "textup", "textmd"};
  return names;
}

const SpellingSet& Lettering() {
  static const SpellingSet& names = *new SpellingSet{
      "mathrm",  "mathbf",   "mathit", "mathsf",  "operatorname", "boldsymbol", "bm",
      "mathcal", "mathfrak", "pmb",    "mathscr", "mathop",       "mathnormal"};
  return names;
}

const SpellingTable& MacroMarks() {
  static const SpellingTable& table = *new SpellingTable{{"le", "<="},
                                                         {"leq", "<="},
                                                         {"leqslant", "<="},
                                                         {"leqq", "<="},
                                                         {"ge", ">="},
                                                         {"geq", ">="},
                                                         {"geqslant", ">="},
                                                         {"geqq", ">="},
                                                         {"ne", "!="},
                                                         {"neq", "!="},
                                                         {"lt", "<"},
                                                         {"gt", ">"},
                                                         {"less", "<"},
                                                         {"in", "in"},
                                                         {"approx", "approx"},
                                                         {"simeq", "approx"},
                                                         {"equiv", "equiv"},
                                                         {"cup", "cup"},
                                                         {"cap", "cap"},
                                                         {"setminus", "setminus"},
                                                         {"backslash", "setminus"},
                                                         {"times", "*"},
                                                         {"cdot", "*"},
                                                         {"ast", "*"},
                                                         {"div", "/"},
                                                         {"pm", "+-"},
                                                         {"mp", "-+"},
                                                         {"colon", ":"},
                                                         {"mid", "|"},
                                                         {"vert", "|"},
                                                         {"lvert", "(|"},
                                                         {"rvert", "|)"},
                                                         {"Vert", "||"},
                                                         {"lVert", "(||"},
                                                         {"rVert", "||)"},
                                                         {"lbrace", "\\{"},
                                                         {"rbrace", "\\}"},
                                                         {"lbrack", "["},
                                                         {"rbrack", "]"},
                                                         {"lparen", "("},
                                                         {"rparen", ")"},
                                                         {"langle", "<<"},
                                                         {"rangle", ">>"},
                                                         {"ldots", "..."},
                                                         {"dots", "..."},
                                                         {"cdots", "..."},
                                                         {"dotsc", "..."},
                                                         {"dotsb", "..."},
                                                         {"circ", "deg"},
                                                         {"degree", "deg"},
                                                         {"degrees", "deg"},
                                                         {"prime", "'"},
                                                         {"land", "and"},
                                                         {"wedge", "and"},
                                                         {"lor", "or"},
                                                         {"vee", "or"},
                                                         {"bullet", "*"},
                                                         {"percent", "%"},
                                                         {"bigcup", "cup"},
                                                         {"bigcap", "cap"},
                                                         {"lfloor", "lfloor"},
                                                         {"rfloor", "rfloor"},
                                                         {"lceil", "lceil"},
                                                         {"rceil", "rceil"},
                                                         {"cr", "\\\\"},
                                                         {"newline", "\\\\"},
                                                         {"doteq", "="},
                                                         {"coloneqq", "="},
                                                         {"smallsetminus", "setminus"},
                                                         {"pounds", "$"},
                                                         {"euro", "$"},
                                                         {"textdegree", "deg"}};
  return table;
}

const SpellingTable& MacroSynonyms() {
  static const SpellingTable& table = *new SpellingTable{{"dfrac", "frac"},
                                                         {"tfrac", "frac"},
                                                         {"cfrac", "frac"},
                                                         {"dbinom", "binom"},
                                                         {"tbinom", "binom"},
                                                         {"varnothing", "emptyset"},
                                                         {"O", "emptyset"},
                                                         {"tg", "tan"},
                                                         {"ctg", "cot"},
                                                         {"arctg", "arctan"},
                                                         {"cosec", "csc"},
                                                         {"sh", "sinh"},
                                                         {"ch", "cosh"},
                                                         {"th", "tanh"},
                                                         {"asin", "arcsin"},
                                                         {"acos", "arccos"},
                                                         {"atan", "arctan"},
                                                         {"varphi", "phi"},
                                                         {"varepsilon", "epsilon"},
                                                         {"vartheta", "theta"},
                                                         {"imath", "i"},
                                                         {"textdollar", "$"},
                                                         {"infinity", "infty"},
                                                         {"reals", "R"}};
  return table;
}

const SpellingTable& Foreign() {
  static const SpellingTable& table = *new SpellingTable{
      {"−", "-"},      {"–", "-"},     {"—", "-"},        {"×", "*"},     {"·", "*"},
      {"⋅", "*"},      {"∙", "*"},     {"÷", "/"},        {"∕", "/"},     {"⁄", "/"},
      {"±", "+-"},     {"∓", "-+"},    {"≤", "<="},       {"≥", ">="},    {"⩽", "<="},
      {"⩾", ">="},     {"≠", "!="},    {"≈", "approx"},   {"≡", "equiv"}, {"∈", "in"},
      {"∪", "cup"},    {"∩", "cap"},   {"∖", "setminus"}, {"°", "deg"},   {"º", "deg"},
      {"′", "'"},      {"’", "'"},     {"…", "..."},      {"⋯", "..."},   {"€", "$"},
      {"£", "$"},      {"¥", "$"},     {"⟨", "<<"},       {"⟩", ">>"},    {"⌊", "lfloor"},
      {"⌋", "rfloor"}, {"⌈", "lceil"}, {"⌉", "rceil"},    {"∧", "and"},   {"∨", "or"},
      {"，", ","},     {"：", ":"},    {"（", "("},       {"）", ")"},    {"；", ";"},
      {"＝", "="},     {"∶", ":"},     {"、", ","},       {"＜", "<"},    {"＞", ">"},
      {"＋", "+"},     {"－", "-"},    {"％", "%"},       {"∣", "|"}};
  return table;
}

const SpellingTable& ForeignMacros() {
  static const SpellingTable& table = *new SpellingTable{
      {"π", "pi"},       {"∞", "infty"},   {"√", "sqrt"},   {"θ", "theta"}, {"α", "alpha"},
      {"β", "beta"},     {"γ", "gamma"},   {"λ", "lambda"}, {"φ", "phi"},   {"ω", "omega"},
      {"∅", "emptyset"}, {"ℝ", "R"},       {"ℤ", "Z"},      {"ℕ", "N"},     {"ℚ", "Q"},
      {"∑", "sum"},      {"∏", "prod"},    {"μ", "mu"},     {"σ", "sigma"}, {"Δ", "Delta"},
      {"δ", "delta"},    {"ε", "epsilon"}, {"ρ", "rho"},    {"τ", "tau"},   {"∠", "angle"},
      {"△", "triangle"}, {"∛", "cbrt"},    {"𝜋", "pi"},     {"ℂ", "C"}};
  return table;
}

const SpellingTable& Raised() {
  static const SpellingTable& table =
      *new SpellingTable{{"⁰", "0"}, {"¹", "1"}, {"²", "2"}, {"³", "3"}, {"⁴", "4"}, {"⁵", "5"},
                         {"⁶", "6"}, {"⁷", "7"}, {"⁸", "8"}, {"⁹", "9"}, {"⁻", "-"}, {"ⁿ", "n"}};
  return table;
}
const SpellingTable& Lowered() {
  static const SpellingTable& table =
      *new SpellingTable{{"₀", "0"}, {"₁", "1"}, {"₂", "2"}, {"₃", "3"}, {"₄", "4"},
                         {"₅", "5"}, {"₆", "6"}, {"₇", "7"}, {"₈", "8"}, {"₉", "9"}};
  return table;
}
const SpellingTable& Vulgar() {
  static const SpellingTable& table =
      *new SpellingTable{{"½", "1/2"}, {"⅓", "1/3"}, {"⅔", "2/3"}, {"¼", "1/4"}, {"¾", "3/4"},
                         {"⅕", "1/5"}, {"⅖", "2/5"}, {"⅗", "3/5"}, {"⅘", "4/5"}, {"⅙", "1/6"},
                         {"⅚", "5/6"}, {"⅛", "1/8"}, {"⅜", "3/8"}, {"⅝", "5/8"}, {"⅞", "7/8"}};
  return table;
}

}  // namespace temper::reward::math
