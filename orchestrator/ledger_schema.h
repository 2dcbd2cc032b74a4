// The tables of a ledger. A change that an older program cannot read raises kLedgerSchemaVersion.
#pragma once

namespace temper::orchestrator {

inline constexpr int kLedgerSchemaVersion = 3;
inline constexpr int kLedgerApplicationId = 0x746d7072;  // "tmpr"

// samples.state holds SampleState. What a sample said stands in episodes: written once, in the
// order of arrival, while the small rows of samples change. Token columns are little-endian int32,
// float32 and int64 arrays; episodes.checksum covers them and the text and goes with them to other
// files. Every page has a checksum too (checked_pages.h). leases only grows.
inline constexpr char kLedgerSchema[] = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE groups (
  id INTEGER PRIMARY KEY, step INTEGER NOT NULL, evaluation INTEGER NOT NULL,
  prompt_id TEXT NOT NULL, prompt TEXT NOT NULL, chat TEXT NOT NULL, answer TEXT NOT NULL,
  metadata TEXT NOT NULL, size INTEGER NOT NULL, dropped_reason TEXT);
CREATE INDEX groups_by_step ON groups (evaluation, step);
CREATE INDEX groups_by_prompt ON groups (prompt_id);
CREATE TABLE episodes (
  id INTEGER PRIMARY KEY, group_id INTEGER NOT NULL, number INTEGER NOT NULL,
  finish INTEGER NOT NULL, entropy_sum REAL NOT NULL, checksum BLOB NOT NULL,
  prompt_tokens BLOB NOT NULL, tokens BLOB NOT NULL, logprobs BLOB NOT NULL,
  versions BLOB NOT NULL, forced BLOB NOT NULL, text TEXT NOT NULL);
CREATE TABLE samples (
  group_id INTEGER NOT NULL REFERENCES groups (id), number INTEGER NOT NULL,
  state INTEGER NOT NULL, epoch INTEGER NOT NULL DEFAULT 0, worker TEXT NOT NULL DEFAULT '',
  episode INTEGER REFERENCES episodes (id),
  score REAL, score_reason TEXT, score_parts BLOB,
  PRIMARY KEY (group_id, number)) WITHOUT ROWID;
CREATE TABLE leases (
  epoch INTEGER PRIMARY KEY, group_id INTEGER NOT NULL REFERENCES groups (id),
  worker TEXT NOT NULL, samples INTEGER NOT NULL);
CREATE TABLE batches (step INTEGER PRIMARY KEY, options BLOB NOT NULL, digest BLOB NOT NULL);
CREATE TABLE batch_entries (
  step INTEGER NOT NULL REFERENCES batches (step), position INTEGER NOT NULL,
  group_id INTEGER NOT NULL, number INTEGER NOT NULL, advantage REAL NOT NULL,
  PRIMARY KEY (step, position), UNIQUE (group_id, number),
  FOREIGN KEY (group_id, number) REFERENCES samples (group_id, number)) WITHOUT ROWID;
CREATE TABLE steps (
  step INTEGER PRIMARY KEY, metrics TEXT NOT NULL, weights_digest BLOB NOT NULL,
  skipped INTEGER NOT NULL);
CREATE TABLE evaluations (version INTEGER PRIMARY KEY, result TEXT NOT NULL);
CREATE TABLE checkpoints (
  version INTEGER PRIMARY KEY, path TEXT NOT NULL, sha256 TEXT NOT NULL,
  pinned INTEGER NOT NULL DEFAULT 0);
CREATE TABLE events (sequence INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, event TEXT NOT NULL);
CREATE TABLE alterations (
  id INTEGER PRIMARY KEY, from_version INTEGER NOT NULL, alteration TEXT NOT NULL);
CREATE TABLE quarantined (prompt_id TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE requests (
  request_id TEXT PRIMARY KEY, digest BLOB NOT NULL, response BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE spans (
  id INTEGER PRIMARY KEY, version INTEGER NOT NULL, worker TEXT NOT NULL, kind TEXT NOT NULL,
  name TEXT NOT NULL, from_us INTEGER NOT NULL, to_us INTEGER NOT NULL, error TEXT NOT NULL);
CREATE INDEX spans_by_version ON spans (version);
)sql";

}  // namespace temper::orchestrator
