// Disk space for the log: spare segments written ahead, the reserves, and whether there is room.
//
// Why reserves: a full disk may refuse a publish but never a settle, and never the checkpoint that
//   lets segments be used again. So one segment file and one file for the checkpoint's space are
//   kept, and a spare besides: publishes are refused before the last one of those goes. The
//   checkpoint's grows with what it is going to tell.
// Threads: any; the mutex guards names and flags only, never input or output.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "journal/journal.h"
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
  // The next checkpoint's file may be so long: its reserve grows to a multiple of reserve_bytes
  // that it fits in. One that is four times too large is given up for a smaller.
  void expect_checkpoint(std::uint64_t bytes);
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
  void count_into(Journal::Statistics& statistics) const;

 private:
  [[nodiscard]] std::uint64_t spare_count() const;
  [[nodiscard]] bool has_reserve() const;
  enum class Missing : std::uint8_t { none, reserve_checkpoint, reserve_segment, spare };
  [[nodiscard]] Missing missing() const;
  [[nodiscard]] Result<void> make(Missing what);
  [[nodiscard]] bool is_excessive() const;  // the checkpoint's reserve; under the mutex
  // Answers the bytes of the checkpoint's reserve that are left.
  [[nodiscard]] Result<std::uint64_t> let_go_of_excess();
  // What is there stays there, so that nothing is lost when there is no more.
  [[nodiscard]] Result<void> grow_reserve(std::uint64_t from, std::uint64_t to);
  [[nodiscard]] std::string fresh_name();
  // Bytes of the files that are to be there and are not.
  [[nodiscard]] std::uint64_t wanted_bytes() const;
  // Answers its size, 0 when it was too small and is gone.
  [[nodiscard]] Result<std::uint64_t> adopt_reserve(const char* name, std::uint64_t bytes);
  // What the last file was told: see denied_.
  void note_denial(const Result<void>& filled);
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
  std::uint64_t checkpoint_wanted_;    // bytes
  std::uint64_t checkpoint_have_ = 0;  // bytes of its reserve
  bool have_segment_ = false, lent_ = false;
};

}  // namespace penstock::journal
