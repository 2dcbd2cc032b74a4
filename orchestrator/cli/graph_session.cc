// Opening in order: the graph, the store, the endpoints, the runner.
#include "orchestrator/cli/graph_session.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "agents/graph/graph_file.h"
#include "agents/run/recorded_endpoint.h"
#include "agents/run/resume_plan.h"
#include "base/bounded_queue.h"
#include "base/file.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"

namespace temper::cli {
namespace {

using json = nlohmann::ordered_json;

constexpr int kToolThreads = 4;

std::string DefaultDir(const std::string& file) {
  std::string name = file.substr(file.rfind('/') + 1);
  if (name.ends_with(".json")) name.resize(name.size() - 5);
  return absl::StrCat("graph-runs/", name);
}

absl::StatusOr<agents::BudgetLimits> BudgetOf(const std::vector<std::string>& settings,
                                              agents::BudgetLimits limits) {
  static const std::vector<std::string> kKeys = {"tokens", "calls", "usd", "seconds"};
  for (const std::string& setting : settings) {
    const std::pair<std::string, std::string> pair =
        absl::StrSplit(setting, absl::MaxSplits('=', 1));
    double value = 0;
    if (!absl::SimpleAtod(pair.second, &value) || !(value >= 0)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--budget ", setting, ": expected KEY=NUMBER, e.g. tokens=100000"));
    }
    if (pair.first == "tokens") {
      limits.tokens = static_cast<int64_t>(value);
    } else if (pair.first == "calls") {
      limits.calls = static_cast<int64_t>(value);
    } else if (pair.first == "usd") {
      limits.usd = value;
    } else if (pair.first == "seconds") {
      limits.seconds = value;
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("--budget ", setting, ": unknown key", Suggestion(pair.first, kKeys)));
    }
  }
  return limits;
}

// Names of endpoints that the graph and its sub-graphs use.
absl::Status NamesOf(const agents::Graph& graph, const std::vector<std::string>& known,
                     std::set<std::string>& used) {
  for (const agents::Role& role : graph.roles) {
    if (std::find(known.begin(), known.end(), role.endpoint) == known.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          graph.path, ":", role.place.line, ":", role.place.column, ": role \"", role.name,
          "\": there is no endpoint \"", role.endpoint, "\"", Suggestion(role.endpoint, known)));
    }
    used.insert(role.endpoint);
  }
  for (const agents::Node& node : graph.nodes) {
    if (node.graph != nullptr) TEMPER_RETURN_IF_ERROR(NamesOf(*node.graph, known, used));
  }
  return absl::OkStatus();
}

}  // namespace

void AddGraphOptions(CLI::App& verb, GraphArguments& arguments) {
  verb.add_option("file", arguments.file, "The graph file")->required();
  verb.add_option("--endpoints", arguments.endpoints,
                  "What the graph's endpoint names stand for (docs/endpoints.md); default: "
                  "endpoints.json beside the graph");
  verb.add_option("--dir", arguments.dir,
                  "Where results are kept; default: graph-runs/<name of the graph file>");
  verb.add_option("--budget", arguments.budget,
                  "tokens=N, calls=N, usd=X, seconds=X of each execution; instead of the graph's");
  verb.add_option("--seed", arguments.seed, "Of what models are asked to draw with");
  verb.add_flag("--breadth", arguments.breadth,
                "Finish a stage before the next, instead of chain by chain");
  verb.add_flag("--strict", arguments.strict,
                "Refuse a graph that is not the one recorded in the folder");
  verb.add_flag("--json", arguments.json, "Print JSON lines");
}

GraphSession::~GraphSession() {
  if (runner_ != nullptr) runner_->Stop();
}

