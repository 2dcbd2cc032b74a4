// Checksums for the pages of a database: a layer between SQLite and the disk.
//
// The last bytes of every page hold the XXH3-128 of the rest and of the page's number, so whatever
// changed on the disk (rows, indices, the tables' structure) is found when it is read. Costs about
// as much as copying the page. Registered with SQLite once for the process; files are used by one
// thread each.
#pragma once

#include <string>

namespace temper {

inline constexpr int kPageBytes = 4096;
inline constexpr int kPageChecksumBytes = 16;  // SQLite calls them reserved

// The name under which sqlite3_open_v2 finds the layer.
const char* CheckedPages();

// What the newest SQLITE_IOERR_DATA of this thread was about: "page 17 differs from its checksum".
const std::string& PageDamage();

}  // namespace temper
