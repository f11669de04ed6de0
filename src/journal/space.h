// Disk space for the log: spare segments written ahead, the reserves, and whether there is room.
//
// Why reserves: a full disk may refuse a publish but never a settle, and never the checkpoint that
//   lets segments be used again. So one segment file and one file for the checkpoint's space are
//   kept, and a spare besides: publishes are refused before the last one of those goes.
// Threads: any; the mutex guards names and flags only, never input or output.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/file.h"

namespace penstock::journal {

class Space {
 public:
  Space(Directory& directory, std::uint64_t segment_bytes, std::uint32_t spares,
        std::uint64_t reserve_bytes);

  // Takes over the spare and reserve files found in the directory; removes those cut short.
  [[nodiscard]] Result<void> adopt(const std::vector<std::string>& names);
  // The name of a file of a segment's size, now the caller's. Uses up the reserve when all else
  // fails.
  [[nodiscard]] Result<std::string> take_segment();
  // Gives files of segments that nobody needs back: as reserve, as spares, or to the file system.
  [[nodiscard]] Result<void> recycle(const std::vector<std::string>& names);
  // Lets go of the checkpoint's reserve, and when that is gone and `segments`, of a spare; false
  // when there is nothing left. Until reclaim() nothing is made from what the file system got back.
  [[nodiscard]] Result<bool> lend(bool segments);
  void reclaim();
  // Makes one missing file. False: none is missing, or there is no space for it.
  [[nodiscard]] Result<bool> prepare();

  // Asks the file system, and decides room() anew. A quota is not in its answer: once it has denied
  // a file, only a file that is made is proof of room.
  void refresh();
  // Whether anything but a settle may be appended.
  [[nodiscard]] bool room() const { return room_.load(std::memory_order_relaxed); }
  // Whether the file system has `bytes` beyond what segments and reserves are going to need. For
  // what the log can do without.
  [[nodiscard]] bool can_spare(std::uint64_t bytes) const;
  [[nodiscard]] std::uint64_t spare_count() const;

 private:
  [[nodiscard]] bool has_reserve() const;
  enum class Missing : std::uint8_t { none, reserve_checkpoint, reserve_segment, spare };
  [[nodiscard]] Missing missing() const;
  [[nodiscard]] std::string fresh_name();
  // Bytes of the files that are to be there and are not.
  [[nodiscard]] std::uint64_t wanted_bytes() const;
  [[nodiscard]] Result<void> adopt_reserve(const char* name, std::uint64_t bytes, bool& have);
  // A new file with all its bytes written, or only allocated, and synced.
  [[nodiscard]] Result<void> make_file(const std::string& name, std::uint64_t bytes, bool written);

  Directory& directory_;
  const std::uint64_t segment_bytes_;
  const std::uint32_t spares_wanted_;
  const std::uint64_t reserve_bytes_;
  std::atomic<bool> room_{true};
  std::atomic<bool> denied_{false};  // the last file found no space, whatever was said to be free
  mutable std::mutex mutex_;
  std::vector<std::string> spares_;
  std::uint64_t next_name_ = 1;
  bool have_segment_ = false, have_checkpoint_ = false, lent_ = false;
};

}  // namespace penstock::journal