absl::StatusOr<std::unique_ptr<GraphSession>> GraphSession::Open(
    GraphArguments arguments, const std::vector<GraphInput>& inputs, StopToken& stop) {
  if (arguments.dir.empty()) arguments.dir = DefaultDir(arguments.file);
  std::unique_ptr<GraphSession> session(new GraphSession(std::move(arguments), stop));
  const GraphArguments& own = session->arguments_;
  TEMPER_ASSIGN_OR_RETURN(session->graph_, agents::ReadGraph(own.file));
  if (!own.budget.empty()) {
    TEMPER_ASSIGN_OR_RETURN(session->budget_, BudgetOf(own.budget, session->graph_->budget));
  }
  if (own.sealed && !Exists(own.dir + "/results.db")) {
    return absl::NotFoundError(absl::StrCat(own.dir, ": nothing was run in this folder"));
  }
  TEMPER_RETURN_IF_ERROR(MakeDirectories(own.dir));
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<agents::GraphStore> store,
                          agents::GraphStore::Open(own.dir + "/results.db"));
  TEMPER_RETURN_IF_ERROR(session->OpenEndpoints(*store));
  TEMPER_RETURN_IF_ERROR(agents::CheckRoles(*session->graph_, session->endpoints_));
  TEMPER_RETURN_IF_ERROR(session->TellPlan(*store, inputs));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<agents::RecordedExecution> recorded,
                          store->Executions());
  for (const agents::RecordedExecution& one : recorded) {
    session->recorded_.push_back(
        {one.id, json::parse(one.input, nullptr, /*allow_exceptions=*/false)});
  }
  TEMPER_ASSIGN_OR_RETURN(const std::string fork_seed, store->Meta("fork_seed"));
  uint64_t seed = own.seed;
  uint64_t forked = 0;
  if (absl::SimpleAtoi(fork_seed, &forked)) seed ^= forked;
  session->world_ = std::make_unique<agents::World>(own.dir, session->clock_, kToolThreads);
  TEMPER_ASSIGN_OR_RETURN(
      session->runner_,
      agents::Runner::Create(session->graph_, session->endpoints_, std::move(store),
                             session->world_.get(), session->clock_,
                             {.seed = seed,
                              .breadth = own.breadth,
                              .sealed = own.sealed,
                              .executions_max = own.executions_max,
                              .submitted_max = own.submitted_max}));
  return session;
}

absl::Status GraphSession::OpenEndpoints(agents::GraphStore& store) {
  if (arguments_.sealed) {
    TEMPER_ASSIGN_OR_RETURN(const std::string traits, store.Meta("endpoints"));
    TEMPER_ASSIGN_OR_RETURN(endpoints_, agents::RecordedEndpoints(traits));
    return absl::OkStatus();
  }
  std::string path = arguments_.endpoints;
  if (path.empty()) path = JoinPath(Dirname(arguments_.file), "endpoints.json");
  if (!Exists(path)) {
    return absl::NotFoundError(absl::StrCat(
        path,
        ": there is no such file; --endpoints FILE says what the graph's endpoint names stand "
        "for (docs/endpoints.md)"));
  }
  TEMPER_ASSIGN_OR_RETURN(const std::vector<agents::EndpointSpec> specs,
                          agents::ReadEndpoints(path));
  std::vector<std::string> known;
  for (const agents::EndpointSpec& spec : specs) known.push_back(spec.name);
  // Only what the graph names is opened: a key of another server need not be there.
  std::set<std::string> used;
  TEMPER_RETURN_IF_ERROR(NamesOf(*graph_, known, used));
  std::vector<agents::EndpointSpec> named;
  for (const agents::EndpointSpec& spec : specs) {
    if (used.contains(spec.name)) named.push_back(spec);
  }
  TEMPER_ASSIGN_OR_RETURN(
      endpoints_,
      agents::OpenEndpoints(named, {.clock = &clock_, .seed = arguments_.seed, .stop = &stop_}));
  return store.SetMeta("endpoints", agents::RecordEndpoints(endpoints_));
}

double GraphSession::Price(const agents::Question& question) const {
  if (question.role == nullptr) return 0;
  const auto endpoint = endpoints_.find(question.role->endpoint);
  if (endpoint == endpoints_.end()) return 0;
  return endpoint->second->traits().Usd(endpoint->second->PromptTokensMax(question.messages),
                                        question.role->max_tokens);
}

absl::Status GraphSession::TellPlan(agents::GraphStore& store,
                                    const std::vector<GraphInput>& inputs) {
  TEMPER_ASSIGN_OR_RETURN(const std::string before, store.Meta("graph"));
  if (!before.empty() && before != graph_->canonical) {
    if (arguments_.strict) {
      return absl::FailedPreconditionError(
          absl::StrCat(arguments_.dir, " was recorded with another graph than ", arguments_.file,
                       " is now; without --strict its results are reused where they still answer "
                       "the same question, else give another --dir"));
    }
    std::vector<GraphInput> all = inputs;
    TEMPER_ASSIGN_OR_RETURN(const std::vector<agents::RecordedExecution> recorded,
                            store.Executions());
    if (all.empty()) {
      for (const agents::RecordedExecution& one : recorded) {
        all.push_back({one.id, json::parse(one.input, nullptr, false)});
      }
    }
    agents::ResumePlan total;
    for (const GraphInput& input : all) {
      auto execution = agents::Execution::Create(
          graph_, input.inputs,
          {.salt = absl::StrCat("/", input.id), .identity = [this](const agents::Role& role) {
             return agents::RoleIdentity(role, endpoints_);
           }});
      if (!execution.ok()) continue;  // told when it is run
      TEMPER_ASSIGN_OR_RETURN(
          const agents::ResumePlan plan,
          agents::PlanResume(**execution, store,
                             [this](const agents::Question& one) { return Price(one); }));
      total.reuse += plan.reuse;
      total.ask += plan.ask;
      total.usd_max += plan.usd_max;
      for (const auto& [path, counts] : plan.nodes) {
        total.nodes[path].reuse += counts.reuse;
        total.nodes[path].ask += counts.ask;
      }
      total.keys.insert(plan.keys.begin(), plan.keys.end());
    }
    TEMPER_ASSIGN_OR_RETURN(const std::vector<std::string> keys, store.Keys());
    int64_t orphans = 0;
    for (const std::string& key : keys) orphans += !total.keys.contains(key);
    std::fprintf(
        stderr,
        "The graph has changed: reuse %lld results, ask for %lld now (at most $%.4f; what follows "
        "from them comes later); %lld recorded results are not reached yet, or unused.\n",
        static_cast<long long>(total.reuse), static_cast<long long>(total.ask), total.usd_max,
        static_cast<long long>(orphans));
    for (const auto& [path, counts] : total.nodes) {
      std::fprintf(stderr, "  %-24s reuse %lld, ask %lld\n", path.c_str(),
                   static_cast<long long>(counts.reuse), static_cast<long long>(counts.ask));
    }
  }
  if (arguments_.sealed) return absl::OkStatus();
  return store.SetMeta("graph", graph_->canonical);
}

