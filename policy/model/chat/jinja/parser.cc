// Statements; expressions are read by expression_parser.cc.
#include "policy/model/chat/jinja/parser.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/status_macros.h"
#include "policy/model/chat/jinja/expression_parser.h"
#include "policy/model/chat/jinja/token_stream.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

using Kind = Statement::Kind;
using StatementPointer = std::unique_ptr<const Statement>;
using Result = absl::StatusOr<StatementPointer>;
using Names = std::initializer_list<std::string_view>;

std::unique_ptr<Statement> Make(Kind kind, size_t at) {
  auto statement = std::make_unique<Statement>();
  statement->kind = kind;
  statement->at = at;
  return statement;
}

// "{% else %} or {% endif %}".
std::string TagsOf(Names names) {
  std::string tags;
  for (const std::string_view name : names) {
    tags += Words(tags.empty() ? "" : " or ", "{% ", name, " %}");
  }
  return tags.empty() ? "text or a tag" : tags;
}

// Tags of the language that make no sense in a lone template.
constexpr std::string_view kOtherFiles[] = {"extends", "include", "import", "from", "block"};

class Parser {
 public:
  Parser(std::string_view source, std::vector<Token> tokens)
      : in_(source, std::move(tokens)), expressions_(in_) {}

  absl::StatusOr<Body> Run() {
    TEMPER_ASSIGN_OR_RETURN(Body body, ParseBody({}));
    return body;
  }

 private:
  // Statements up to a tag of one of these names, which stays; to the end when there are none.
  absl::StatusOr<Body> ParseBody(Names ends) {
    const TokenStream::Level level(in_);
    TEMPER_RETURN_IF_ERROR(level.status());
    Body body;
    for (;;) {
      const Token& token = in_.current();
      switch (token.kind) {
        case Token::Kind::kData: {
          auto data = Make(Kind::kData, token.at);
          data->text = Value::String(in_.Take().text);
          body.push_back(std::move(data));
          break;
        }
        case Token::Kind::kVariableBegin: {
          auto output = Make(Kind::kOutput, in_.Take().at);
          TEMPER_ASSIGN_OR_RETURN(output->expression, expressions_.ParseTuple(true, ""));
          TEMPER_RETURN_IF_ERROR(in_.Expect(Token::Kind::kVariableEnd, "'}}'"));
          body.push_back(std::move(output));
          break;
        }
        case Token::Kind::kBlockBegin: {
          if (std::ranges::find(ends, std::string_view(in_.next().text)) != ends.end()) {
            return body;
          }
          in_.Take();
          TEMPER_ASSIGN_OR_RETURN(StatementPointer statement, ParseStatement());
          body.push_back(std::move(statement));
          TEMPER_RETURN_IF_ERROR(in_.Expect(Token::Kind::kBlockEnd, "'%}'"));
          break;
        }
        default:
          if (ends.size() == 0 && token.kind == Token::Kind::kEnd) return body;
          return in_.Unexpected(TagsOf(ends));
      }
    }
  }

  // `%}`, statements, `{% NAME`: which name it was.
  absl::StatusOr<std::string> ParseBlock(Names ends, Body& body) {
    in_.TakeOperator(":");
    TEMPER_RETURN_IF_ERROR(in_.Expect(Token::Kind::kBlockEnd, "'%}'"));
    TEMPER_ASSIGN_OR_RETURN(body, ParseBody(ends));
    in_.Take();
    return in_.Take().text;
  }

