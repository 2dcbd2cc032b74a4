// CSV of numbers only: a quotation mark is refused rather than misread.
#include "agents/eval/formats/alpaca_annotation.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agents/eval/formats/records.h"
#include "agents/select/judgement/reply_text.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> places;
};

absl::StatusOr<Table> ReadTable(std::string_view csv, const std::string& path) {
  Table table;
  const std::vector<std::string> lines = absl::StrSplit(std::string(csv), '\n');
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string line(absl::StripAsciiWhitespace(lines[i]));
    if (line.empty()) continue;
    const std::string place = absl::StrCat(path, ":", i + 1);
    if (line.find('"') != line.npos) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": a quotation mark, expected plain numbers and names"));
    }
    std::vector<std::string> fields = absl::StrSplit(line, ',');
    if (table.columns.empty()) {
      table.columns = std::move(fields);
      continue;
    }
    if (fields.size() != table.columns.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": ", fields.size(), " fields, expected ", table.columns.size()));
    }
    table.rows.push_back(std::move(fields));
    table.places.push_back(place);
  }
  if (table.rows.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": no rows"));
  return table;
}

absl::StatusOr<size_t> ColumnOf(const Table& table, const std::string& path, const char* name) {
  const auto at = std::find(table.columns.begin(), table.columns.end(), name);
  if (at == table.columns.end()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": no column \"", name, "\""));
  }
  return static_cast<size_t>(at - table.columns.begin());
}

absl::StatusOr<double> NumberIn(const Table& table, size_t row, size_t column) {
  const std::optional<double> number = ReadDecimal(table.rows[row][column]);
  if (number.has_value()) return *number;
  return absl::InvalidArgumentError(absl::StrCat(table.places[row], ": ", table.columns[column],
                                                 ": found ", HeadOf(table.rows[row][column]),
                                                 ", expected a number"));
}

// 1, 1.5 (or 0: a tie, in old files), 2 as 0, 0.5, 1.
std::optional<double> Share(const std::optional<double>& preference) {
  if (!preference.has_value()) return std::nullopt;
  if (*preference == 0) return 0.5;
  if (*preference < 1 || *preference > 2) return std::nullopt;
  return *preference - 1;
}

}  // namespace

nlohmann::ordered_json AlpacaAnnotationRecord(const AlpacaAnnotation& annotation) {
  return {{"index", annotation.index},
          {"instruction", annotation.instruction},
          {"output_1", annotation.output_1},
          {"generator_1", annotation.generator_1},
          {"output_2", annotation.output_2},
          {"generator_2", annotation.generator_2},
          {"annotator", annotation.annotator},
          {"preference", annotation.preference.has_value()
                             ? nlohmann::ordered_json(*annotation.preference + 1)
                             : nlohmann::ordered_json(nullptr)}};
}

absl::StatusOr<std::vector<AlpacaAnnotation>> ReadAlpacaAnnotations(std::string_view text,
                                                                    const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<EvalRecord> records, ReadRecords(text, path));
  std::vector<AlpacaAnnotation> annotations;
  for (const EvalRecord& record : records) {
    AlpacaAnnotation annotation;
    annotation.index = static_cast<int64_t>(
        FiniteAt(record.json, "index").value_or(static_cast<double>(annotations.size())));
    TEMPER_ASSIGN_OR_RETURN(annotation.instruction, TextAt(record, "instruction"));
    TEMPER_ASSIGN_OR_RETURN(annotation.output_1, TextAt(record, "output_1"));
    TEMPER_ASSIGN_OR_RETURN(annotation.output_2, TextAt(record, "output_2"));
    annotation.generator_1 = TextOr(record.json, "generator_1");
    annotation.generator_2 = TextOr(record.json, "generator_2");
    annotation.annotator = TextOr(record.json, "annotator");
    annotation.preference = Share(FiniteAt(record.json, "preference"));
    annotations.push_back(std::move(annotation));
  }
  return annotations;
}

absl::StatusOr<std::map<int64_t, double>> ReadInstructionDifficulty(std::string_view csv,
                                                                    const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const Table table, ReadTable(csv, path));
  TEMPER_ASSIGN_OR_RETURN(const size_t column, ColumnOf(table, path, "instruction_difficulty"));
  std::map<int64_t, double> difficulty;
  for (size_t row = 0; row < table.rows.size(); ++row) {
    TEMPER_ASSIGN_OR_RETURN(const double index, NumberIn(table, row, 0));
    TEMPER_ASSIGN_OR_RETURN(const double value, NumberIn(table, row, column));
    difficulty[static_cast<int64_t>(std::llround(index))] = value;
  }
  return difficulty;
}

absl::StatusOr<std::vector<GamedRow>> ReadGamedRows(std::string_view csv, const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const Table table, ReadTable(csv, path));
  TEMPER_ASSIGN_OR_RETURN(const size_t preference, ColumnOf(table, path, "preference"));
  TEMPER_ASSIGN_OR_RETURN(const size_t length, ColumnOf(table, path, "std_delta_len"));
  TEMPER_ASSIGN_OR_RETURN(const size_t difficulty, ColumnOf(table, path, "instruction_difficulty"));
  TEMPER_ASSIGN_OR_RETURN(const size_t baseline, ColumnOf(table, path, "not_gamed_baseline"));
  std::vector<GamedRow> rows;
  for (size_t row = 0; row < table.rows.size(); ++row) {
    GamedRow gamed;
    TEMPER_ASSIGN_OR_RETURN(gamed.preference, NumberIn(table, row, preference));
    TEMPER_ASSIGN_OR_RETURN(gamed.std_delta_len, NumberIn(table, row, length));
    TEMPER_ASSIGN_OR_RETURN(gamed.difficulty, NumberIn(table, row, difficulty));
    const std::string flag = absl::AsciiStrToLower(table.rows[row][baseline]);
    gamed.not_gamed_baseline = flag == "true" || flag == "1" || flag == "1.0";
    if (gamed.preference < 0 || gamed.preference > 1) {
      return absl::InvalidArgumentError(
          absl::StrCat(table.places[row], ": preference ", gamed.preference, ", expected 0 to 1"));
    }
    rows.push_back(gamed);
  }
  return rows;
}

}  // namespace temper::agents
