// Reading key=value words into an Alteration.
#include "orchestrator/cli/alteration_words.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/json_config.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"

namespace temper::cli {
namespace {

using google::protobuf::FieldDescriptor;

// What people call these elsewhere.
constexpr std::pair<const char*, const char*> kOtherNames[] = {
    {"lr", "learning_rate"},
    {"beta", "kl"},
    {"kl_coef", "kl"},
    {"temp", "temperature"},
    {"clip_range", "clip"},
    {"epsilon", "clip"},
    {"eps_clip", "clip"},
    {"max_new_tokens", "max_tokens"},
    {"max_length", "max_tokens"},
    {"num_generations", "group_size"},
    {"eval_every", "evaluate.every"},
    {"eval_interval", "evaluate.every"},
};

// Why a field of RunSpec cannot change in a live run, by its first word.
constexpr std::pair<const char*, const char*> kImmutable[] = {
    {"name", "a run keeps its name; a fork takes another: temper fork RUN --at STEP --name NAME"},
    {"seed", "it shaped every sample and weight so far; submit another run"},
    {"model", "the weights began with it; submit another run"},
    {"init", "the weights began with it; submit another run"},
    {"dtype", "the bits of every sample so far depend on it; submit another run"},
    {"device", "the bits of every sample so far depend on it; submit another run"},
    {"warm_start", "it is over before the first policy step; submit another run"},
    {"fleet",
     "a worker says itself what it can do; start workers, or cordon them: "
     "temper cordon WORKER"},
};
constexpr char kForkable[] =
    "a fork may change it: temper fork RUN --at STEP "
    "--set ";

absl::Status Refuse(const std::string& word, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(word, ": ", why));
}

absl::Status RefuseKey(const std::string& word, const std::string& key) {
  for (const auto& [other, ours] : kOtherNames) {
    if (key == other) {
      return Refuse(word, absl::StrCat("unknown key \"", key, "\"; did you mean \"", ours, "\"?"));
    }
  }
  const std::string first = key.substr(0, key.find('.'));
  if (v1::RunSpec::descriptor()->FindFieldByName(first) != nullptr) {
    const auto found = std::find_if(std::begin(kImmutable), std::end(kImmutable),
                                    [&](const auto& row) { return first == row.first; });
    const std::string why = found == std::end(kImmutable) ? absl::StrCat(kForkable, key, "=VALUE")
                                                          : std::string(found->second);
    return Refuse(word, absl::StrCat("\"", key, "\" cannot change while a run lives; ", why));
  }
  return Refuse(word, absl::StrCat("unknown key \"", key, "\"", Suggestion(key, AlterableKeys())));
}

absl::StatusOr<double> Number(const std::string& word, const std::string& value) {
  double number = 0;
  if (absl::SimpleAtod(value, &number)) return number;
  return Refuse(word, absl::StrCat("found \"", value, "\", expected a number"));
}

absl::StatusOr<int32_t> Whole(const std::string& word, const std::string& value) {
  int32_t number = 0;
  if (absl::SimpleAtoi(value, &number)) return number;
  return Refuse(word, absl::StrCat("found \"", value, "\", expected a whole number"));
}

// The fields of Alteration that a key stands for; empty: none.
std::vector<const FieldDescriptor*> FieldsOf(const std::string& key) {
  const auto& descriptor = *v1::Alteration::descriptor();
  if (key == "clip") {
    return {descriptor.FindFieldByName("clip_low"), descriptor.FindFieldByName("clip_high")};
  }
  const FieldDescriptor* field =
      descriptor.FindFieldByName(key == "evaluate.every" ? "evaluate_every" : key);
  if (field == nullptr || field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) return {};
  return {field};
}

// "mixture.TASK" or "dataset.mixture.TASK" -> TASK; "" for another key.
std::string TaskOf(std::string_view key) {
  for (const std::string_view prefix : {"dataset.mixture.", "mixture."}) {
    if (key.starts_with(prefix)) return std::string(key.substr(prefix.size()));
  }
  return "";
}

absl::Status SetField(const std::string& word, const std::string& value,
                      const FieldDescriptor& field, v1::Alteration& alteration) {
  const auto& reflection = *alteration.GetReflection();
  if (reflection.HasField(alteration, &field)) {
    return Refuse(word, absl::StrCat("sets ", field.name(), " a second time"));
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_INT32) {
    TEMPER_ASSIGN_OR_RETURN(const int32_t whole, Whole(word, value));
    reflection.SetInt32(&alteration, &field, whole);
  } else {
    TEMPER_ASSIGN_OR_RETURN(const double number, Number(word, value));
    reflection.SetDouble(&alteration, &field, number);
  }
  return absl::OkStatus();
}

// mixture={"algebra": 3, "code": 1}: the whole of it.
absl::Status SetMixture(const std::string& word, const std::string& value,
                        v1::Alteration& alteration) {
  if (alteration.has_mixture()) return Refuse(word, "sets the mixture a second time");
  const absl::Status parsed = ParseJsonConfig(absl::StrCat("{\"shares\": ", value, "}"), word,
                                              *alteration.mutable_mixture());
  if (parsed.ok()) return parsed;
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(parsed.message()),
                   "; expected mixture.TASK=SHARE, or mixture='{\"TASK\": SHARE, ...}'"));
}

absl::Status SetShare(const std::string& word, const std::string& task, const std::string& value,
                      ParsedAlteration& parsed) {
  TEMPER_ASSIGN_OR_RETURN(const double share, Number(word, value));
  if (!parsed.task_shares.emplace(task, share).second) {
    return Refuse(word, absl::StrCat("sets the share of \"", task, "\" a second time"));
  }
  return absl::OkStatus();
}

absl::Status Read(const std::string& word, ParsedAlteration& parsed) {
  const size_t equals = word.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Refuse(word, "expected key=value, e.g. learning_rate=1e-5");
  }
  const std::string key = word.substr(0, equals), value = word.substr(equals + 1);
  if (const std::string task = TaskOf(key); !task.empty()) {
    return SetShare(word, task, value, parsed);
  }
  if (key == "mixture" || key == "dataset.mixture") {
    return SetMixture(word, value, parsed.alteration);
  }
  const std::vector<const FieldDescriptor*> fields = FieldsOf(key);
  if (fields.empty()) return RefuseKey(word, key);
  for (const FieldDescriptor* field : fields) {
    TEMPER_RETURN_IF_ERROR(SetField(word, value, *field, parsed.alteration));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> AlterableKeys() {
  return {"learning_rate", "kl",          "clip",       "clip_low",  "clip_high",
          "temperature",   "max_tokens",  "group_size", "staleness", "evaluate.every",
          "mixture",       "mixture.TASK"};
}

absl::StatusOr<ParsedAlteration> ParseAlteration(const std::vector<std::string>& words) {
  ParsedAlteration parsed;
  for (const std::string& word : words) TEMPER_RETURN_IF_ERROR(Read(word, parsed));
  if (parsed.alteration.has_mixture() && !parsed.task_shares.empty()) {
    return absl::InvalidArgumentError(
        "mixture and mixture.TASK stand beside each other; expected the whole mixture or single "
        "shares");
  }
  return parsed;
}

void LayOverMixture(const v1::RunSpec& in_force, ParsedAlteration& parsed) {
  if (parsed.task_shares.empty()) return;
  auto& shares = *parsed.alteration.mutable_mixture()->mutable_shares();
  shares = in_force.dataset().mixture();
  for (const auto& [task, share] : parsed.task_shares) {
    if (share == 0) {
      shares.erase(task);
    } else {
      shares[task] = share;
    }
  }
}

}  // namespace temper::cli
