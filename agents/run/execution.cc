// Instances are created, started and closed here; execution_reading.cc has what they see.
#include "agents/run/execution.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agents/run/node_work.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/nearest_name.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;

bool IsListOfTexts(const Json& value) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const Json& text) { return text.is_string(); });
}

bool IsConversation(const Json& value) {
  return value.is_array() && std::all_of(value.begin(), value.end(), [](const Json& message) {
           return message.is_object() && message.contains("role") && message["role"].is_string();
         });
}

absl::StatusOr<Item> InputItem(const std::string& name, const Json& value) {
  auto candidate = std::make_shared<Candidate>();
  if (value.is_string()) {
    candidate->result.text = value.get<std::string>();
  } else if (IsListOfTexts(value)) {
    candidate->result.value = value;
  } else if (IsConversation(value)) {
    candidate->conversation = value;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("input \"", name,
                     "\": expected a text, a list of texts or an array of messages with \"role\" "
                     "and \"content\", found ",
                     value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80)));
  }
  return Item{.state = Item::State::kPresent, .candidate = std::move(candidate)};
}

}  // namespace

Execution::Execution(std::shared_ptr<const Graph> graph, Options options)
    : graph_(std::move(graph)),
      options_(std::move(options)),
      wiring_(*graph_),
      stops_early_(std::any_of(graph_->nodes.begin(), graph_->nodes.end(),
                               [](const Node& one) { return one.enough.has_value(); })),
      values_(graph_->nodes.size()) {}

Execution::~Execution() = default;

absl::StatusOr<std::unique_ptr<Execution>> Execution::Create(std::shared_ptr<const Graph> graph,
                                                             const Json& inputs, Options options) {
  std::unique_ptr<Execution> execution(new Execution(std::move(graph), std::move(options)));
  const std::vector<std::string>& names = execution->graph_->inputs;
  if (!inputs.is_object()) {
    return absl::InvalidArgumentError("the graph's inputs are no JSON object");
  }
  for (const auto& [name, value] : inputs.items()) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the graph has no input \"", name, "\"", Suggestion(name, names)));
    }
  }
  for (const std::string& name : names) {
    if (!inputs.contains(name)) {
      return absl::InvalidArgumentError(absl::StrCat("input \"", name, "\" is missing"));
    }
    absl::StatusOr<Item> item = InputItem(name, inputs[name]);
    if (!item.ok()) return item.status();
    execution->inputs_.push_back(*std::move(item));
  }
  for (const int node : execution->graph_->order) {
    if (!execution->node(node).each.has_value()) execution->CreateInstance(node, {});
  }
  execution->Settle();
  return execution;
}

std::vector<Want> Execution::TakeWants() { return std::exchange(new_wants_, {}); }
std::vector<int64_t> Execution::TakeDropped() { return std::exchange(dropped_, {}); }

void Execution::Deliver(int64_t want, Result result) {
  const auto found = open_.find(want);
  TEMPER_CHECK(found != open_.end());
  const OpenWant open = found->second;
  open_.erase(found);
  const auto place = std::make_pair(open.node, open.point);
  std::erase(open_of_[place], want);
  if (output_.has_value()) return;
  if (open.child_want >= 0) {
    child_wants_[place].erase(open.child_want);
    children_.at(place)->Deliver(open.child_want, std::move(result));
    AdvanceChild(open.node, open.point);
  } else {
    works_.at(place)->Deliver(open.purpose, open.key, std::move(result));
  }
  Settle();
}

void Execution::ConsiderEnough() {
  if (output_.has_value() || (!stops_early_ && children_.empty())) return;
  // Works may close instances while they look.
  std::vector<std::pair<int, Point>> open;
  for (const auto& [place, work] : works_) {
    const Instance* instance = values_[static_cast<size_t>(place.first)].Find(place.second);
    if (instance->state == Instance::State::kOpen && node(place.first).enough.has_value()) {
      open.push_back(place);
    }
  }
  for (const auto& place : open) works_.at(place)->ConsiderEnough();
  for (const auto& [place, child] : children_) {
    if (child->done()) continue;
    child->ConsiderEnough();
    AdvanceChild(place.first, place.second);  // what it dropped, and perhaps its end
  }
  Settle();
}

void Execution::CreateInstance(int index, Point point) {
  if (values_[static_cast<size_t>(index)].Find(point) != nullptr) return;
  values_[static_cast<size_t>(index)].Create(point);
  TryStart(index, point);
}

