#include "orchestrator/environment_check.h"

#include "absl/strings/str_cat.h"
#include "agents/graph/graph_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/alteration.h"
#include "orchestrator/spec.h"
#include "tests/orchestrator/simulated_world.h"

namespace temper::orchestrator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr char kDraft[] =
    R"("draft": {"do": "generate", "role": "writer", "n": 2, "prompt": "$messages"})";

std::string Text(const std::string& roles, const std::string& nodes, const std::string& output,
                 const std::string& rest = R"(, "train": {"writer": {}})") {
  return absl::StrCat(R"({"graph": "g", "input": ["messages"], "roles": {)", roles,
                      "},\n\"nodes\": {", nodes, R"(}, "output": ")", output, "\"", rest, "}");
}

std::vector<std::string> Problems(const std::string& json) {
  const auto graph = agents::ParseGraph(json, "g.json", [](const std::string& path) {
    return absl::StatusOr<std::string>(absl::NotFoundError(path));
  });
  EXPECT_TRUE(graph.ok()) << graph.status();
  v1::RunSpec spec;
  spec.set_temperature(1);
  return graph.ok() ? FindEnvironmentProblems(**graph, spec) : std::vector<std::string>();
}

constexpr char kWriter[] = R"("writer": {"model": "policy:any"})";

TEST(EnvironmentCheckTest, AGraphThatOnlyThePolicyPlaysMayStand) {
  EXPECT_THAT(Problems(Text(kWriter, kDraft, "$draft")), IsEmpty());
}

TEST(EnvironmentCheckTest, AnotherServerIsRefusedAtTheRole) {
  EXPECT_THAT(Problems(Text(R"("writer": {"model": "nim:llama"})", kDraft, "$draft")),
              ElementsAre(AllOf(StartsWith("g.json:1:49: the role \"writer\": found the endpoint "
                                           "\"nim\"; expected \"policy\""),
                                HasSubstr("not yet"))));
}

TEST(EnvironmentCheckTest, ATemperatureOfItsOwnIsRefusedForARoleThatLearns) {
  const std::string other = R"("writer": {"model": "policy:any", "temperature": 0.5})";
  EXPECT_THAT(Problems(Text(other, kDraft, "$draft")),
              ElementsAre(HasSubstr("found the temperature 0.5; expected 1")));
}

TEST(EnvironmentCheckTest, JudgesToolsPeopleAndEarlyStopsAreRefusedAtTheNode) {
  const std::string judge =
      absl::StrCat(kWriter, R"(, "judge": {"model": "policy:any", "kind": "reward"})");
  const std::string pick =
      R"(, "pick": {"do": "select", "role": "judge", "from": "$draft", "by": "score"})";
  EXPECT_THAT(Problems(Text(judge, absl::StrCat(kDraft, pick), "$pick")),
              ElementsAre(HasSubstr("the role \"judge\": found a judge"),
                          HasSubstr("\"pick\": found a judge")));
  const std::string tool =
      R"(, "run": {"do": "tool", "command": ["cat"], "with": {"messages": "$messages"}},
          "fix": {"do": "generate", "role": "writer",
                  "prompt": {"text": "{{a}} {{b}}", "a": "$draft", "b": "$run"}})";
  EXPECT_THAT(Problems(Text(kWriter, absl::StrCat(kDraft, tool), "$fix")),
              ElementsAre(HasSubstr("g.json:2:")));
  const std::string early =
      R"("draft": {"do": "generate", "role": "writer", "n": 4, "prompt": "$messages",
          "enough": "count($draft) >= 2"})";
  EXPECT_THAT(Problems(Text(kWriter, early, "$draft")),
              ElementsAre(HasSubstr("found \"enough\"; expected none")));
}

TEST(EnvironmentCheckTest, ABudgetAndAGraphThatTeachesNothingAreRefused) {
  EXPECT_THAT(Problems(Text(kWriter, kDraft, "$draft", R"(, "budget": {"tokens": 5})")),
              ElementsAre(HasSubstr("\"budget\""), HasSubstr("no \"train\"")));
}

TEST(EnvironmentCheckTest, TheSpecIsCheckedWithTheGraph) {
  v1::RunSpec given = SimulatedSpec("draft_edit.json").given;
  EXPECT_TRUE(ResolveSpec(given, ".").ok());
  given.set_temperature(0.7);
  EXPECT_TRUE(ResolveSpec(given, ".").ok());  // its roles name none
  given.mutable_environment()->set_graph("/nowhere/graph.json");
  EXPECT_THAT(std::string(ResolveSpec(given, ".").status().message()),
              HasSubstr("environment.graph: /nowhere/graph.json: there is no such file"));
  given.mutable_environment()->set_graph(
      absl::StrCat(TEMPER_SOURCE_DIR, "/tests/data/environment/foreign.json"));
  EXPECT_THAT(std::string(ResolveSpec(given, ".").status().message()),
              AllOf(HasSubstr("environment.graph: "), HasSubstr("foreign.json:3:"),
                    HasSubstr("several policies and other servers in an environment: not yet")));
}

TEST(EnvironmentCheckTest, TheDigestIsOfWhatWasReadAndNotOfWhereItLay) {
  const auto digest = [](const std::string& path, const std::string& prompt) {
    const auto graph = agents::ParseGraph(
        Text(kWriter,
             R"("draft": {"do": "generate", "role": "writer", "prompt": {"file": "p.prompt"}})",
             "$draft", ""),
        path, [&](const std::string&) { return absl::StatusOr<std::string>(prompt); });
    EXPECT_TRUE(graph.ok()) << graph.status();
    return EnvironmentDigest(graph->get());
  };
  EXPECT_EQ(digest("/a/g.json", "{{messages}}"), digest("/b/g.json", "{{messages}}"));
  EXPECT_NE(digest("/a/g.json", "{{messages}}"), digest("/a/g.json", "{{messages}}!"));
  EXPECT_EQ(EnvironmentDigest(nullptr), "");
}

TEST(EnvironmentCheckTest, TheGroupSizeOfALiveRunIsTheGraphsOwn) {
  v1::Alteration alteration;
  alteration.set_group_size(16);
  const auto changes = CheckAlteration(alteration, SimulatedSpec("draft_edit.json").spec, nullptr);
  EXPECT_THAT(std::string(changes.status().message()), HasSubstr("group_size: the nodes of the"));
}

}  // namespace
}  // namespace temper::orchestrator