  Result ParseStatement() {
    const size_t at = in_.current().at;
    TEMPER_ASSIGN_OR_RETURN(const std::string tag, expressions_.ParseName());
    if (tag == "for") return ParseFor(at);
    if (tag == "if") return ParseIf(at);
    if (tag == "set") return ParseSet(at);
    if (tag == "macro") return ParseMacro(at);
    if (tag == "call") return ParseCallBlock(at);
    if (tag == "filter") return ParseFilterBlock(at);
    if (tag == "with") return ParseWith(at);
    if (tag == "generation") return ParseGeneration(at);
    if (tag == "print") return ParsePrint(at);
    if (tag == "break") return ParseLoopControl(at, Kind::kBreak);
    if (tag == "continue") return ParseLoopControl(at, Kind::kContinue);
    if (std::ranges::find(kOtherFiles, tag) != std::end(kOtherFiles)) {
      return in_.Error(at, Words("{% ", tag,
                                 " %} is not supported: a chat template stands "
                                 "alone"));
    }
    return in_.Error(at, Words("unknown tag {% ", tag, " %}"));
  }

  Result ParseFor(size_t at) {
    auto loop = Make(Kind::kFor, at);
    TEMPER_ASSIGN_OR_RETURN(loop->target, expressions_.ParseTarget(/*fields=*/false, "in"));
    TEMPER_RETURN_IF_ERROR(in_.ExpectName("in"));
    TEMPER_ASSIGN_OR_RETURN(loop->expression,
                            expressions_.ParseTuple(/*conditional=*/false, "recursive"));
    if (in_.TakeName("if")) {
      TEMPER_ASSIGN_OR_RETURN(loop->condition, expressions_.Parse());
    }
    loop->recursive = in_.TakeName("recursive");
    ++loops_;
    absl::StatusOr<std::string> end = ParseBlock({"endfor", "else"}, loop->body);
    --loops_;
    TEMPER_RETURN_IF_ERROR(end.status());
    if (*end == "else") {
      TEMPER_RETURN_IF_ERROR(ParseBlock({"endfor"}, loop->otherwise).status());
    }
    return loop;
  }

  Result ParseIf(size_t at) {
    auto choice = Make(Kind::kIf, at);
    std::string end = "elif";
    while (end == "elif") {
      Statement::Branch branch;
      TEMPER_ASSIGN_OR_RETURN(branch.condition, expressions_.ParseTuple(false, ""));
      TEMPER_ASSIGN_OR_RETURN(end, ParseBlock({"elif", "else", "endif"}, branch.body));
      choice->branches.push_back(std::move(branch));
    }
    if (end == "else") {
      TEMPER_RETURN_IF_ERROR(ParseBlock({"endif"}, choice->otherwise).status());
    }
    return choice;
  }

  Result ParseSet(size_t at) {
    auto set = Make(Kind::kSet, at);
    TEMPER_ASSIGN_OR_RETURN(set->target, expressions_.ParseTarget(/*fields=*/true, ""));
    if (in_.TakeOperator("=")) {
      TEMPER_ASSIGN_OR_RETURN(set->expression, expressions_.ParseTuple(true, ""));
      return set;
    }
    set->kind = Kind::kSetBlock;
    if (in_.current().IsOperator("|")) {
      TEMPER_ASSIGN_OR_RETURN(set->expression, expressions_.ParseFilters(nullptr, false));
    }
    TEMPER_RETURN_IF_ERROR(ParseBlock({"endset"}, set->body).status());
    return set;
  }

  // (a, b=1)
  absl::Status ParseSignature(Macro& macro) {
    TEMPER_RETURN_IF_ERROR(in_.ExpectOperator("("));
    while (!in_.TakeOperator(")")) {
      if (!macro.parameters.empty()) TEMPER_RETURN_IF_ERROR(in_.ExpectOperator(","));
      const size_t at = in_.current().at;
      TEMPER_ASSIGN_OR_RETURN(std::string name, expressions_.ParseName());
      macro.parameters.push_back(std::move(name));
      if (in_.TakeOperator("=")) {
        TEMPER_ASSIGN_OR_RETURN(ExpressionPointer value, expressions_.Parse());
        macro.defaults.push_back(std::move(value));
      } else if (!macro.defaults.empty()) {
        return in_.Error(at, "a parameter without a default after one with a default");
      }
    }
    return absl::OkStatus();
  }