void Execution::TryStart(int index, const Point& point) {
  NodeValues& values = values_[static_cast<size_t>(index)];
  Instance& instance = *values.Find(point);
  if (instance.state != Instance::State::kWaiting) return;
  const Node& own = node(index);
  bool absent = false;
  std::string failure;
  bool failed = false;
  for (const Reference* reference : NeededBy(own)) {
    if (reference->choices.front().target.kind == Target::Kind::kCandidate) continue;
    const Reading reading = Read(*reference, index, point);
    if (reading.state == Reading::State::kNotYet) return;
    if (reading.state == Reading::State::kFailed) {
      failed = true;
      failure = absl::StrCat(reference->text, ": ", reading.why);
    }
    // A single value that is not there: what needs it is not there either. A list may be empty.
    if (reading.state == Reading::State::kAbsent && !reading.list) {
      bool section = false;
      if (own.prompt.has_value()) {
        for (const Prompt::Binding& binding : own.prompt->bindings()) {
          section |= &binding.reference == reference && binding.list;
        }
      }
      absent |= !section;
    }
  }
  bool wanted = true;
  if (!failed && !absent && own.when.has_value()) {
    const absl::StatusOr<bool> holds =
        own.when->Holds(ExpressionReader(*this, own.instance_axes, point));
    if (!holds.ok()) {
      failed = true;
      failure = absl::StrCat("when: ", std::string(holds.status().message()));
    } else {
      wanted = *holds;
    }
  }
  if (failed) {
    Fail(index, point, failure);
  } else if (absent || !wanted) {
    Close(index, point);
  } else {
    values.Started(instance);
    auto& work = works_[{index, point}];
    work = MakeWork(*this, index, point);
    work->Start();
  }
}

void Execution::Settle() {
  if (settling_) return;  // further up the stack it goes on
  settling_ = true;
  CheckOutput();
  while (!touched_.empty() && !output_.has_value()) {
    const auto [index, point] = touched_.front();
    touched_.pop_front();
    const Node& own = node(index);
    for (const int reader : wiring_.readers(index)) {
      const Point prefix = Front(point, Shared(node(reader).instance_axes, own.axes));
      for (const Point& waiting : values_[static_cast<size_t>(reader)].Waiting(prefix)) {
        TryStart(reader, waiting);
      }
    }
    if (own.loop >= 0) {
      const auto work = works_.find({own.loop, Front(point, node(own.loop).instance_axes.size())});
      if (work != works_.end()) work->second->Advance();
    }
    CheckOutput();
  }
  settling_ = false;
  if (output_.has_value()) {
    touched_.clear();
    for (const auto& [want, open] : open_) dropped_.push_back(want);
    open_.clear();
    open_of_.clear();
    new_wants_.clear();
  }
}

void Execution::Publish(int index, const Point& point, int32_t place, Item item) {
  Instance& own = instance(index, point);
  const auto [at, fresh] = own.items.try_emplace(place, std::move(item));
  TEMPER_CHECK(fresh);
  Point where = point;
  if (node(index).own_axis >= 0) where.push_back(place);
  Touch(index, where);
  // Followers run once for each element that is there: of several choices, for the first of them.
  for (const int follower : wiring_.followers(index)) {
    const Reference& each = *node(follower).each;
    const Reading reading = ReadAs(each, node(follower).instance_axes, where);
    if (reading.state == Reading::State::kPresent) CreateInstance(follower, where);
  }
}

void Execution::Close(int index, const Point& point) {
  Instance& own = instance(index, point);
  if (own.state == Instance::State::kClosed) return;
  values_[static_cast<size_t>(index)].Close(own);
  Touch(index, point);
  // Where an element is absent, the next choice of an `each` may stand for it.
  for (const int follower : wiring_.followers(index)) {
    const Reference& each = *node(follower).each;
    if (each.choices.size() < 2) continue;
    const Reading reading = ReadAs(each, node(follower).instance_axes, point);
    if (reading.state == Reading::State::kPresent && !reading.list) CreateInstance(follower, point);
  }
}

void Execution::Fail(int index, const Point& point, std::string why) {
  Instance& own = instance(index, point);
  if (own.state == Instance::State::kClosed) return;
  own.failed = true;
  own.why = std::move(why);
  DropWants(index, point);
  Close(index, point);
}

void Execution::DropWants(int index, const Point& point) {
  const auto found = open_of_.find({index, point});
  if (found == open_of_.end()) return;
  for (const int64_t want : found->second) {
    open_.erase(want);
    dropped_.push_back(want);
    std::erase_if(new_wants_, [want](const Want& one) { return one.id == want; });
  }
  open_of_.erase(found);
}

Instance& Execution::instance(int index, const Point& point) {
  Instance* const found = values_[static_cast<size_t>(index)].Find(point);
  TEMPER_CHECK(found != nullptr);
  return *found;
}

