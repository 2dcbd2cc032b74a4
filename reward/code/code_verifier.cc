// Reads settings, problem and response, and gives the program to the tests.
#include "reward/code/code_verifier.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "reward/code/call_tests.h"
#include "reward/code/value_of_json.h"
#include "reward/code/output_tests.h"
#include "reward/code/test_suite.h"
#include "temper/v1/code_verifier.pb.h"

namespace temper::reward {
namespace {

struct Range {
  const char* name;
  double value, least, most;
};

absl::Status CheckRange(const Range& range) {
  if (range.value >= range.least && range.value <= range.most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("code.", range.name, ": found ", range.value,
                                                 ", expected from ", range.least, " to ",
                                                 range.most));
}

// The line that defines a function; HumanEval's responses may hold it whole or only its body.
bool Defines(std::string_view program, std::string_view function) {
  for (const std::string_view start : {"def ", "async def ", "class "}) {
    const std::string line = absl::StrCat(std::string(start), std::string(function));
    for (size_t at = program.find(line); at != program.npos; at = program.find(line, at + 1)) {
      const size_t end = at + line.size();
      const bool whole = end < program.size() &&
                         (program[end] == '(' || program[end] == ' ' || program[end] == ':');
      if (whole && (at == 0 || program[at - 1] == '\n')) return true;
    }
  }
  const std::string assigned = absl::StrCat("\n", std::string(function), " =");
  return ("\n" + std::string(program)).find(assigned) != std::string::npos;
}

// The prompt gives imports and helper functions; where the response holds the function whole, it
// replaces the prompt's.
std::string WithPrompt(const std::string& prompt, const std::string& program,
                       const std::string& function) {
  return prompt + (Defines(program, function) ? "\n" : "") + program;
}

absl::StatusOr<Grade> Run(const Bench& bench, const TestSuite& suite, std::string program) {
  if (suite.kind == TestSuite::Kind::kOutput) return RunOutputTests(bench, suite, program);
  if (bench.language.name != "python") {
    return absl::InvalidArgumentError(
        absl::StrCat("tests: calls of functions are for \"python\", and the language is \"",
                     std::string(bench.language.name), "\""));
  }
  if (suite.kind == TestSuite::Kind::kCalls) return RunCallTests(bench, suite, program);
  if (suite.kind == TestSuite::Kind::kCheck) {
    program = WithPrompt(suite.prompt, program, suite.function);
  }
  return RunPythonTests(bench, suite, program);
}

}  // namespace

absl::StatusOr<std::unique_ptr<const CodeVerifier>> CodeVerifier::Create(
    const temper::v1::CodeOptions& options) {
  const auto number = [](bool given, double value, double otherwise) {
    return given ? value : otherwise;
  };
  const Range cpu = {"cpu_seconds", number(options.has_cpu_seconds(), options.cpu_seconds(), 10),
                     0.01, 3600};
  const Range wall = {"wall_seconds", options.wall_seconds(), 0, 36000};
  const Range memory = {"memory_mib", number(options.has_memory_mib(), options.memory_mib(), 512),
                        16, 1 << 20};
  const Range output = {
      "output_kib", number(options.has_output_kib(), options.output_kib(), 16 << 10), 1, 1 << 20};
  const Range disk = {"disk_mib", number(options.has_disk_mib(), options.disk_mib(), 64), 1,
                      1 << 20};
  const Range processes = {"processes", number(options.has_processes(), options.processes(), 64), 1,
                           30000};
  const Range compile = {
      "compile_cpu_seconds",
      number(options.has_compile_cpu_seconds(), options.compile_cpu_seconds(), 30), 0.1, 3600};
  for (const Range& range : {cpu, wall, memory, output, disk, processes, compile}) {
    TEMPER_RETURN_IF_ERROR(CheckRange(range));
  }
  Settings settings;
  const std::string name = options.language().empty() ? "python" : options.language();
  settings.language = FindLanguage(name);
  if (settings.language == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("code.language: found ", Quoted(name), ", expected one of ", LanguageNames()));
  }
  settings.limits.cpu_seconds = cpu.value;
  settings.limits.wall_seconds = wall.value;
  settings.limits.memory_bytes = static_cast<int64_t>(memory.value) << 20;
  settings.limits.output_bytes = static_cast<int64_t>(output.value) << 10;
  settings.limits.disk_bytes = static_cast<int64_t>(disk.value) << 20;
  settings.limits.processes = static_cast<int>(processes.value);
  settings.compile_limits.cpu_seconds = compile.value;
  settings.compile_limits.memory_bytes = 1LL << 30;
  settings.compile_limits.output_bytes = 64LL << 20;
  settings.compile_limits.disk_bytes = 256LL << 20;
  settings.partial = options.partial();
  settings.sandbox.use_cgroups = !options.no_cgroups();
  if (!options.isolation_min().empty()) settings.sandbox.isolation_min = options.isolation_min();
  if (absl::Status status = sandbox::CheckIsolationMin(settings.sandbox.isolation_min);
      !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("code.", status.message()));
  }
  return std::unique_ptr<const CodeVerifier>(new CodeVerifier(std::move(settings)));
}

