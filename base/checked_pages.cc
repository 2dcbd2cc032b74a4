// Wraps the files that SQLite opens as databases; journals pass by.
#include "base/checked_pages.h"

#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/digest.h"
#include "sqlite3.h"

namespace temper {
namespace {

constexpr int kHeaderBytes = 100;  // SQLite reads them by themselves, before it knows the page size
constexpr size_t kReservedAt = 20, kVersionAt = 60, kApplicationAt = 68;

thread_local std::string damage;

// Layout fixed by SQLite: the methods first, then our own, then the file of the layer below.
struct CheckedFile {
  sqlite3_file base;
  // False: a file that its opener will look at, and refuse.
  bool checked;

  sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

CheckedFile* Ours(sqlite3_file* file) { return reinterpret_cast<CheckedFile*>(file); }
sqlite3_file* Below(sqlite3_file* file) { return Ours(file)->below(); }

uint32_t BigEndian(const unsigned char* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

// Pages that changed places differ too.
std::string ChecksumOf(const char* page, sqlite3_int64 offset) {
  std::string sum = Xxh3Digest(std::string_view(page, kPageBytes - kPageChecksumBytes));
  uint64_t number = static_cast<uint64_t>(offset / kPageBytes) + 1;
  for (int i = 0; i < 8; ++i, number >>= 8) {
    sum[static_cast<size_t>(i)] = static_cast<char>(sum[static_cast<size_t>(i)] ^ (number & 0xff));
  }
  TEMPER_CHECK(sum.size() == kPageChecksumBytes);
  return sum;
}

int Damaged(sqlite3_int64 offset, const char* how) {
  damage = absl::StrCat("page ", offset / kPageBytes + 1, " ", how);
  return SQLITE_IOERR_DATA;
}

int CheckPage(const char* page, int bytes, sqlite3_int64 offset) {
  if (bytes != kPageBytes || offset % kPageBytes != 0) {
    return Damaged(offset, absl::StrCat("is read with ", bytes, " bytes, expected ", kPageBytes,
                                        ": the header is wrong")
                               .c_str());
  }
  const char* const stored = page + kPageBytes - kPageChecksumBytes;
  if (std::memcmp(stored, ChecksumOf(page, offset).data(), kPageChecksumBytes) == 0) {
    return SQLITE_OK;
  }
  return Damaged(offset, "differs from its checksum");
}

int Read(sqlite3_file* file, void* buffer, int bytes, sqlite3_int64 offset) {
  const int code = Below(file)->pMethods->xRead(Below(file), buffer, bytes, offset);
  if (!Ours(file)->checked || offset + bytes <= kHeaderBytes) return code;
  if (code == SQLITE_OK) return CheckPage(static_cast<const char*>(buffer), bytes, offset);
  if (code != SQLITE_IOERR_SHORT_READ) return code;
  // Beyond the end there is nothing yet; a part of a page is what is left of a whole one.
  sqlite3_int64 size = 0;
  const int sized = Below(file)->pMethods->xFileSize(Below(file), &size);
  if (sized != SQLITE_OK) return sized;
  return size > offset ? Damaged(offset, "is cut short") : code;
}

int Write(sqlite3_file* file, const void* buffer, int bytes, sqlite3_int64 offset) {
  // Nothing writes to files of other versions: they are refused when they are opened.
  TEMPER_CHECK(bytes == kPageBytes && offset % kPageBytes == 0);
  const char reserved = static_cast<const char*>(buffer)[kReservedAt];
  if (offset == 0 && reserved != kPageChecksumBytes) {
    return Damaged(offset, "has no room for a checksum: Database::Open makes files that have");
  }
  char page[kPageBytes];
  std::memcpy(page, buffer, kPageBytes - kPageChecksumBytes);
  std::memcpy(page + kPageBytes - kPageChecksumBytes, ChecksumOf(page, offset).data(),
              kPageChecksumBytes);
  return Below(file)->pMethods->xWrite(Below(file), page, bytes, offset);
}

int Close(sqlite3_file* file) { return Below(file)->pMethods->xClose(Below(file)); }
int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  return Below(file)->pMethods->xTruncate(Below(file), size);
}
int Sync(sqlite3_file* file, int flags) { return Below(file)->pMethods->xSync(Below(file), flags); }
int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  return Below(file)->pMethods->xFileSize(Below(file), size);
}
int Lock(sqlite3_file* file, int level) { return Below(file)->pMethods->xLock(Below(file), level); }
int Unlock(sqlite3_file* file, int level) {
  return Below(file)->pMethods->xUnlock(Below(file), level);
}
int CheckReservedLock(sqlite3_file* file, int* held) {
  return Below(file)->pMethods->xCheckReservedLock(Below(file), held);
}
int FileControl(sqlite3_file* file, int what, void* argument) {
  return Below(file)->pMethods->xFileControl(Below(file), what, argument);
}
int SectorSize(sqlite3_file* file) { return Below(file)->pMethods->xSectorSize(Below(file)); }
int DeviceCharacteristics(sqlite3_file* file) {
  return Below(file)->pMethods->xDeviceCharacteristics(Below(file));
}

// Version 1: no shared memory, no mapping; every byte comes through Read and Write.
constexpr sqlite3_io_methods kMethods = {1,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         DeviceCharacteristics};

// Application ids of our files, and the first schema of each whose pages have checksums. Other
// files, and older ones, have other pages: whoever opens them refuses them by these numbers.
constexpr struct {
  uint32_t application;
  uint32_t schema;
} kCheckedFrom[] = {
    {0x746d7072, 3},  // "tmpr", a run's ledger
    {0x746d7063, 1},  // "tmpc", a controller's memory
    {0x746d7067, 1},  // "tmpg", the store of agent graphs
};

bool HasOurPages(sqlite3_file* file) {
  unsigned char header[kHeaderBytes];
  if (file->pMethods->xRead(file, header, kHeaderBytes, 0) != SQLITE_OK)
    return true;  // new, or cut
  for (const auto& known : kCheckedFrom) {
    if (BigEndian(header + kApplicationAt) == known.application) {
      return BigEndian(header + kVersionAt) >= known.schema;
    }
  }
  return false;
}

sqlite3_vfs* Disk() { return sqlite3_vfs_find("unix"); }

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* flags_out) {
  sqlite3_vfs* const disk = Disk();
  if ((flags & SQLITE_OPEN_MAIN_DB) == 0) return disk->xOpen(disk, name, file, flags, flags_out);
  file->pMethods = nullptr;
  const int code = disk->xOpen(disk, name, Below(file), flags, flags_out);
  if (code != SQLITE_OK) return code;
  Ours(file)->checked = HasOurPages(Below(file));
  file->pMethods = &kMethods;
  return SQLITE_OK;
}

}  // namespace

const char* CheckedPages() {
  static sqlite3_vfs* const registered = [] {
    TEMPER_CHECK(sqlite3_initialize() == SQLITE_OK);
    TEMPER_CHECK(Disk() != nullptr);
    static sqlite3_vfs files = *Disk();
    files.zName = "temper";
    files.szOsFile += static_cast<int>(sizeof(CheckedFile));
    files.xOpen = Open;
    TEMPER_CHECK(sqlite3_vfs_register(&files, /*makeDflt=*/0) == SQLITE_OK);
    return &files;
  }();
  return registered->zName;
}

const std::string& PageDamage() { return damage; }

}  // namespace temper
