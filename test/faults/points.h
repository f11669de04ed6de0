// What the server does to its data directory, as one table: the calls, the kinds of files, and the
// names of the moments at which a test lets it die (docs/formats/journal.md says what they mean).
//
// Shared by the shim inside the server and by the tests outside, so: constants only.
#pragma once

#include <cstdint>
#include <cstring>
#include <iterator>
#include <string_view>

namespace penstock::faults {

enum class Call : std::uint8_t {
  open,
  create,
  read,
  write,
  fdatasync,
  fsync,
  rename,
  unlink,
  fallocate,
  ftruncate,
};
inline constexpr const char* kCallNames[] = {"open",  "create", "read",   "write",     "fdatasync",
                                             "fsync", "rename", "unlink", "fallocate", "ftruncate"};
inline constexpr std::size_t kCalls = std::size(kCallNames);

enum class Kind : std::uint8_t {
  any,  // in a Point: whichever it is
  segment,
  spare,
  reserve,
  checkpoint,
  temporary,  // of a checkpoint
  parity,
  parity_temporary,
  lock,
  other,
  directory,  // the data directory itself
  parent,     // the one above it
};

// What a write to a segment or a spare begins with.
enum class Content : std::uint8_t { any, none, header, batch, trailer, other };

struct Point {
  const char* name;
  Call call;
  Kind file;
  Content content = Content::any;  // of the write; of a sync: of the last write before it
  Kind to = Kind::any;             // of a rename
  // A short piece of work comes by only as its threads fall, or after a life was cut short.
  bool by_chance = false;
};

inline constexpr Point kPoints[] = {
    {"lock-write", Call::write, Kind::lock},
    {"spare-create", Call::create, Kind::spare},
    {"spare-write", Call::write, Kind::spare, Content::other},
    {"spare-sync", Call::fdatasync, Kind::spare, Content::other},
    {"segment-header-write", Call::write, Kind::spare, Content::header},
    {"segment-header-sync", Call::fdatasync, Kind::spare, Content::header},
    {"segment-rename", Call::rename, Kind::spare, Content::any, Kind::segment},
    {"batch-write", Call::write, Kind::segment, Content::batch},
    {"batch-sync", Call::fdatasync, Kind::segment, Content::batch},
    {"footer-write", Call::write, Kind::segment, Content::other},
    {"trailer-write", Call::write, Kind::segment, Content::trailer},
    {"trailer-sync", Call::fdatasync, Kind::segment, Content::trailer},
    {"directory-sync", Call::fsync, Kind::directory},
    {"checkpoint-create", Call::create, Kind::temporary},
    {"checkpoint-write", Call::write, Kind::temporary},
    {"checkpoint-sync", Call::fdatasync, Kind::temporary},
    {"checkpoint-rename", Call::rename, Kind::temporary, Content::any, Kind::checkpoint},
    {"old-checkpoint-remove", Call::unlink, Kind::checkpoint},
    {"segment-recycle", Call::rename, Kind::segment, Content::any, Kind::spare, true},
    {"segment-remove", Call::unlink, Kind::segment, Content::any, Kind::any, true},
    {"reserve-allocate", Call::fallocate, Kind::spare},
    {"reserve-rename", Call::rename, Kind::spare, Content::any, Kind::reserve},
    {"reserve-use", Call::rename, Kind::reserve, Content::any, Kind::spare, true},
    {"reserve-remove", Call::unlink, Kind::reserve, Content::any, Kind::any, true},
    {"parity-create", Call::create, Kind::parity_temporary, Content::any, Kind::any, true},
    {"parity-write", Call::write, Kind::parity_temporary, Content::any, Kind::any, true},
    {"parity-sync", Call::fdatasync, Kind::parity_temporary, Content::any, Kind::any, true},
    {"parity-rename", Call::rename, Kind::parity_temporary, Content::any, Kind::parity, true},
    {"parity-remove", Call::unlink, Kind::parity, Content::any, Kind::any, true},
    // While it starts on what an earlier life left behind:
    {"spare-remove", Call::unlink, Kind::spare, Content::any, Kind::any, true},
    {"temporary-remove", Call::unlink, Kind::temporary, Content::any, Kind::any, true},
    {"checkpoint-read", Call::read, Kind::checkpoint},
    {"segment-read", Call::read, Kind::segment},
    {"recovery-sync", Call::fdatasync, Kind::segment, Content::none},
    {"recovery-footer-sync", Call::fdatasync, Kind::segment, Content::other, Kind::any, true},
};
inline constexpr std::size_t kPointCount = std::size(kPoints);

[[nodiscard]] inline Kind kind_of(std::string_view name) {
  if (name.starts_with("journal-") && name.ends_with(".seg")) return Kind::segment;
  if (name.starts_with("spare-") && name.ends_with(".seg")) return Kind::spare;
  if (name.starts_with("reserve.")) return Kind::reserve;
  if (name.starts_with("checkpoint-") && name.ends_with(".ckp")) return Kind::checkpoint;
  if (name.starts_with("journal-") && name.ends_with(".par")) return Kind::parity;
  if (name == "checkpoint.tmp") return Kind::temporary;
  if (name == "parity.tmp") return Kind::parity_temporary;
  return name == "LOCK" ? Kind::lock : Kind::other;
}

[[nodiscard]] inline Content content_of(const void* data, std::size_t size) {
  if (size < 8 || std::memcmp(data, "&PEN", 4) != 0) return Content::other;
  const std::string_view rest(static_cast<const char*>(data) + 4, 3);
  if (rest == "SEG") return Content::header;
  if (rest == "BAT") return Content::batch;
  return rest == "TRR" ? Content::trailer : Content::other;
}

// The point that a call stands at; -1 for none.
[[nodiscard]] inline int point_at(Call call, Kind file, Content content, Kind to) {
  for (std::size_t at = 0; at < kPointCount; ++at) {
    const Point& point = kPoints[at];
    if (point.call == call && point.file == file &&
        (point.content == Content::any || point.content == content) &&
        (point.to == Kind::any || point.to == to))
      return static_cast<int>(at);
  }
  return -1;
}

}  // namespace penstock::faults