absl::StatusOr<std::vector<GraphInput>> GraphSession::Recorded() { return recorded_; }

absl::Status GraphSession::Run(const std::vector<GraphInput>& inputs,
                               const std::function<void(const agents::ExecutionEnd&)>& on_end) {
  BoundedQueue<agents::ExecutionEnd> ends(inputs.size() + 1);
  Mutex mutex;
  agents::ExecutionProgress newest;
  const bool terminal = isatty(STDERR_FILENO) != 0;
  for (const GraphInput& input : inputs) {
    TEMPER_RETURN_IF_ERROR(runner_->Submit(
        {.id = input.id,
         .inputs = input.inputs,
         .budget = budget_,
         .on_progress =
             [&](const agents::ExecutionProgress& progress) {
               MutexLock lock(mutex);
               newest = progress;
             },
         .on_end = [&ends](agents::ExecutionEnd end) { (void)ends.TryPush(std::move(end)); }}));
  }
  runner_->Start();
  size_t ended = 0;
  const absl::Duration began = clock_.Uptime();
  while (ended < inputs.size() && !stop_.stopped()) {
    std::optional<agents::ExecutionEnd> end =
        ends.Pop(Wait::ForWork("the end of an execution", absl::Milliseconds(200)));
    if (end.has_value()) {
      ++ended;
      if (terminal) std::fprintf(stderr, "\r\033[K");
      on_end(*end);
    }
    if (terminal) {
      MutexLock lock(mutex);
      std::fprintf(stderr,
                   "\r%zu of %zu executions, %lld results (%lld recorded), %lld open, %lld failed, "
                   "%lld tokens, $%.4f, %.0f s  %s\033[K",
                   ended, inputs.size(), static_cast<long long>(newest.wanted),
                   static_cast<long long>(newest.recorded), static_cast<long long>(newest.open),
                   static_cast<long long>(newest.failed),
                   static_cast<long long>(newest.spent.tokens), newest.spent.usd,
                   absl::ToDoubleSeconds(clock_.Uptime() - began), newest.newest.c_str());
      std::fflush(stderr);
    }
    TEMPER_RETURN_IF_ERROR(runner_->health());
  }
  if (terminal) std::fprintf(stderr, "\r\033[K");
  runner_->Stop();
  if (stop_.stopped() && ended < inputs.size()) {
    return absl::CancelledError(
        absl::StrCat("stopped; ", arguments_.dir, " keeps what came, run again to go on"));
  }
  return absl::OkStatus();
}

json EndJson(const agents::ExecutionEnd& end) {
  json line = {{"id", end.id}, {"outcome", end.outcome}};
  if (!end.why.empty()) line["why"] = end.why;
  if (end.output.size() == 1) line["text"] = agents::TextOf(end.output.front(), {});
  if (end.output.size() == 1 && end.output.front().score.has_value()) {
    line["score"] = *end.output.front().score;
  }
  if (end.output.size() > 1) {
    for (const agents::Item& item : end.output) line["texts"].push_back(agents::TextOf(item, {}));
  }
  line["results"] = end.progress.wanted;
  line["recorded"] = end.progress.recorded;
  line["failed"] = end.progress.failed;
  line["calls"] = end.calls;
  line["tokens_spent"] = end.progress.spent.tokens;
  line["usd_spent"] = end.progress.spent.usd;
  return line;
}

int ExitCodeOf(const agents::ExecutionEnd& end) {
  if (end.outcome == "done") return kDone;
  if (end.outcome == "refused") return kWrong;
  return end.outcome == "budget_exhausted" ? kBudgetExhausted : kFailed;
}

}  // namespace temper::cli
