// The files of the page; they are part of the program, so that it works without any other file.
#pragma once

#include <span>
#include <string_view>

namespace temper::orchestrator {

struct PageFile {
  std::string_view path;  // "/app.js"
  std::string_view type;  // "text/javascript; charset=utf-8"
  std::string_view bytes;
};

// Made by embed.cmake from page/ and from the charting library of the system.
std::span<const PageFile> PageFiles();

}  // namespace temper::orchestrator
