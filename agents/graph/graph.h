// A graph, read and checked: every name resolved, every axis known. Made by ReadGraph alone
// (graph_file.h); never changed afterwards; any thread.
//
// Values have axes. `n` above 1 gives a generate node an axis of its own, `each` the axes of what
// is named, a filter, a `select` that may keep several, a `score` of a list and a sub-graph that
// puts out a list an axis of their own (renumbered 0.. in index order), a round of a loop is an
// axis of the loop's body. A reader sees, of a value, the part that agrees with its own axes; axes
// that it lacks become a list in index order. Several references in a `from` are one list, one
// after another.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agents/graph/expression.h"
#include "agents/graph/prompt.h"
#include "agents/graph/reference.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

enum class RoleKind {
  kChat,    // text in, text out
  kReward,  // a conversation that ends with the candidate in, a number out
  kGenRm,   // a chat model that takes roles response_1 and response_2 (v1's text or v2's JSON)
};

struct Role {
  std::string name;
  Place place;
  std::string endpoint;  // "nim" of "nim:feedback-70b"
  std::string model;     // "feedback-70b"
  RoleKind kind = RoleKind::kChat;
  std::optional<double> temperature, top_p;
  int64_t max_tokens = 1024;
  std::vector<std::string> stop;
  std::optional<uint64_t> seed;
  nlohmann::ordered_json extra;  // further keys of the request's body, as the server knows them
};

enum class NodeKind { kGenerate, kScore, kSelect, kFilter, kTool, kAsk, kLoop, kGraph };

// An axis: which list an index counts in.
struct Axis {
  enum class Kind { kSamples, kKept, kRound, kCarry };
  Kind kind = Kind::kSamples;
  int node = -1;   // whose it is; kRound, kCarry: the loop
  int carry = -1;  // kCarry
  std::string name;
  std::optional<int64_t> size_max;  // where it is known before anything runs
};

// How a judge's answer becomes a number or a preference; agents/select/ reads it.
struct ParseRule {
  enum class Kind { kNone, kGenRm, kGenRmJson, kVerdict, kRating, kPattern, kPointer };
  Kind kind = Kind::kNone;
  std::string pattern;  // kPattern: RE2 with one group; kPointer: a JSON pointer
};

enum class By {
  kNone,
  // score
  kReward,
  kYesNo,
  kGenRm,
  kRubric,
  kTool,
  // select
  kScore,
  kKnockout,
  kLeague,
  kPairs,
  kVote,
  // filter
  kConstructive,
  kDedupe,
  kChanged,
  kRegex,
  kThreshold,
  kKeep,
};

struct Loop {
  struct Carry {
    std::string name;
    Place place;
    Reference initial;
    int node = -1;  // of the body, that sets it for the next round; also what "$name" means in
                    // stop_when: the value of the round that has just ended
    int axis = -1;  // where it is a list
  };
  std::vector<Carry> carries;  // the first is the loop's own value
  std::vector<int> body;       // indices of Graph::nodes, in an order in which edges point back
  int64_t rounds_max = 0;
  std::optional<Expression> stop_when;
  int patience = 1;  // rounds in a row in which stop_when must hold
  int round_axis = -1;
};

struct Node {
  std::string name;
  Place place;
  NodeKind kind = NodeKind::kGenerate;
  int loop = -1;  // in whose body it stands; -1: none
  // As canonical JSON, what decides a result and is seen in nothing else: do, by, principle, parse,
  // command, ... Not: n (a result is one sample's), need, enough, keep, timeouts, and references
  // and prompts (what they stand for is part of the identity itself). Nor the name: whoever forms
  // identities adds it, as two nodes that ask the same want different samples.
  std::string definition;

  std::optional<Reference> each;
  std::vector<Reference> after;
  std::optional<Expression> when;
  std::vector<int> instance_axes;  // ascending; one instance for each point of them
  std::vector<int> axes;           // of its value: instance_axes, and perhaps an own one
  int own_axis = -1;

  // generate; score and select with a judge (n: its votes on each candidate or pair; the prompt may
  // name "$it", in pairs "$first" and "$second"). The prompt also of ask: what is asked
  int role = -1;  // of Graph::roles
  int64_t n = 1;
  std::optional<int64_t> need;       // results without which the instance fails; default n
  std::optional<Expression> enough;  // looked at after every result
  std::optional<Prompt> prompt;

  // score, select, filter
  std::vector<Reference> from;
  std::optional<Reference> context;  // the conversation that candidates answer; where a judge needs
                                     // it and the file does not say: the input that is one
  By by = By::kNone;
  std::optional<int64_t> keep;
  bool swap = true;       // pairwise: both orders
  bool circular = false;  // pairs: neighbours only
  std::string principle;
  ParseRule parse;
  std::string attribute;  // of a reward server that says several
  std::string pattern;    // kRegex; kVote: with one group, what is counted (else the whole text)
  std::optional<Expression> passing;  // kThreshold: looked at for every candidate as "$it"
  std::optional<Reference> source;    // kChanged: what candidates are compared with

  // tool; score by tool
  std::vector<std::string> command;
  std::string url;
  enum class Effect { kNone, kRepeatable, kOnce };
  Effect effect = Effect::kRepeatable;
  double timeout_seconds = 60;  // also of ask
  // ask
  nlohmann::ordered_json default_answer;  // null: none, it waits

  std::optional<Loop> loop_body;
  // graph: the sub-graph
  std::shared_ptr<const struct Graph> graph;
  // "with": a sub-graph's inputs by name; what a tool is given, by name.
  std::map<std::string, Reference> arguments;
};

struct BudgetLimits {
  enum class Then { kBest, kFail, kAsk };
  std::optional<int64_t> tokens, calls;
  std::optional<double> usd, seconds;
  Then then = Then::kBest;
};

// How a role learns from the graph; agents/train/ reads it.
struct TrainRule {
  int role = -1;
  Place place;
  std::optional<Expression> reward;  // absent: the default credit of docs/agents.md
  std::string advantage;             // "grpo", "rloo", "dr_grpo", "none"
  std::string group = "lineage";
  // What a text of the role says of what it judges, 0 to 1: the level of the first RE2 pattern that
  // is found in it. Empty: HelpSteer3's opening sentence (agents/select/constructive.h).
  std::vector<std::pair<std::string, double>> levels;
};

struct Graph {
  std::string name;  // "feedback-edit/1"
  std::string path;
  std::vector<std::string> inputs;
  std::vector<Place> input_places;
  std::vector<Role> roles;
  std::vector<Node> nodes;  // bodies of loops included
  std::vector<int> order;   // of the top level, edges point back
  std::vector<Axis> axes;
  Reference output;
  BudgetLimits budget;
  std::vector<TrainRule> train;
  // Canonical JSON of everything that was read, prompt files included, for the record.
  std::string canonical;
};

}  // namespace temper::agents
