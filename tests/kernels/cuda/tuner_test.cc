// Only algorithms that show the same bits everywhere are admitted, the fastest of them is chosen;
// the file of what was chosen is believed whole or not at all.
#include "kernels/cuda/tuner.h"

#include <cmath>
#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::kernels::cuda {
namespace {

using testing::HasSubstr;

Algorithm Named(uint64_t id) { return {.record = {id, ~id}, .label = "id " + std::to_string(id)}; }
std::vector<Algorithm> Named(std::initializer_list<uint64_t> ids) {
  std::vector<Algorithm> all;
  for (const uint64_t id : ids) all.push_back(Named(id));
  return all;
}

// Algorithms by id: other bits, or a refusal, where a function says so; seconds as listed.
class FakeDevice {
 public:
  std::map<uint64_t, std::function<bool(int64_t rows, int64_t place)>> differs, refuses;
  std::map<uint64_t, double> seconds_a_row;
  std::vector<uint32_t> own_bits = {7, 7, 7};
  std::function<double(int64_t rows)> own_seconds = [](int64_t rows) {
    return 1e6 * static_cast<double>(rows);
  };
  std::vector<int64_t> seen_rows;

  Choice Choose(std::initializer_list<uint64_t> ids, const TunerPlan& plan = {},
                const std::function<double(int64_t rows)>& seconds = nullptr) {
    AlgorithmProbe probe;
    probe.row_bits = [this](const Algorithm& algorithm, int64_t rows,
                            int64_t place) -> std::optional<std::vector<uint32_t>> {
      EXPECT_GE(place, 0);
      EXPECT_LT(place, rows);
      seen_rows.push_back(rows);
      const uint64_t id = algorithm.record[0];
      if (refuses.contains(id) && refuses[id](rows, place)) return std::nullopt;
      const bool other = differs.contains(id) && differs[id](rows, place);
      return std::vector<uint32_t>{1, 2, other ? 4u : 3u};
    };
    probe.seconds = [&](const Algorithm& algorithm, int64_t rows) {
      if (seconds != nullptr) return seconds(rows);
      return seconds_a_row[algorithm.record[0]] * static_cast<double>(rows);
    };
    probe.own_row_bits = [this] { return own_bits; };
    probe.own_seconds = own_seconds;
    return ChooseAlgorithm(Named(ids), probe, plan);
  }
};

TEST(TunerTest, ChoosesTheFastestOfThoseAdmitted) {
  FakeDevice device;
  device.seconds_a_row = {{1, 3.0}, {2, 1.0}, {3, 2.0}};
  device.differs[2] = [](int64_t rows, int64_t) { return rows == 4096; };
  const Choice choice = device.Choose({1, 2, 3});
  EXPECT_EQ(choice.chosen, 2u);
  EXPECT_TRUE(choice.verdicts[0].admitted);
  EXPECT_FALSE(choice.verdicts[1].admitted);
  EXPECT_THAT(choice.verdicts[1].why_not, HasSubstr("other bits for row 0 of 4096"));
  EXPECT_GT(choice.verdicts[0].cost, choice.verdicts[2].cost);
}

TEST(TunerTest, ProbesEveryNumberOfRowsAtSeveralPlaces) {
  for (const int64_t rows : TunerPlan().probed_rows) {
    FakeDevice device;
    device.differs[1] = [&](int64_t count, int64_t) { return count == rows; };
    // Of the first probe's one place there is nothing to differ from.
    EXPECT_EQ(device.Choose({1}).chosen.has_value(), false) << rows;
    device.differs[1] = [&](int64_t count, int64_t place) {
      return count == rows && place == count - 1 && count > 1;
    };
    EXPECT_EQ(device.Choose({1}).chosen.has_value(), rows == 1) << rows;
  }
}

TEST(TunerTest, ProbePlacesAreWithinTheRowsAndReachBothEnds) {
  EXPECT_EQ(ProbePlaces(1), std::vector<int64_t>{0});
  EXPECT_EQ(ProbePlaces(2), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(ProbePlaces(17), (std::vector<int64_t>{0, 1, 7, 8, 16}));
  EXPECT_EQ(ProbePlaces(4096), (std::vector<int64_t>{0, 1, 7, 8, 63, 64, 129, 2048, 4095}));
}

TEST(TunerTest, RefusesWhatDoesNotRunEverywhere) {
  FakeDevice device;
  device.refuses[1] = [](int64_t rows, int64_t) { return rows == 512; };
  const Choice choice = device.Choose({1});
  EXPECT_FALSE(choice.chosen.has_value());
  EXPECT_THAT(choice.verdicts[0].why_not, HasSubstr("512 rows"));
}

TEST(TunerTest, OfEqualsTheFirstIsChosen) {
  FakeDevice device;
  device.seconds_a_row = {{5, 1.0}, {6, 1.0}, {4, 2.0}};
  EXPECT_EQ(device.Choose({4, 5, 6}).chosen, 1u);
}

TEST(TunerTest, WeighsTheNumbersOfRows) {
  FakeDevice device;
  TunerPlan plan;
  plan.probed_rows = {1, 16};
  plan.timed = {{1, 100}, {1000, 1}};
  device.seconds_a_row = {{1, 2.0}};
  const Choice choice = device.Choose({1}, plan);
  EXPECT_EQ(choice.verdicts[0].cost, 100 * 2.0 + 1000 * 2.0);
}

TEST(TunerTest, ATimeThatIsNoNumberIsRefused) {
  FakeDevice device;
  device.seconds_a_row = {{1, NAN}, {2, INFINITY}, {3, 1.0}};
  EXPECT_EQ(device.Choose({1, 2, 3}).chosen, 2u);
}

TEST(TunerTest, WithOurOwnBitsFewRowsAreOursIfWeAreFaster) {
  FakeDevice device;
  TunerPlan plan;
  plan.timed = {{64, 1}, {1, 1}, {512, 1}, {8, 1}};  // in any order
  device.own_bits = {1, 2, 3};
  // Ours: 1, 2, 50, 1000; the library's: 10, 10, 10, 10.
  device.own_seconds = [](int64_t rows) {
    return rows == 1 ? 1.0 : rows == 8 ? 2.0 : rows == 64 ? 50.0 : 1000.0;
  };
  Choice choice = device.Choose({1}, plan, [](int64_t) { return 10.0; });
  ASSERT_EQ(choice.chosen, 0u);
  EXPECT_TRUE(choice.verdicts[0].own_bits);
  EXPECT_EQ(choice.pinned.from_rows, 9);
  EXPECT_EQ(choice.pinned.record, Named(1).record);
  EXPECT_EQ(choice.verdicts[0].cost, 1 + 2 + 10 + 10);
  EXPECT_EQ(choice.own_cost, 1 + 2 + 50 + 1000);

  device.own_bits = {1, 2, 4};  // others: the library has all or nothing
  choice = device.Choose({1}, plan, [](int64_t) { return 10.0; });
  ASSERT_EQ(choice.chosen, 0u);
  EXPECT_EQ(choice.pinned.from_rows, 1);
  EXPECT_EQ(choice.verdicts[0].cost, 40);
}

TEST(TunerTest, WhatCostsMoreThanOurOwnKernelsIsNotChosen) {
  FakeDevice device;
  device.seconds_a_row = {{1, 2.0}};
  device.own_seconds = [](int64_t rows) { return static_cast<double>(rows); };
  for (const bool own_bits : {false, true}) {
    if (own_bits) device.own_bits = {1, 2, 3};
    const Choice choice = device.Choose({1});
    EXPECT_FALSE(choice.chosen.has_value());
    EXPECT_TRUE(choice.verdicts[0].admitted);
  }
}

TEST(TunerTest, NoCandidatesNoChoice) {
  FakeDevice device;
  const Choice choice = device.Choose({});
  EXPECT_FALSE(choice.chosen.has_value());
  EXPECT_TRUE(choice.verdicts.empty());
}

// ---- the file
AlgorithmKey Key(const std::string& device, int64_t out, Direction direction) {
  return {.device = device,
          .major = 9,
          .minor = 0,
          .library_version = 130001,
          .out = out,
          .in = 4096,
          .direction = direction};
}
Algorithm From(int64_t rows, Algorithm algorithm) {
  algorithm.from_rows = rows;
  return algorithm;
}
AlgorithmTable SomeTable() {
  return {{Key("NVIDIA H200", 4096, Direction::kForward), Named(7)},
          {Key("NVIDIA H200", 4096, Direction::kBackwardInput), From(65, Named(8))},
          {Key("NVIDIA A100-SXM4-80GB", 4096, Direction::kForward), Named(9)}};
}
bool Same(const AlgorithmTable& a, const AlgorithmTable& b) {
  return FormatTable(a) == FormatTable(b);
}
std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

TEST(AlgorithmTableTest, ComesBackAsItWas) {
  const absl::StatusOr<AlgorithmTable> parsed = ParseTable(FormatTable(SomeTable()));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(Same(*parsed, SomeTable()));
  const Algorithm& one = parsed->at(Key("NVIDIA H200", 4096, Direction::kBackwardInput));
  EXPECT_EQ(one.record, Named(8).record);
  EXPECT_EQ(one.label, "id 8");
  EXPECT_EQ(one.from_rows, 65);
  EXPECT_TRUE(ParseTable(FormatTable({}))->empty());
}

TEST(AlgorithmTableTest, NamesWithTabsAndLineBreaksAreWrittenWithSpaces) {
  Algorithm algorithm = Named(1);
  algorithm.label = "a\tb\nc";
  const AlgorithmTable table = {{Key("odd\tname", 8, Direction::kForward), algorithm}};
  const absl::StatusOr<AlgorithmTable> parsed = ParseTable(FormatTable(table));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->at(Key("odd name", 8, Direction::kForward)).label, "a b c");
}

TEST(AlgorithmTableTest, EveryChangedByteIsRefused) {
  const std::string text = FormatTable(SomeTable());
  for (size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = damaged[i] == '7' ? '8' : '7';
    EXPECT_FALSE(ParseTable(damaged).ok()) << i;
    damaged = text;
    damaged.erase(i, 1);
    EXPECT_FALSE(ParseTable(damaged).ok()) << i;
  }
}

TEST(AlgorithmTableTest, AFileThatWasCutOffIsRefusedUnlessBetweenLines) {
  const std::string text = FormatTable(SomeTable());
  for (size_t length = 0; length < text.size(); ++length) {
    const bool whole_lines = length > 0 && text[length - 1] == '\n';
    EXPECT_EQ(ParseTable(text.substr(0, length)).ok(), whole_lines) << length;
  }
}

TEST(AlgorithmTableTest, SaysWhichLineIsDamagedAndHow) {
  const std::string text = FormatTable(SomeTable());
  const size_t second_line = text.find('\n') + 1;
  const auto refusal = [](const std::string& damaged) {
    return std::string(ParseTable(damaged).status().message());
  };
  EXPECT_THAT(refusal("something else\n"), HasSubstr("line 1"));
  EXPECT_THAT(refusal(text + text.substr(second_line)), HasSubstr("line 5: a second entry"));
  EXPECT_THAT(refusal(text + "short\tline\n"), HasSubstr("line 5: 2 fields where there are 11"));
  EXPECT_THAT(refusal(text + "\n"), HasSubstr("line 5: 1 fields"));
  std::string flipped = text;
  flipped[flipped.rfind("id 8")] = 'I';
  EXPECT_THAT(refusal(flipped), HasSubstr("checksum"));
}

// With a checksum that fits, so that what it stands for is looked at.
TEST(AlgorithmTableTest, NumbersAndWordsMustMakeSense) {
  AlgorithmTable table;
  const auto refused = [&](AlgorithmKey key, const std::string& why) {
    const absl::StatusOr<AlgorithmTable> parsed = ParseTable(FormatTable({{key, Named(1)}}));
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(why));
  };
  const AlgorithmKey good = Key("GPU", 8, Direction::kForward);
  AlgorithmKey key = good;
  key.out = 0;
  refused(key, "the out \"0\" is not a number from 1");
  key = good;
  key.in = -8;
  refused(key, "the in \"-8\"");
  key = good;
  key.device = "";
  refused(key, "no name");
  key = good;
  key.major = 0;
  refused(key, "compute capability");
  key = good;
  key.library_version = 0;
  refused(key, "version");
}

