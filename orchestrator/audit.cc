// The invariants of a ledger, one query each.
#include "orchestrator/audit.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace temper::orchestrator {
namespace {

constexpr int kShownMax = 20;

// Each query returns what breaks the rule, in up to three whole numbers.
struct Rule {
  const char* broken;  // "$1", "$2", "$3" are the columns
  const char* sql;
};

// The steps of a fork count from the version that it began with.
#define TEMPER_BASE_VERSION \
  "(SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = 'base_version')"
#define TEMPER_NEXT_STEP "((SELECT count(*) FROM steps) + " TEMPER_BASE_VERSION ")"

constexpr Rule kRules[] = {
    {"group $1 has $2 samples, expected $3",
     "SELECT g.id, count(s.number), g.size FROM groups g LEFT JOIN samples s ON s.group_id = g.id "
     "GROUP BY g.id HAVING count(s.number) != g.size OR (g.size > 0 AND max(s.number) != g.size - "
     "1) OR min(s.number) < 0"},
    {"group $1 sample $2 has state $3, which no sample may have",
     "SELECT group_id, number, state FROM samples WHERE state NOT BETWEEN 0 AND 4"},
    {"group $1 sample $2 is issued but holds tokens",
     "SELECT group_id, number, 0 FROM samples WHERE state = 0 AND tokens IS NOT NULL"},
    {"group $1 sample $2 is past generated but holds no tokens",
     "SELECT group_id, number, 0 FROM samples WHERE state IN (1, 2, 3) AND (tokens IS NULL OR "
     "checksum IS NULL OR length(tokens) = 0)"},
    {"group $1 sample $2 has other counts of tokens and log-probs",
     "SELECT group_id, number, 0 FROM samples WHERE tokens IS NOT NULL AND length(tokens) != "
     "length(logprobs)"},
    {"group $1 sample $2 is scored without a score in [0, 1]",
     "SELECT group_id, number, 0 FROM samples WHERE state IN (2, 3) AND (score IS NULL OR NOT "
     "score BETWEEN 0 AND 1)"},
    {"group $1 sample $2 was generated under epoch $3, which leased it to nobody",
     "SELECT s.group_id, s.number, s.epoch FROM samples s LEFT JOIN leases l ON l.epoch = s.epoch "
     "WHERE s.tokens IS NOT NULL AND (l.epoch IS NULL OR l.group_id != s.group_id OR l.worker != "
     "s.worker)"},
    {"group $1 sample $2 is trained but stands in no batch of a recorded step",
     "SELECT s.group_id, s.number, 0 FROM samples s WHERE s.state = 3 AND NOT EXISTS (SELECT 1 "
     "FROM "
     "batch_entries b JOIN steps t ON t.step = b.step WHERE b.group_id = s.group_id AND b.number = "
     "s.number)"},
    {"group $1 sample $2 stands in the batch of recorded step $3 but is not trained",
     "SELECT b.group_id, b.number, b.step FROM batch_entries b JOIN steps t ON t.step = b.step "
     "LEFT "
     "JOIN samples s ON s.group_id = b.group_id AND s.number = b.number WHERE s.state IS NOT 3"},
    {"group $1 sample $2 stands in two batches",
     "SELECT group_id, number, 0 FROM batch_entries GROUP BY group_id, number HAVING count(*) > 1"},
    {"group $1 sample $2 stands in the batch of step $3, which is not its group's step",
     "SELECT b.group_id, b.number, b.step FROM batch_entries b JOIN groups g ON g.id = b.group_id "
     "WHERE g.step != b.step OR g.evaluation != 0"},
    {"evaluation group $1 sample $2 is trained",
     "SELECT s.group_id, s.number, 0 FROM samples s JOIN groups g ON g.id = s.group_id WHERE "
     "g.evaluation != 0 AND s.state = 3"},
    {"group $1 sample $2 was left behind by recorded step $3",
     "SELECT s.group_id, s.number, g.step FROM samples s JOIN groups g ON g.id = s.group_id JOIN "
     "steps t ON t.step = g.step WHERE g.evaluation = 0 AND s.state NOT IN (3, 4)"},
    {"evaluation group $1 sample $2 of version $3 was left behind",
     "SELECT s.group_id, s.number, g.step FROM samples s JOIN groups g ON g.id = s.group_id JOIN "
     "evaluations e ON e.version = g.step WHERE g.evaluation != 0 AND s.state NOT IN (2, 4)"},
    {"group $1 sample $2 is dropped without a reason, or its group is dropped without it",
     "SELECT s.group_id, s.number, 0 FROM samples s JOIN groups g ON g.id = s.group_id WHERE "
     "(s.state = 4) != (g.dropped_reason IS NOT NULL)"},
    {"the steps have a hole before step $1",
     "SELECT step, 0, 0 FROM steps WHERE step > " TEMPER_BASE_VERSION
     " AND step - 1 NOT IN (SELECT step FROM steps)"},
    {"step $1 was made before version $2, with which the run begins",
     "SELECT step, " TEMPER_BASE_VERSION ", 0 FROM steps WHERE step < " TEMPER_BASE_VERSION},
    {"the events have a hole before $1",
     "SELECT sequence, 0, 0 FROM events WHERE sequence > 1 AND sequence - 1 NOT IN (SELECT "
     "sequence "
     "FROM events)"},
    {"the batch of step $1 lies beyond the next step $2",
     "SELECT step, " TEMPER_NEXT_STEP ", 0 FROM batches WHERE step > " TEMPER_NEXT_STEP},
    {"the positions in the batch of step $1 have holes",
     "SELECT step, 0, 0 FROM batch_entries GROUP BY step HAVING max(position) != count(*) - 1"},
    {"checkpoint $1 is of a version that was never made",
     "SELECT version, 0, 0 FROM checkpoints WHERE version > " TEMPER_NEXT_STEP
     " OR version < " TEMPER_BASE_VERSION},
    {"evaluation $1 is of a version that was never made",
     "SELECT version, 0, 0 FROM evaluations WHERE version > " TEMPER_NEXT_STEP
     " OR version < " TEMPER_BASE_VERSION},
    {"a row of another table names something that is not there (rowid $1)",
     "SELECT rowid, 0, 0 FROM pragma_foreign_key_check"},
};

#undef TEMPER_NEXT_STEP
#undef TEMPER_BASE_VERSION

class Auditor {
 public:
  explicit Auditor(Ledger& ledger) : ledger_(ledger), database_(ledger.database()) {}

