// Reads a tokenizer.json, part by part.
#include "absl/strings/str_cat.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/model/tokenizer/tables.h"

namespace temper::model {

absl::StatusOr<TokenizerTables> ParseTokenizer(std::string_view json, std::string_view place) {
  TEMPER_ASSIGN_OR_RETURN(const nlohmann::json object, ParseJson(json, place));
  const std::string file(place);
  if (!object.is_object()) return WrongAt({object, file}, "", "an object {...}");
  const JsonAt root{object, file + ": "};
  TEMPER_RETURN_IF_ERROR(CheckModel(root["model"]));
  TokenizerTables tables;
  TEMPER_RETURN_IF_ERROR(ParseNormalizer(root["normalizer"], tables.normalizer));
  TEMPER_RETURN_IF_ERROR(
      ParseSplitter(root["pre_tokenizer"], tables.splitter, tables.model.byte_level));
  DecodeSteps decode;
  TEMPER_RETURN_IF_ERROR(ParseDecoder(root["decoder"], decode, tables.detokenizer.strip));
  TEMPER_RETURN_IF_ERROR(ParseVocabulary(root, decode, tables));
  TEMPER_RETURN_IF_ERROR(ParsePostProcessor(root["post_processor"], tables));
  return tables;
}

}  // namespace temper::model
