// What `temper inspect` prints of released models, from their config.json alone.
#include "orchestrator/cli/inspect_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace temper::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Inspected Released(const std::string& name) {
  const std::string path = std::string(TEMPER_TEST_DATA "/configs/") + name + "/config.json";
  auto config = model::ReadModelConfig(path);
  EXPECT_TRUE(config.ok()) << config.status();
  return {.path = path, .config = config.ok() ? *std::move(config) : model::ModelConfig()};
}

std::string Text(const std::string& name) {
  return DescriptionText(Describe(Released(name), std::nullopt));
}

TEST(InspectReportTest, PrintsParametersWithFourDigits) {
  const std::pair<const char*, const char*> table[] = {{"nemotron-h-4b", "4.489"},
                                                       {"nemotron-h-8b", "8.101"},
                                                       {"nemotron-h-47b", "46.79"},
                                                       {"nemotron-h-56b", "56.32"},
                                                       {"nemotron-nano-9b-v2", "8.888"},
                                                       {"nemotron-nano-12b-v2", "12.31"},
                                                       {"nemotron-3-nano-4b", "3.974"},
                                                       {"nemotron-3-nano-30b-a3b", "31.58"},
                                                       {"nemotron-3-super-120b-a12b", "120.7"},
                                                       {"nemotron-3-ultra-550b-a55b", "549.3"}};
  for (const auto& [name, billions] : table) {
    EXPECT_THAT(Text(name),
                HasSubstr(std::string("parameters           ") + billions + " billion"));
  }
}

TEST(InspectReportTest, ShowsWhatIsActiveAndWhatASequenceCosts) {
  const std::string text = Text("nemotron-3-super-120b-a12b");
  EXPECT_THAT(text, HasSubstr("12.77 billion; 12.23 billion without the look-up"));
  EXPECT_THAT(text, HasSubstr("160.0 MiB of SSM state"));
  EXPECT_THAT(text, HasSubstr("8.0 KiB of keys and values in bfloat16, 16.0 KiB in float32"));
  EXPECT_THAT(text, Not(HasSubstr("plan")));
}

TEST(InspectReportTest, PlansServingAndTraining) {
  const PlanQuestion question = {"8x80", {8, 80}, model::kBfloat16, 8192};
  const auto small = Describe(Released("nemotron-h-8b"), question);
  EXPECT_EQ(small["plan"]["serving"]["fits"], true);
  EXPECT_EQ(small["plan"]["training"]["fits"], true);
  const auto large = Describe(Released("nemotron-3-ultra-550b-a55b"), question);
  EXPECT_EQ(large["plan"]["serving"]["fits"], false);
  EXPECT_EQ(large["plan"]["serving"]["sequences"], 0);
  EXPECT_EQ(large["plan"]["training"]["accelerators_needed"], 128);
  EXPECT_THAT(DescriptionText(large), HasSubstr("serving            does not fit: weights"));
}

}  // namespace
}  // namespace temper::cli