  absl::Status ParseMacroBody(std::string_view end, Macro& macro) {
    const std::vector<std::string> outside = expressions_.TakeNamesRead();
    const int loops = std::exchange(loops_, 0);
    const absl::StatusOr<std::string> ended = ParseBlock({end}, macro.body);
    loops_ = loops;
    const std::vector<std::string> inside = expressions_.TakeNamesRead();
    macro.takes_more = std::ranges::find(inside, "varargs") != inside.end();
    macro.takes_named = std::ranges::find(inside, "kwargs") != inside.end();
    expressions_.AddNamesRead(outside);
    return ended.status();
  }

  Result ParseMacro(size_t at) {
    auto statement = Make(Kind::kMacro, at);
    statement->macro = std::make_unique<Macro>();
    TEMPER_ASSIGN_OR_RETURN(statement->macro->name, expressions_.ParseName());
    TEMPER_RETURN_IF_ERROR(ParseSignature(*statement->macro));
    TEMPER_RETURN_IF_ERROR(ParseMacroBody("endmacro", *statement->macro));
    return statement;
  }

  Result ParseCallBlock(size_t at) {
    auto statement = Make(Kind::kCallBlock, at);
    statement->macro = std::make_unique<Macro>();
    statement->macro->name = "caller";
    if (in_.current().IsOperator("(")) {
      TEMPER_RETURN_IF_ERROR(ParseSignature(*statement->macro));
    }
    TEMPER_ASSIGN_OR_RETURN(statement->expression, expressions_.Parse());
    if (statement->expression->kind != Expression::Kind::kCall) {
      return in_.Error(at, "{% call %}: expected a call of a macro");
    }
    TEMPER_RETURN_IF_ERROR(ParseMacroBody("endcall", *statement->macro));
    return statement;
  }

  Result ParseFilterBlock(size_t at) {
    auto statement = Make(Kind::kFilterBlock, at);
    TEMPER_ASSIGN_OR_RETURN(statement->expression, expressions_.ParseFilters(nullptr, true));
    TEMPER_RETURN_IF_ERROR(ParseBlock({"endfilter"}, statement->body).status());
    return statement;
  }

  Result ParseWith(size_t at) {
    auto statement = Make(Kind::kWith, at);
    while (in_.current().kind != Token::Kind::kBlockEnd) {
      if (!statement->assignments.empty()) TEMPER_RETURN_IF_ERROR(in_.ExpectOperator(","));
      // One name a value: a comma begins the next.
      Target target{.at = in_.current().at};
      TEMPER_ASSIGN_OR_RETURN(target.name, expressions_.ParseName());
      TEMPER_RETURN_IF_ERROR(in_.ExpectOperator("="));
      TEMPER_ASSIGN_OR_RETURN(ExpressionPointer value, expressions_.Parse());
      statement->assignments.emplace_back(std::move(target), std::move(value));
    }
    TEMPER_RETURN_IF_ERROR(ParseBlock({"endwith"}, statement->body).status());
    return statement;
  }

  // Marks what an assistant wrote, for training masks; rendering sees through it.
  Result ParseGeneration(size_t at) {
    auto statement = Make(Kind::kScope, at);
    const int loops = std::exchange(loops_, 0);
    const absl::StatusOr<std::string> end = ParseBlock({"endgeneration"}, statement->body);
    loops_ = loops;
    TEMPER_RETURN_IF_ERROR(end.status());
    return statement;
  }

  Result ParsePrint(size_t at) {
    auto output = Make(Kind::kOutput, at);
    TEMPER_ASSIGN_OR_RETURN(output->expression, expressions_.Parse());
    return output;
  }

  Result ParseLoopControl(size_t at, Kind kind) {
    if (loops_ == 0) return in_.Error(at, "{% break %} and {% continue %} stand in loops only");
    return Make(kind, at);
  }

  TokenStream in_;
  ExpressionParser expressions_;
  int loops_ = 0;  // around the statement under way
};

}  // namespace

absl::StatusOr<Body> ParseTemplate(std::string_view source) {
  TEMPER_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  return Parser(source, std::move(tokens)).Run();
}

}  // namespace temper::model::jinja
