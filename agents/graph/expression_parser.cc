// Recursive descent over one line of text.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agents/graph/expression_node.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace temper::agents {
namespace {

using Node = Expression::Node;
using Kind = Node::Kind;

constexpr size_t kBytesMax = 4096;
constexpr int kDepthMax = 32;
constexpr size_t kOperandsMax = 64;

const std::vector<std::string>& Functions() {
  static const auto* const names =
      new std::vector<std::string>{"min", "max", "len", "count", "mean", "score", "abs"};
  return *names;
}

class Parser {
 public:
  Parser(std::string_view text, Place place, const std::vector<std::string>& builtins)
      : text_(text), place_(place), builtins_(builtins) {}

  absl::StatusOr<Node> Parse() {
    if (text_.size() > kBytesMax) {
      return Wrong(0, absl::StrCat("found ", text_.size(), " bytes; expected at most ", kBytesMax));
    }
    TEMPER_ASSIGN_OR_RETURN(Node root, Or(0));
    if (Skip(); at_ < text_.size()) return Unexpected("an operator or the end");
    return root;
  }

 private:
  absl::StatusOr<Node> Or(int depth) {
    if (depth > kDepthMax) return Wrong(at_, absl::StrCat("nested over ", kDepthMax, " levels"));
    TEMPER_ASSIGN_OR_RETURN(Node left, And(depth));
    while (TakeWord("or")) {
      TEMPER_ASSIGN_OR_RETURN(Node right, And(depth));
      left = Join("or", std::move(left), std::move(right));
    }
    return left;
  }
  absl::StatusOr<Node> And(int depth) {
    TEMPER_ASSIGN_OR_RETURN(Node left, Not(depth));
    while (TakeWord("and")) {
      TEMPER_ASSIGN_OR_RETURN(Node right, Not(depth));
      left = Join("and", std::move(left), std::move(right));
    }
    return left;
  }
  absl::StatusOr<Node> Not(int depth) {
    Skip();
    const Place place = Here();
    if (!TakeWord("not")) return Comparison(depth);
    TEMPER_ASSIGN_OR_RETURN(Node operand, Comparison(depth));
    return One("not", place, std::move(operand));
  }
  absl::StatusOr<Node> Comparison(int depth) {
    TEMPER_ASSIGN_OR_RETURN(Node left, Sum(depth));
    for (const char* sign : {"<=", ">=", "==", "!=", "<", ">"}) {
      if (!Take(sign)) continue;
      TEMPER_ASSIGN_OR_RETURN(Node right, Sum(depth));
      left = Join(sign, std::move(left), std::move(right));
      for (const char* again : {"<", ">", "==", "!="}) {
        if (Next(again)) return Unexpected("one comparison; join two with \"and\"");
      }
      return left;
    }
    if (Next("=")) return Unexpected("\"==\"");
    return left;
  }
  absl::StatusOr<Node> Sum(int depth) {
    TEMPER_ASSIGN_OR_RETURN(Node left, Product(depth));
    while (true) {
      const char* sign = Take("+") ? "+" : Take("-") ? "-" : nullptr;
      if (sign == nullptr) return left;
      TEMPER_ASSIGN_OR_RETURN(Node right, Product(depth));
      left = Join(sign, std::move(left), std::move(right));
    }
  }
  absl::StatusOr<Node> Product(int depth) {
    TEMPER_ASSIGN_OR_RETURN(Node left, Unary(depth));
    while (true) {
      const char* sign = Take("*") ? "*" : Take("/") ? "/" : nullptr;
      if (sign == nullptr) return left;
      TEMPER_ASSIGN_OR_RETURN(Node right, Unary(depth));
      left = Join(sign, std::move(left), std::move(right));
    }
  }
  absl::StatusOr<Node> Unary(int depth) {
    Skip();
    const Place place = Here();
    if (!Take("-")) return Primary(depth);
    TEMPER_ASSIGN_OR_RETURN(Node operand, Primary(depth));
    return One("-", place, std::move(operand));
  }
  absl::StatusOr<Node> Primary(int depth) {
    Skip();
    if (at_ == text_.size()) return Unexpected("a value");
    const char next = text_[at_];
    if (next == '(') {
      ++at_;
      TEMPER_ASSIGN_OR_RETURN(Node inner, Or(depth + 1));
      if (!Take(")")) return Unexpected("\")\"");
      return inner;
    }
    if (next == '$') return AReference();
    if (next == '"' || next == '\'') return AText(next);
    if (absl::ascii_isdigit(next) || next == '.') return ANumber();
    return AWord(depth);
  }
  absl::StatusOr<Node> AReference() {
    // Up to what cannot be part of one; a bar only together with a further reference.
    size_t end = at_;
    const auto part = [&](char c) { return absl::ascii_isalnum(c) || c == '_' || c == '.'; };
    while (true) {
      for (++end; end < text_.size() && part(text_[end]);) ++end;
      const size_t bar = text_.find_first_not_of(' ', end);
      if (bar == text_.npos || text_[bar] != '|') break;
      const size_t dollar = text_.find_first_not_of(' ', bar + 1);
      if (dollar == text_.npos || text_[dollar] != '$') {
        at_ = bar + 1;
        return Unexpected("another reference such as \"$draft\"");
      }
      end = dollar;
    }
    Node node{.kind = Kind::kReference, .place = Here()};
    TEMPER_ASSIGN_OR_RETURN(node.reference, ParseReference(text_.substr(at_, end - at_), Here()));
    at_ = end;
    return node;
  }
  absl::StatusOr<Node> AText(char quote) {
    const size_t end = text_.find(quote, at_ + 1);
    if (end == text_.npos) return Unexpected("a text that is closed");
    Node node{.kind = Kind::kText, .place = Here()};
    node.word = std::string(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return node;
  }
  absl::StatusOr<Node> ANumber() {
    size_t end = at_;
    while (end < text_.size() && (absl::ascii_isalnum(text_[end]) || text_[end] == '.' ||
                                  ((text_[end] == '-' || text_[end] == '+') &&
                                   absl::ascii_tolower(text_[end - 1]) == 'e'))) {
      ++end;
    }
    Node node{.kind = Kind::kNumber, .place = Here()};
    if (!absl::SimpleAtod(std::string(text_.substr(at_, end - at_)), &node.number) ||
        !std::isfinite(node.number)) {
      return Unexpected("a number");
    }
    at_ = end;
    return node;
  }
  absl::StatusOr<Node> AWord(int depth) {
    size_t end = at_;
    while (end < text_.size() &&
           (absl::ascii_isalnum(text_[end]) || text_[end] == '_' || text_[end] == '.')) {
      ++end;
    }
    if (end == at_) return Unexpected("a value");
    Node node{.kind = Kind::kBuiltin, .place = Here()};
    node.word = std::string(text_.substr(at_, end - at_));
    const size_t begin = std::exchange(at_, end);
    if (Next("(")) return Call(std::move(node), begin, depth);
    if (std::find(builtins_.begin(), builtins_.end(), node.word) != builtins_.end()) return node;
    if (builtins_.empty()) {
      return Wrong(begin,
                   absl::StrCat("found \"", node.word, "\"; expected a reference such as \"$",
                                node.word, "\", a number or a text in quotes"));
    }
    return Wrong(begin, absl::StrCat("found \"", node.word, "\", which is not known here",
                                     Suggestion(node.word, builtins_)));
  }
  absl::StatusOr<Node> Call(Node node, size_t begin, int depth) {
    if (std::find(Functions().begin(), Functions().end(), node.word) == Functions().end()) {
      return Wrong(begin, absl::StrCat("found the function \"", node.word, "\"",
                                       Suggestion(node.word, Functions())));
    }
    node.kind = Kind::kFunction;
    Take("(");
    do {
      TEMPER_ASSIGN_OR_RETURN(Node operand, Or(depth + 1));
      node.operands.push_back(std::move(operand));
    } while (node.operands.size() < kOperandsMax && Take(","));
    if (!Take(")")) return Unexpected("\",\" or \")\"");
    const bool many = node.word == "min" || node.word == "max" || node.word == "mean";
    if (!many && node.operands.size() != 1) {
      return Wrong(begin, absl::StrCat("found ", node.operands.size(), " operands of ", node.word,
                                       "; expected 1"));
    }
    return node;
  }

  static Node Join(const char* sign, Node left, Node right) {
    Node node{.kind = Kind::kOperator, .place = left.place, .word = sign};
    node.operands.push_back(std::move(left));
    node.operands.push_back(std::move(right));
    return node;
  }
  static Node One(const char* sign, Place place, Node operand) {
    Node node{.kind = Kind::kOperator, .place = place, .word = sign};
    node.operands.push_back(std::move(operand));
    return node;
  }

  void Skip() {
    while (at_ < text_.size() && absl::ascii_isspace(text_[at_])) ++at_;
  }
  bool Next(std::string_view sign) {
    Skip();
    return text_.substr(at_, sign.size()) == sign;
  }
  bool Take(std::string_view sign) {
    if (!Next(sign)) return false;
    at_ += sign.size();
    return true;
  }
  bool TakeWord(std::string_view word) {
    if (!Next(word)) return false;
    const size_t end = at_ + word.size();
    if (end < text_.size() &&
        (absl::ascii_isalnum(text_[end]) || text_[end] == '_' || text_[end] == '.')) {
      return false;
    }
    at_ = end;
    return true;
  }
  Place At(size_t at) const { return {place_.line, place_.column + static_cast<int>(at)}; }
  Place Here() const { return At(at_); }
  absl::Status Wrong(size_t at, std::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(At(at).line, ":", At(at).column, ": ", std::string(what)));
  }
  absl::Status Unexpected(std::string_view expected) {
    Skip();
    const std::string_view rest = text_.substr(at_, 20);
    return Wrong(at_, absl::StrCat("found ",
                                   rest.empty() ? std::string("the end")
                                                : absl::StrCat("\"", ValidUtf8(rest), "\""),
                                   "; expected ", std::string(expected)));
  }

  const std::string_view text_;
  const Place place_;
  const std::vector<std::string>& builtins_;
  size_t at_ = 0;
};

void Collect(Node& node, std::vector<Reference*>& references) {
  if (node.kind == Kind::kReference) references.push_back(&node.reference);
  for (Node& operand : node.operands) Collect(operand, references);
}

}  // namespace

absl::StatusOr<Expression> Expression::Parse(std::string_view text, Place place,
                                             const std::vector<std::string>& builtins) {
  TEMPER_ASSIGN_OR_RETURN(Node root, Parser(text, place, builtins).Parse());
  Expression expression;
  expression.text_ = std::string(text);
  expression.place_ = place;
  expression.root_ = std::make_shared<Node>(std::move(root));
  Collect(*expression.root_, expression.references_);
  return expression;
}

}  // namespace temper::agents
