// Rows and fields as Python's csv module reads them; expectations were taken from it.
#include "reward/instruction/csv_reader.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::reward {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Row = std::vector<std::u32string>;

std::vector<Row> Rows(std::u32string_view text, char32_t delimiter = U',') {
  const auto rows = ReadCsv(text, delimiter);
  EXPECT_TRUE(rows.has_value());
  return rows.value_or(std::vector<Row>());
}

TEST(CsvReaderTest, ReadsRowsAndQuotes) {
  EXPECT_THAT(Rows(U"a,b\nc,\n"), ElementsAre(Row{U"a", U"b"}, Row{U"c", U""}));
  EXPECT_THAT(Rows(U"\"a,\"\"b\",c"), ElementsAre(Row{U"a,\"b", U"c"}));
  EXPECT_THAT(Rows(U"\"a\nb\",c"), ElementsAre(Row{U"a\nb", U"c"}));
  EXPECT_THAT(Rows(U"a\"b\",c"), ElementsAre(Row{U"a\"b\"", U"c"}));
  EXPECT_THAT(Rows(U"\"a\"b,c"), ElementsAre(Row{U"ab", U"c"}));
  EXPECT_THAT(Rows(U"a\tb", U'\t'), ElementsAre(Row{U"a", U"b"}));
}

TEST(CsvReaderTest, TakesAnEmptyLineForARowOfNothing) {
  EXPECT_THAT(Rows(U""), IsEmpty());
  EXPECT_THAT(Rows(U"a\n\nb"), ElementsAre(Row{U"a"}, Row{}, Row{U"b"}));
  EXPECT_THAT(Rows(U"a\r\nb\r\n"), ElementsAre(Row{U"a"}, Row{U"b"}));
}

TEST(CsvReaderTest, EndsAnOpenQuoteWithTheText) {
  EXPECT_THAT(Rows(U"a,\"b"), ElementsAre(Row{U"a", U"b"}));
  EXPECT_THAT(Rows(U"\""), ElementsAre(Row{U""}));
}

TEST(CsvReaderTest, RefusesWhatPythonRefuses) {
  EXPECT_FALSE(ReadCsv(U"a\rb", U',').has_value());
  EXPECT_FALSE(ReadCsv(std::u32string(131073, U'x'), U',').has_value());
  EXPECT_TRUE(ReadCsv(std::u32string(131072, U'x'), U',').has_value());
}

}  // namespace
}  // namespace temper::reward