absl::StatusOr<const sandbox::Sandbox*> CodeVerifier::OpenSandbox() const {
  mutex_.Lock();
  absl::Status status;
  if (sandbox_ == nullptr) {
    absl::StatusOr<std::unique_ptr<sandbox::Sandbox>> opened =
        sandbox::Sandbox::Open(settings_.sandbox);
    status = opened.status();
    if (opened.ok()) {
      sandbox_ = *std::move(opened);
      log::Info("sandbox opened", {{"isolation", sandbox_->isolation().ToString()}});
    }
  }
  const sandbox::Sandbox* const open = sandbox_.get();
  mutex_.Unlock();
  if (!status.ok()) return status;
  return open;
}

absl::StatusOr<std::string> CodeVerifier::DescribeIsolation() const {
  TEMPER_ASSIGN_OR_RETURN(const sandbox::Sandbox* open, OpenSandbox());
  return open->isolation().ToString();
}

absl::StatusOr<Judgement> CodeVerifier::Judge(const Response& response) const {
  const absl::StatusOr<Value> line =
      ValueOfJson(response.metadata.empty() ? "{}" : response.metadata);
  if (!line.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("metadata: ", line.status().message()));
  }
  const Language* language = settings_.language;
  if (const Value* named = Find(*line, "language");
      named != nullptr && named->kind == Value::Kind::kString) {
    language = FindLanguage(named->text);
    if (language == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("language: found ", Quoted(named->text),
                                                     ", expected one of ", LanguageNames()));
    }
  }
  TEMPER_ASSIGN_OR_RETURN(const TestSuite suite, ParseTestSuite(*line, response.prompt));
  // Never the metadata's "code": in MBPP that is the reference solution.
  const std::optional<std::string> program =
      response.extracted ? std::string(response.text) : ExtractProgram(response.text, *language);
  if (!program.has_value() || program->find_first_not_of(" \t\r\n") == std::string::npos) {
    return Judgement{std::string(kWrongAnswer), 0, "no program found"};
  }
  TEMPER_ASSIGN_OR_RETURN(const sandbox::Sandbox* open, OpenSandbox());
  const Bench bench = {
      *open, judges_, *language, settings_.limits, settings_.compile_limits, settings_.partial};
  TEMPER_ASSIGN_OR_RETURN(Grade grade, Run(bench, suite, *std::move(program)));
  Judgement judgement;
  judgement.verdict = grade.verdict;
  judgement.score = grade.failed() ? 0 : 1;
  if (settings_.partial && grade.verdict != kViolation) {
    judgement.score = static_cast<double>(grade.passed) / grade.total;
  }
  judgement.reason = grade.failed() ? grade.reason : absl::StrCat("passed all tests");
  judgement.details =
      absl::StrCat("{\"passed\": ", grade.passed, ", \"total\": ", grade.total, "}");
  return judgement;
}

}  // namespace temper::reward
