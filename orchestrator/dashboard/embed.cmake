# Writes OUTPUT, a C++ file that holds the page's files.
# Run as: cmake -DOUTPUT=page.cc -DFILES="/app.js=<file>|/style.css=<file>" -P embed.cmake
cmake_minimum_required(VERSION 3.25)

set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_svg "image/svg+xml")

set(arrays "")
set(table "")
set(count 0)
string(REPLACE "|" ";" files "${FILES}")
foreach(file ${files})
  if(NOT file MATCHES "^(/[^=]*)=(.*)$")
    message(FATAL_ERROR "\"${file}\": expected /path=file")
  endif()
  set(path ${CMAKE_MATCH_1})
  set(source ${CMAKE_MATCH_2})
  string(REGEX MATCH "[a-z]+$" kind ${source})
  if(NOT DEFINED type_${kind})
    message(FATAL_ERROR "${source}: no type is known for .${kind}; name it in embed.cmake")
  endif()
  file(READ ${source} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR bytes "${digits} / 2")
  string(REGEX REPLACE "(..)" "\\\\x\\1" text "${hex}")
  string(APPEND arrays "const char kFile${count}[] = \"${text}\";\n")
  string(APPEND table "    {\"${path}\", \"${type_${kind}}\", {kFile${count}, ${bytes}}},\n")
  math(EXPR count "${count} + 1")
endforeach()

file(WRITE ${OUTPUT} "// The page's files; made by embed.cmake.
#include \"orchestrator/dashboard/page.h\"

namespace temper::orchestrator {
namespace {

${arrays}
const PageFile kFiles[] = {
${table}};

}  // namespace

std::span<const PageFile> PageFiles() { return kFiles; }

}  // namespace temper::orchestrator
")
