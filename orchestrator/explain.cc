// Prints a spec as it will be run: every value, where it came from, and the formulas.
#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/json_config.h"
#include "google/protobuf/descriptor.h"
#include "orchestrator/objective_preset.h"
#include "orchestrator/spec.h"

namespace temper::orchestrator {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string Shown(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return absl::StrCat("\"", absl::Utf8SafeCEscape(reflection.GetString(message, &field)), "\"");
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrFormat("%.6g", reflection.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection.GetUInt64(message, &field));
    default:
      return "";
  }
}

bool OfPreset(std::string_view path) {
  return path == "advantage" || path == "aggregation" || path == "clip_low" || path == "clip_high";
}

class Explanation {
 public:
  explicit Explanation(const ResolvedSpec& resolved) : resolved_(resolved) {}

  std::string Text() {
    Walk(resolved_.spec, &resolved_.given, "");
    Formulas();
    return std::move(text_);
  }

 private:
  void Line(const std::string& path, const std::string& value, std::string_view origin) {
    absl::StrAppend(&text_, absl::StrFormat("%-34s %-28s %s\n", path, value, std::string(origin)));
  }

  // given: the same message as it was written, or null where it was absent.
  void Walk(const Message& message, const Message* given, const std::string& prefix) {
    const google::protobuf::Descriptor& descriptor = *message.GetDescriptor();
    for (int i = 0; i < descriptor.field_count(); ++i) {
      const FieldDescriptor& field = *descriptor.field(i);
      const std::string path = absl::StrCat(prefix, field.name());
      if (field.is_repeated()) {
        Repeated(message, field, path);
      } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        Nested(message, given, field, path);
      } else {
        Plain(message, given, field, path);
      }
    }
  }

  void Repeated(const Message& message, const FieldDescriptor& field, const std::string& path) {
    const Reflection& reflection = *message.GetReflection();
    const int size = reflection.FieldSize(message, &field);
    for (int i = 0; i < size; ++i) {
      const std::string item = absl::StrCat(path, "[", i, "]");
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
        Line(item, ToJson(entry, JsonStyle::kLine), "given");
      } else {
        Line(item, absl::StrCat("\"", reflection.GetRepeatedString(message, &field, i), "\""),
             "given");
      }
    }
  }

  void Nested(const Message& message, const Message* given, const FieldDescriptor& field,
              const std::string& path) {
    const Reflection& reflection = *message.GetReflection();
    if (!reflection.HasField(message, &field)) {
      Line(path, "(none)", "default");
      return;
    }
    const bool was_given = given != nullptr && reflection.HasField(*given, &field);
    Walk(reflection.GetMessage(message, &field),
         was_given ? &reflection.GetMessage(*given, &field) : nullptr, absl::StrCat(path, "."));
  }

  void Plain(const Message& message, const Message* given, const FieldDescriptor& field,
             const std::string& path) {
    const Reflection& reflection = *message.GetReflection();
    const bool was_given = given != nullptr && reflection.HasField(*given, &field);
    Line(path, Shown(message, field),
         was_given        ? "given"
         : OfPreset(path) ? absl::StrCat("preset ", resolved_.spec.algorithm())
                          : std::string("default"));
  }

  void Formulas() {
    const v1::RunSpec& spec = resolved_.spec;
    absl::StrAppend(&text_, "\nFormulas in force\n");
    if (resolved_.makes_reward_model()) {
      RewardModelFormulas();
    } else if (spec.has_warm_start()) {
      absl::StrAppend(&text_, "  warm start   L = -sum log p(token) / response tokens of the ",
                      "batch, end token included; steps 1 to ", spec.warm_start().steps(), "\n");
    }
    if (spec.steps() == 0) return;
    if (spec.has_environment()) {
      absl::StrAppend(
          &text_,
          "  environment  each prompt is an execution of the graph, whose \"train\" "
          "gives rewards and advantages by role (advantage and group_size stand "
          "aside);\n               then A = (a - mean of the role) / (std of the role + "
          "1e-6) over the step; groups without variance are left out\n");
    } else {
      absl::StrAppend(&text_, "  advantage    ", std::string(AdvantageFormula(spec.advantage())),
                      "\n");
    }
    absl::StrAppend(&text_,
                    absl::StrFormat("  objective    j = min(r A, clip(r, %.6g, %.6g) A), "
                                    "r = p / p_rollout per token, both at temperature "
                                    "%.6g; r is exactly 1 in a synchronous run\n",
                                    1 - spec.clip_low(), 1 + spec.clip_high(), spec.temperature()));
    absl::StrAppend(&text_, "  aggregation  ", std::string(AggregationFormula(spec.aggregation())),
                    "\n");
    if (spec.kl() > 0) {
      absl::StrAppend(&text_, absl::StrFormat("  kl           L = -J + %.6g mean k3, k3 = exp(-d) "
                                              "- 1 + d, d = log p - log p_reference; the reference "
                                              "is the weights at the first policy step\n",
                                              spec.kl()));
    } else {
      absl::StrAppend(&text_, "  kl           none: L = -J\n");
    }
  }

  void RewardModelFormulas() {
    const v1::WarmStart& stage = resolved_.spec.warm_start();
    const bool scaled = stage.preference_loss() == "scaled_bradley_terry";
    absl::StrAppend(&text_, "  reward model L = mean over the batch's pairs of ",
                    scaled ? "-margin * " : "-", "log sigmoid(v(chosen) - v(rejected)), v the ",
                    "head's value after the response's last token; steps 1 to ", stage.steps(),
                    "\n");
    absl::StrAppend(&text_, "  accuracy     share of pairs with v(chosen) > v(rejected), a tie ",
                    "counts half; before the update on its pairs");
    if (stage.has_held_out()) {
      absl::StrAppend(&text_, ", after every ", stage.held_out().every(),
                      "th and the last on the held-out pairs");
    }
    absl::StrAppend(&text_, "\n");
  }

  const ResolvedSpec& resolved_;
  std::string text_;
};

}  // namespace

std::string Explain(const ResolvedSpec& spec) { return Explanation(spec).Text(); }

}  // namespace temper::orchestrator
