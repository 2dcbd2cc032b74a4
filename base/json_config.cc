// Fills protobuf messages from JSON by reflection, naming every field it cannot accept.
#include "base/json_config.h"

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/json_text.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"
#include "google/protobuf/descriptor.h"
#include "nlohmann/json.hpp"

namespace temper {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using nlohmann::json;

std::vector<std::string> FieldNames(const Descriptor& descriptor) {
  std::vector<std::string> names;
  for (int i = 0; i < descriptor.field_count(); ++i) names.push_back(descriptor.field(i)->name());
  return names;
}

std::string Shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

absl::Status Mismatch(const std::string& path, const json& found, const char* expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": found ", Shown(found), ", expected ", expected));
}

absl::Status Fill(const json& object, const std::string& path, Message& message);

// A number without a fraction in [low, high]; 1e3 is one.
bool IsInteger(const json& value, double low, double high) {
  if (!value.is_number()) return false;
  const double number = value.get<double>();
  return std::trunc(number) == number && number >= low && number <= high;
}

// Sets one value (or adds it when the field repeats).
class FieldWriter {
 public:
  FieldWriter(Message& message, const FieldDescriptor& field)
      : message_(message), field_(field), reflection_(*message.GetReflection()) {}

  absl::Status Write(const json& value, const std::string& path) {
    switch (field_.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        if (!value.is_string()) return Mismatch(path, value, "a string");
        return Put(value.get<std::string>());
      case FieldDescriptor::CPPTYPE_BOOL:
        if (!value.is_boolean()) return Mismatch(path, value, "true or false");
        return Put(value.get<bool>());
      case FieldDescriptor::CPPTYPE_DOUBLE:
        if (!value.is_number()) return Mismatch(path, value, "a number");
        return Put(value.get<double>());
      case FieldDescriptor::CPPTYPE_INT32:
        if (!IsInteger(value, std::numeric_limits<int32_t>::min(),
                       std::numeric_limits<int32_t>::max())) {
          return Mismatch(path, value, "a whole number");
        }
        return Put(static_cast<int32_t>(value.get<double>()));
      case FieldDescriptor::CPPTYPE_UINT64:
        if (value.is_number_unsigned()) return Put(value.get<uint64_t>());
        if (uint64_t number = 0;
            value.is_string() && absl::SimpleAtoi(value.get<std::string>(), &number)) {
          return Put(number);
        }
        return Mismatch(path, value, "a whole number, 0 or more");
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Fill(value, path, *Child());
      default:
        return absl::InternalError(
            absl::StrCat(path, ": the schema has a type that JSON configs do not use"));
    }
  }

 private:
  Message* Child() {
    return field_.is_repeated() ? reflection_.AddMessage(&message_, &field_)
                                : reflection_.MutableMessage(&message_, &field_);
  }
  absl::Status Put(std::string value) {
    field_.is_repeated() ? reflection_.AddString(&message_, &field_, std::move(value))
                         : reflection_.SetString(&message_, &field_, std::move(value));
    return absl::OkStatus();
  }
  absl::Status Put(bool value) {
    field_.is_repeated() ? reflection_.AddBool(&message_, &field_, value)
                         : reflection_.SetBool(&message_, &field_, value);
    return absl::OkStatus();
  }
  absl::Status Put(double value) {
    field_.is_repeated() ? reflection_.AddDouble(&message_, &field_, value)
                         : reflection_.SetDouble(&message_, &field_, value);
    return absl::OkStatus();
  }
  absl::Status Put(int32_t value) {
    field_.is_repeated() ? reflection_.AddInt32(&message_, &field_, value)
                         : reflection_.SetInt32(&message_, &field_, value);
    return absl::OkStatus();
  }
  absl::Status Put(uint64_t value) {
    field_.is_repeated() ? reflection_.AddUInt64(&message_, &field_, value)
                         : reflection_.SetUInt64(&message_, &field_, value);
    return absl::OkStatus();
  }

  Message& message_;
  const FieldDescriptor& field_;
  const Reflection& reflection_;
};

absl::Status FillMap(const json& object, const std::string& path, const FieldDescriptor& field,
                     Message& message) {
  if (!object.is_object()) return Mismatch(path, object, "an object");
  const Descriptor& entry_type = *field.message_type();
  for (const auto& [key, value] : object.items()) {
    Message* entry = message.GetReflection()->AddMessage(&message, &field);
    TEMPER_RETURN_IF_ERROR(
        FieldWriter(*entry, *entry_type.map_key()).Write(key, absl::StrCat(path, ".", key)));
    TEMPER_RETURN_IF_ERROR(
        FieldWriter(*entry, *entry_type.map_value()).Write(value, absl::StrCat(path, ".", key)));
  }
  return absl::OkStatus();
}

absl::Status FillField(const json& value, const std::string& path, const FieldDescriptor& field,
                       Message& message) {
  if (field.is_map()) return FillMap(value, path, field, message);
  if (!field.is_repeated()) return FieldWriter(message, field).Write(value, path);
  if (!value.is_array()) return Mismatch(path, value, "a list");
  for (size_t i = 0; i < value.size(); ++i) {
    TEMPER_RETURN_IF_ERROR(
        FieldWriter(message, field).Write(value[i], absl::StrCat(path, "[", i, "]")));
  }
  return absl::OkStatus();
}