class AlgorithmFileTest : public testing::Test {
 protected:
  const std::string path_ = testing::TempDir() + "temper_tuner_test_algorithms";
  void SetUp() override { std::remove(path_.c_str()); }
  void TearDown() override { std::remove(path_.c_str()); }
};

TEST_F(AlgorithmFileTest, AFileThatIsNotThereIsAnEmptyTable) {
  const absl::StatusOr<AlgorithmTable> table = ReadTable(path_);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_TRUE(table->empty());
}

TEST_F(AlgorithmFileTest, OtherDevicesEntriesStayWhenOneIsChanged) {
  ASSERT_TRUE(WriteTable(path_, SomeTable()).ok());
  absl::StatusOr<AlgorithmTable> table = ReadTable(path_);
  ASSERT_TRUE(table.ok()) << table.status();
  (*table)[Key("NVIDIA H200", 4096, Direction::kForward)] = Named(70);
  ASSERT_TRUE(WriteTable(path_, *table).ok());
  table = ReadTable(path_);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->size(), 3u);
  EXPECT_EQ(table->at(Key("NVIDIA H200", 4096, Direction::kForward)).record, Named(70).record);
  EXPECT_EQ(table->at(Key("NVIDIA A100-SXM4-80GB", 4096, Direction::kForward)).record,
            Named(9).record);
}

TEST_F(AlgorithmFileTest, ADamagedFileIsNamedAndLeftAsItIs) {
  const std::string damaged = FormatTable(SomeTable()) + "x";
  std::ofstream(path_, std::ios::binary) << damaged;
  const absl::StatusOr<AlgorithmTable> table = ReadTable(path_);
  EXPECT_EQ(table.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(table.status().message()), HasSubstr(path_));
  EXPECT_EQ(Contents(path_), damaged);
}

TEST_F(AlgorithmFileTest, WhereNothingCanBeWrittenItSaysSo) {
  const std::string nowhere = path_ + "/no/such/folder";
  EXPECT_THAT(std::string(WriteTable(nowhere, {}).message()), HasSubstr(nowhere));
}

}  // namespace
}  // namespace temper::kernels::cuda