  absl::StatusOr<AuditReport> Run() {
    TEMPER_RETURN_IF_ERROR(CountEverything());
    TEMPER_RETURN_IF_ERROR(CheckFile());
    for (const Rule& rule : kRules) TEMPER_RETURN_IF_ERROR(Check(rule));
    TEMPER_RETURN_IF_ERROR(CheckBytes());
    TEMPER_RETURN_IF_ERROR(CheckBatches());
    return std::move(report_);
  }

 private:
  absl::Status CountStates(bool evaluation, std::map<std::string, int64_t>& counts) {
    for (int state = 0; state <= 4; ++state) {
      TEMPER_ASSIGN_OR_RETURN(
          counts[std::string(SampleStateName(static_cast<SampleState>(state)))],
          database_.Count("SELECT count(*) FROM samples s JOIN groups g ON g.id = s.group_id WHERE "
                          "g.evaluation = ? AND s.state = ?",
                          {int64_t{evaluation}, int64_t{state}}));
    }
    return absl::OkStatus();
  }

  absl::Status CountEverything() {
    TEMPER_RETURN_IF_ERROR(CountStates(false, report_.samples));
    TEMPER_RETURN_IF_ERROR(CountStates(true, report_.evaluation_samples));
    const std::pair<int64_t*, const char*> counts[] = {
        {&report_.groups, "SELECT count(*) FROM groups"},
        {&report_.groups_dropped, "SELECT count(*) FROM groups WHERE dropped_reason IS NOT NULL"},
        {&report_.steps, "SELECT count(*) FROM steps"},
        {&report_.evaluations, "SELECT count(*) FROM evaluations"},
        {&report_.checkpoints, "SELECT count(*) FROM checkpoints"},
        {&report_.leases, "SELECT count(*) FROM leases"},
        {&report_.late, "SELECT value FROM meta WHERE key = 'late'"},
        {&report_.events, "SELECT count(*) FROM events"},
    };
    for (const auto& [count, sql] : counts) {
      TEMPER_ASSIGN_OR_RETURN(*count, database_.Count(sql));
    }
    TEMPER_ASSIGN_OR_RETURN(const int64_t state,
                            database_.Count("SELECT value FROM meta WHERE key = 'state'"));
    report_.state = v1::RunState_Name(static_cast<v1::RunState>(state));
    return absl::OkStatus();
  }