void Execution::Ask(int index, const Point& point, std::shared_ptr<const Question> question,
                    std::string key, int64_t sample, int64_t purpose) {
  Want want{.id = next_want_++,
            .key = std::move(key),
            .question = std::move(question),
            .sample = sample,
            .lineage = Lineage(index, point),
            .point = point};
  std::vector<int32_t> where = point;
  if (node(index).own_axis >= 0 && node(index).kind == NodeKind::kGenerate) {
    where.push_back(static_cast<int32_t>(sample));
  }
  const int32_t depth = wiring_.depth(index);
  const int32_t first = where.empty() ? 0 : where.front();
  want.order =
      options_.breadth ? std::vector<int32_t>{depth, first} : std::vector<int32_t>{first, -depth};
  want.order.insert(want.order.end(), where.begin(), where.end());
  open_[want.id] = {.node = index, .point = point, .purpose = purpose, .key = want.key};
  open_of_[{index, point}].push_back(want.id);
  new_wants_.push_back(std::move(want));
}

void Execution::StartRound(int loop, const Point& round, std::vector<std::vector<Item>> carries) {
  carries_[{loop, round}] = std::move(carries);
  const Loop& body = *node(loop).loop_body;
  for (const int index : body.body) {
    const Node& own = node(index);
    if (!own.each.has_value()) {
      CreateInstance(index, round);
      continue;
    }
    // An element of a list that is carried is there from the start.
    for (const Reference::Choice& choice : own.each->choices) {
      if (choice.target.kind != Target::Kind::kCarry || choice.target.index != loop) continue;
      const std::vector<Item>& items =
          carries_[{loop, round}][static_cast<size_t>(choice.target.carry)];
      for (size_t i = 0; i < items.size(); ++i) {
        Point where = round;
        where.push_back(static_cast<int32_t>(i));
        if (items[i].present()) CreateInstance(index, std::move(where));
      }
    }
  }
}

Execution& Execution::AddChild(int index, const Point& point, std::unique_ptr<Execution> child) {
  auto& place = children_[{index, point}];
  place = std::move(child);
  return *place;
}

// Wants of the child become ours; what it has come to is the work's to see.
void Execution::AdvanceChild(int index, const Point& point) {
  const auto place = std::make_pair(index, point);
  Execution& child = *children_.at(place);
  for (Want& want : child.TakeWants()) {
    const int64_t theirs = want.id;
    want.id = next_want_++;
    open_[want.id] = {.node = index, .point = point, .child_want = theirs};
    open_of_[place].push_back(want.id);
    child_wants_[place][theirs] = want.id;
    std::vector<int32_t> order = {point.empty() ? 0 : point.front(), -wiring_.depth(index)};
    order.insert(order.end(), want.order.begin(), want.order.end());
    want.order = std::move(order);
    new_wants_.push_back(std::move(want));
  }
  for (const int64_t theirs : child.TakeDropped()) {
    const auto found = child_wants_[place].find(theirs);
    if (found == child_wants_[place].end()) continue;
    open_.erase(found->second);
    std::erase(open_of_[place], found->second);
    dropped_.push_back(found->second);
    child_wants_[place].erase(found);
  }
  works_.at(place)->Advance();
}

std::string Execution::Key(std::initializer_list<std::string_view> parts) const {
  std::string all = absl::StrCat(options_.salt.size(), ":", options_.salt);
  for (const std::string_view part : parts) {
    absl::StrAppend(&all, part.size(), ":");
    all.append(part);
  }
  return absl::HexStringToBytes(Sha256Hex(all).substr(0, 32));
}

std::string Execution::Lineage(int index, const Point& point) const {
  std::string text;
  const std::vector<int>& axes = node(index).instance_axes;
  for (size_t i = 0; i < point.size() && i < axes.size(); ++i) {
    const Axis& axis = graph_->axes[static_cast<size_t>(axes[i])];
    absl::StrAppend(&text, i == 0 ? "" : " ", axis.name,
                    axis.kind == Axis::Kind::kRound ? "#" : "=", point[i]);
  }
  return text;
}

void Execution::CheckOutput() {
  if (output_.has_value()) return;
  if (options_.whole && !(open_.empty() && touched_.empty())) return;
  const Reading reading = ReadAs(graph_->output, {}, {});
  if (reading.state == Reading::State::kNotYet) return;
  Output output;
  for (const Item* item : reading.items) output.items.push_back(*item);
  if (reading.state == Reading::State::kFailed) {
    output.failed = true;
    output.why = reading.why;
  } else if (reading.state == Reading::State::kAbsent) {
    output.failed = true;
    output.why = absl::StrCat(graph_->output.text, " is absent: its conditions did not hold");
  }
  output_ = std::move(output);
}

}  // namespace temper::agents