absl::Status Fill(const json& object, const std::string& path, Message& message) {
  if (!object.is_object()) return Mismatch(path.empty() ? "(top)" : path, object, "an object");
  const Descriptor& descriptor = *message.GetDescriptor();
  for (const auto& [key, value] : object.items()) {
    const std::string here = path.empty() ? key : absl::StrCat(path, ".", key);
    const FieldDescriptor* field = descriptor.FindFieldByName(key);
    if (field == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(here, ": unknown key", Suggestion(key, FieldNames(descriptor))));
    }
    TEMPER_RETURN_IF_ERROR(FillField(value, here, *field, message));
  }
  return absl::OkStatus();
}

absl::Status At(std::string_view place, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(std::string(place), ": ", std::string(status.message())));
}

using nlohmann::ordered_json;

ordered_json Print(const Message& message, JsonStyle style);

ordered_json PrintValue(const Message& message, const FieldDescriptor& field, int index,
                        JsonStyle style) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return repeated ? reflection.GetRepeatedString(message, &field, index)
                      : reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return repeated ? reflection.GetRepeatedBool(message, &field, index)
                      : reflection.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return repeated ? reflection.GetRepeatedDouble(message, &field, index)
                      : reflection.GetDouble(message, &field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return repeated ? reflection.GetRepeatedFloat(message, &field, index)
                      : reflection.GetFloat(message, &field);
    case FieldDescriptor::CPPTYPE_INT32:
      return repeated ? reflection.GetRepeatedInt32(message, &field, index)
                      : reflection.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return repeated ? reflection.GetRepeatedInt64(message, &field, index)
                      : reflection.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return repeated ? reflection.GetRepeatedUInt64(message, &field, index)
                      : reflection.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return repeated ? reflection.GetRepeatedEnum(message, &field, index)->name()
                      : reflection.GetEnum(message, &field)->name();
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Print(repeated ? reflection.GetRepeatedMessage(message, &field, index)
                            : reflection.GetMessage(message, &field),
                   style);
    default:
      return nullptr;  // no other types in our schemas
  }
}

// Map entries in the order of their keys, so that the text is canonical.
ordered_json PrintMap(const Message& message, const FieldDescriptor& field, JsonStyle style) {
  std::map<std::string, ordered_json> sorted;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    const Message& entry = message.GetReflection()->GetRepeatedMessage(message, &field, i);
    const ordered_json key = PrintValue(entry, *field.message_type()->map_key(), 0, style);
    sorted[key.is_string() ? key.get<std::string>() : key.dump()] =
        PrintValue(entry, *field.message_type()->map_value(), 0, style);
  }
  ordered_json object = ordered_json::object();
  for (auto& [key, value] : sorted) object[key] = std::move(value);
  return object;
}

ordered_json Print(const Message& message, JsonStyle style) {
  const Reflection& reflection = *message.GetReflection();
  const Descriptor& descriptor = *message.GetDescriptor();
  ordered_json object = ordered_json::object();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    if (field.is_map()) {
      if (reflection.FieldSize(message, &field) > 0) {
        object[field.name()] = PrintMap(message, field, style);
      }
    } else if (field.is_repeated()) {
      ordered_json list = ordered_json::array();
      for (int k = 0; k < reflection.FieldSize(message, &field); ++k) {
        list.push_back(PrintValue(message, field, k, style));
      }
      if (!list.empty() || style == JsonStyle::kLine) object[field.name()] = std::move(list);
    } else if (reflection.HasField(message, &field) ||
               (style == JsonStyle::kLine && !field.has_presence())) {
      object[field.name()] = PrintValue(message, field, 0, style);
    }
  }
  return object;
}

}  // namespace

absl::Status ParseJsonConfig(std::string_view text, std::string_view place, Message& message) {
  TEMPER_ASSIGN_OR_RETURN(const json object, ParseJson(text, place));
  return At(place, Fill(object, "", message));
}

absl::Status ApplySetting(std::string_view assignment, Message& message) {
  const std::string place = absl::StrCat("--set ", std::string(assignment));
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": expected a.b=value"));
  }
  const std::string key(assignment.substr(0, equals));
  const std::string text(assignment.substr(equals + 1));
  json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) value = text;

  Message* target = &message;
  const std::vector<std::string> names = absl::StrSplit(key, '.');
  std::string path;
  for (size_t i = 0; i < names.size(); ++i) {
    absl::StrAppend(&path, i == 0 ? "" : ".", names[i]);
    const FieldDescriptor* field = target->GetDescriptor()->FindFieldByName(names[i]);
    if (field == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": ", path, ": unknown key",
                       Suggestion(names[i], FieldNames(*target->GetDescriptor()))));
    }
    if (i + 1 == names.size()) {
      target->GetReflection()->ClearField(target, field);
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && !field->is_repeated() &&
          !value.is_string()) {
        value = text;  // --set name=7 names the run "7"
      }
      return At(place, FillField(value, path, *field, *target));
    }
    if (field->is_repeated() || field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": ", path, ": has no fields of its own"));
    }
    target = target->GetReflection()->MutableMessage(target, field);
  }
  return absl::OkStatus();
}

std::string ToJson(const Message& message, JsonStyle style) {
  return Print(message, style)
      .dump(style == JsonStyle::kFile ? 2 : -1, ' ', false, json::error_handler_t::replace);
}

}  // namespace temper