  absl::Status CheckFile() {
    TEMPER_ASSIGN_OR_RETURN(auto rows, database_.Query("PRAGMA integrity_check(5)"));
    for (;;) {
      TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
      if (!more) return absl::OkStatus();
      if (rows.Bytes(0) != "ok") report_.violations.push_back(rows.Bytes(0));
    }
  }

  absl::Status Check(const Rule& rule) {
    TEMPER_ASSIGN_OR_RETURN(auto rows, database_.Query(rule.sql));
    for (int shown = 0; shown < kShownMax; ++shown) {
      TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
      if (!more) return absl::OkStatus();
      std::string text;
      for (const char* at = rule.broken; *at != '\0'; ++at) {
        if (*at == '$') {
          absl::StrAppend(&text, rows.Int(*++at - '1'));
        } else {
          text += *at;
        }
      }
      report_.violations.push_back(std::move(text));
    }
    return absl::OkStatus();
  }

  // Checksums, and the version each token was made under: the one its step trains from.
  absl::Status CheckBytes() {
    TEMPER_ASSIGN_OR_RETURN(
        auto rows,
        database_.Query("SELECT prompt_tokens, tokens, logprobs, versions, forced, text, "
                        "checksum, s.group_id, s.number, g.step FROM samples s JOIN "
                        "groups g ON g.id = s.group_id WHERE tokens IS NOT NULL"));
    for (int shown = 0; shown < kShownMax;) {
      TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
      if (!more) break;
      const std::string prompt = rows.Bytes(0), tokens = rows.Bytes(1), logprobs = rows.Bytes(2),
                        versions = rows.Bytes(3), forced = rows.Bytes(4), text = rows.Bytes(5);
      const std::string name = absl::StrCat("group ", rows.Int(7), " sample ", rows.Int(8));
      if (EpisodeChecksum({prompt, tokens, logprobs, versions, forced, text}) != rows.Bytes(6)) {
        report_.violations.push_back(absl::StrCat(name, ": its bytes differ from their checksum"));
        ++shown;
        continue;
      }
      const size_t tokens_made = tokens.size() / sizeof(int32_t);
      const size_t versions_said = versions.size() / sizeof(int64_t);
      bool honest = versions_said == 1 || versions_said == tokens_made;
      for (size_t i = 0; i < versions_said; ++i) {
        int64_t version;
        std::memcpy(&version, versions.data() + i * sizeof(version), sizeof(version));
        honest = honest && version == rows.Int(9);
      }
      if (honest) continue;
      report_.violations.push_back(
          absl::StrCat(name, ": made under other weights than version ", rows.Int(9)));
      ++shown;
    }
    return absl::OkStatus();
  }

  absl::Status CheckBatches() {
    std::vector<int64_t> steps;
    {
      TEMPER_ASSIGN_OR_RETURN(auto rows, database_.Query("SELECT step FROM batches ORDER BY step"));
      for (;;) {
        TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
        if (!more) break;
        steps.push_back(rows.Int(0));
      }
    }
    for (const int64_t step : steps) {
      const absl::StatusOr<v1::TrainRequest> request = ledger_.ReadTrainRequest(step);
      if (!request.ok()) report_.violations.emplace_back(request.status().message());
    }
    return absl::OkStatus();
  }

  Ledger& ledger_;
  Database& database_;
  AuditReport report_;
};

}  // namespace

absl::StatusOr<AuditReport> Audit(Ledger& ledger) { return Auditor(ledger).Run(); }

}  // namespace temper::orchestrator
