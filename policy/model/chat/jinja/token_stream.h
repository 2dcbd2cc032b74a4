// Goes through the words of a template; what both halves of the parser share.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "policy/model/chat/jinja/limits.h"
#include "policy/model/chat/jinja/token.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {

class TokenStream {
 public:
  TokenStream(std::string_view source, std::vector<Token> tokens)
      : source_(source), tokens_(std::move(tokens)) {}

  const Token& current() const { return tokens_[at_]; }
  const Token& next() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  Token Take() {
    Token token = current();
    if (token.kind != Token::Kind::kEnd) ++at_;
    return token;
  }
  bool TakeName(std::string_view name) { return TakeIf(current().IsName(name)); }
  bool TakeOperator(std::string_view sign) { return TakeIf(current().IsOperator(sign)); }

  absl::Status Error(size_t at, std::string_view what) const {
    return absl::InvalidArgumentError(Words(PlaceOf(source_, at), ": ", what));
  }
  absl::Status Unexpected(std::string_view expected) const {
    const std::string found = current().kind == Token::Kind::kEnd
                                  ? "the end of the template"
                                  : Words("'", current().text.substr(0, 40), "'");
    return Error(current().at, Words("found ", found, ", expected ", expected));
  }
  absl::Status Expect(Token::Kind kind, std::string_view words) {
    return TakeIf(current().kind == kind) ? absl::OkStatus() : Unexpected(words);
  }
  absl::Status ExpectOperator(std::string_view sign) {
    return TakeOperator(sign) ? absl::OkStatus() : Unexpected(Words("'", sign, "'"));
  }
  absl::Status ExpectName(std::string_view name) {
    return TakeName(name) ? absl::OkStatus() : Unexpected(Words("'", name, "'"));
  }

  // One more level of recursion, for as long as it lives.
  class Level {
   public:
    explicit Level(TokenStream& stream) : stream_(stream) { ++stream_.depth_; }
    ~Level() { --stream_.depth_; }
    Level(const Level&) = delete;
    absl::Status status() const {
      if (stream_.depth_ <= kSourceNestingMax) return absl::OkStatus();
      return stream_.Error(stream_.current().at,
                           Words("nested deeper than ", kSourceNestingMax, " levels"));
    }

   private:
    TokenStream& stream_;
  };

 private:
  bool TakeIf(bool yes) {
    if (yes) ++at_;
    return yes;
  }

  const std::string_view source_;
  const std::vector<Token> tokens_;  // the last is kEnd
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace temper::model::jinja
