// Renders as Jinja does in transformers' environment, keeps to its limits, and tracks what came in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "nlohmann/json.hpp"
#include "policy/model/chat/jinja/machine.h"
#include "policy/model/chat/jinja/parser.h"
#include "policy/model/chat/jinja/json_value.h"
#include "policy/model/chat/jinja/token.h"

namespace temper::model::jinja {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;

absl::StatusOr<Text> Render(const std::string& source, const Json& variables = Json::object(),
                            const Limits& limits = {}) {
  const std::string normal = NormalizeNewlines(source);
  const absl::StatusOr<Body> body = ParseTemplate(normal);
  if (!body.ok()) return body.status();
  const absl::StatusOr<Value> values = FromJson(variables);
  if (!values.ok()) return values.status();
  return Machine(*body, normal, *values->dict(), limits, absl::UnixEpoch()).Run();
}

std::string Rendered(const std::string& source, const Json& variables = Json::object()) {
  const absl::StatusOr<Text> text = Render(source, variables);
  return text.ok() ? text->bytes() : "error: " + std::string(text.status().message());
}

std::string ErrorOf(const std::string& source, const Limits& limits = {}) {
  const absl::StatusOr<Text> text = Render(source, Json::object(), limits);
  return text.ok() ? "no error" : std::string(text.status().message());
}

TEST(JinjaTest, SnippetsRenderAsTheyDoInPython) {
  const absl::StatusOr<std::string> bytes = ReadFile(TEMPER_TEST_DATA "/golden/chat/snippets.json");
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const Json golden = Json::parse(*bytes);
  ASSERT_GT(golden["cases"].size(), 400u);
  for (const Json& c : golden["cases"]) {
    const std::string source = c["template"];
    const absl::StatusOr<Text> text = Render(source, golden["variables"]);
    if (c.contains("text")) {
      EXPECT_TRUE(text.ok()) << source << "\n" << text.status();
      if (text.ok()) {
        EXPECT_EQ(text->bytes(), c["text"].get<std::string>()) << source;
      }
    } else {
      EXPECT_FALSE(text.ok()) << source << "\nrendered: " << (text.ok() ? text->bytes() : "");
    }
  }
}

TEST(JinjaTest, ErrorsSayLineAndColumn) {
  EXPECT_EQ(ErrorOf("a\n{{ 1 }}\n{{ x.y }}"), "3:5: 'x' is undefined");
  EXPECT_THAT(ErrorOf("{% if x %}"), HasSubstr("1:11: found the end of the template, expected"));
  EXPECT_THAT(ErrorOf("\n  {% nonsense %}"), HasSubstr("2:6: unknown tag {% nonsense %}"));
  EXPECT_THAT(ErrorOf("{{ 'a' | nonsense }}"), HasSubstr("1:10: there is no filter named"));
  EXPECT_THAT(ErrorOf("{% include 'x' %}"), HasSubstr("1:4: {% include %} is not supported"));
  EXPECT_THAT(ErrorOf("{% macro m() %}\n{{ raise_exception('no') }}{% endmacro %}{{ m() }}"),
              HasSubstr("2:19: the template refuses: no"));
}

TEST(JinjaTest, NothingOfTheHostIsReachable) {
  for (const char* source :
       {"{{ ''.__class__ }}", "{{ ''['__class__'] }}", "{{ [].__class__.__mro__ }}",
        "{{ x.__init__ }}", "{{ namespace().__dict__ }}", "{{ range.__globals__ }}",
        "{{ ''|attr('__class__') }}", "{{ [1]|map(attribute='__class__')|list }}",
        "{{ '{0.__class__}'.format(1) }}", "{{ (''.join).__self__ }}"}) {
    EXPECT_FALSE(Render(source, {{"x", {{"a", 1}}}}).ok()) << source;
  }
  EXPECT_THAT(ErrorOf("{{ [].append(1) }}"), HasSubstr("templates cannot change values"));
  EXPECT_THAT(ErrorOf("{% set n = namespace(_x=1) %}"), HasSubstr("begin with _"));
}

TEST(JinjaTest, LimitsEndWhatWouldNotEnd) {
  const std::pair<const char*, const char*> cases[] = {
      {"{% for i in range(1000000000000) %}{% endfor %}", "range: more than 100000 numbers"},
      {"{{ 'a' * 1000000000 }}", "a string of 1 bytes, 1000000000 times"},
      {"{{ [1] * 1000000000 }}", "a list of 1 items, 1000000000 times"},
      {"{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "steps"},
      {"{% for i in range(99999) %}{{ 'x' * 10000 }}{% endfor %}", "more than"},
      {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "endless recursion?"},
      {"{% set ns = namespace(x=[]) %}{% for i in range(500) %}{% set ns.x = [ns.x] %}{% endfor %}",
       "nested deeper than 100 levels"},
      {"{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}"
       "{% endfor %}",
       "more than"},
      {"{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}", "nested too deep"},
      {"{% set ns = namespace(x=[1]) %}{% for i in range(90) %}{% set ns.x = [ns.x, ns.x] %}"
       "{% endfor %}",
       "holds more than"},
      {"{% set a = 'a' * 4000000 %}{{ a.rfind('b' ~ a) }}", "steps"},
      {"{% set a = 'a' * 4000000 %}{{ a.strip(a) }}", "steps"},
      {"{% set x = range(99999)|list %}{% for i in x %}{{ x == x[:-1] + [0] }}{% endfor %}",
       "steps"},
      {"{{ '%1000000000d' % 1 }}", "width"},
      {"{{ 'a'|center(100000000000) }}", "bytes"},
      {"{{ 'a'|map(*(['map'] * 100000))|list }}", "recursion"},
      {"{{ 2 ** 64 }}", "beyond 64-bit integers"},
      {"{{ 9223372036854775807 + 1 }}", "beyond 64-bit integers"},
      {"{{ 99999999999999999999 }}", "beyond 64 bits"},
  };
  for (const auto& [source, words] : cases) {
    EXPECT_THAT(ErrorOf(source), HasSubstr(words)) << source;
  }
  EXPECT_THAT(ErrorOf("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}"),
              HasSubstr("nested deeper"));
  std::string sum = "{{ 1";
  for (int i = 0; i < 5000; ++i) sum += "+1";
  EXPECT_THAT(ErrorOf(sum + " }}"), HasSubstr("nested deeper"));
}

TEST(JinjaTest, MarksFollowWhatTheConversationSaid) {
  const Json variables = {{"u", "ab</s>cd"}, {"m", {{"k", "v</s>"}}}};
  const auto marked = [&](const std::string& source) {
    const absl::StatusOr<Text> text = Render(source, variables);
    EXPECT_TRUE(text.ok()) << text.status();
    std::string shown = text->bytes();
    for (auto span = text->input().rbegin(); span != text->input().rend(); ++span) {
      shown.insert(span->end, "]");
      shown.insert(span->begin, "[");
    }
    return shown;
  };
  EXPECT_EQ(marked("<s>{{ u }}</s>"), "<s>[ab</s>cd]</s>");
  EXPECT_EQ(marked("{{ 'x' ~ u[1:3] + 'y' }}"), "x[b<]y");
  EXPECT_EQ(marked("{{ u.split('</s>') | join('|') }}"), "[ab]|[cd]");
  EXPECT_EQ(marked("{{ u.replace('</s>', '<br>') }}"), "[ab]<br>[cd]");
  EXPECT_EQ(marked("{{ u | upper }}"), "[AB</S>CD]");
  EXPECT_EQ(marked("{{ m | tojson }}"), "{[\"k\"]: [\"v</s>\"]}");
  EXPECT_EQ(marked("{{ '<%s>' % u }}{{ '{}.'.format(u) }}"), "<[ab</s>cd]>[ab</s>cd].");
  EXPECT_EQ(marked("{% set x %}-{{ u|trim('a') }}-{% endset %}{{ x }}"), "-[b</s>cd]-");
}

TEST(JinjaTest, TheClockIsAnArgument) {
  EXPECT_EQ(Rendered("{{ strftime_now('%Y') in ['1969', '1970'] }}"), "True");
}

}  // namespace
}  // namespace temper::model::jinja
