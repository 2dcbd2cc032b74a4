// Feeds arbitrary responses and arguments to every instruction of IFEval and IFBench. Two bytes
// choose the instruction and a number; then an argument, NUL, the response. An argument that starts
// with "{" is all the arguments, as JSON.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "nlohmann/json.hpp"
#include "reward/instruction/instruction.h"
#include "reward/instruction/instruction_verifier.h"
#include "temper/v1/text_verifiers.pb.h"
#include "tests/fuzz/judgement_check.h"

namespace {

using nlohmann::json;

// Arguments that the instruction asks for, found by what it says it lacks.
json ArgumentsOf(const std::string& id, const std::string& text, int number) {
  json arguments = json::object();
  const json kinds = {text, number, json::array({text}), number % 2 == 0 ? "at least" : "less than",
                      "en"};
  constexpr int kTries = 32;
  for (int i = 0; i < kTries; ++i) {
    const auto made = temper::reward::MakeInstruction(id, arguments, "k");
    if (made.ok()) break;
    const std::string message(made.status().message());
    if (message.rfind("k.", 0) != 0) break;
    const std::string key = message.substr(2, message.find(':') - 2);
    const size_t next = arguments.contains(key) ? arguments["_" + key].get<size_t>() + 1 : 0;
    if (next >= kinds.size()) break;
    arguments[key] = kinds[next];
    arguments["_" + key] = next;  // which kind was tried; no instruction reads it
  }
  for (auto at = arguments.begin(); at != arguments.end();) {
    at = at.key()[0] == '_' ? arguments.erase(at) : std::next(at);
  }
  return arguments;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace temper::reward;  // NOLINT(google-build-using-namespace)
  if (size < 2) return 0;
  const std::vector<std::string>& ids = InstructionIds();
  const std::string& id = ids[bytes[0] % ids.size()];
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 2, size - 2);
  const size_t nul = text.find('\0');
  const std::string argument(text.substr(0, nul));
  const std::string_view response = nul == text.npos ? "" : text.substr(nul + 1);
  json arguments = argument.rfind('{', 0) == 0 ? json::parse(argument, nullptr, false) : json();
  if (!arguments.is_object()) arguments = ArgumentsOf(id, argument, bytes[1] % 64);
  const json metadata = {{"instruction_id_list", {id}}, {"kwargs", {arguments}}};
  temper::v1::InstructionOptions options;
  options.set_mode(bytes[1] >= 128 ? "loose" : "strict");
  const auto verifier = InstructionVerifier::Create(options);
  const std::string dumped = metadata.dump(-1, ' ', false, json::error_handler_t::replace);
  CheckJudgement((*verifier)->Judge({.text = response, .metadata = dumped}));
  return 0;
}
