// The durable log: records in, positions out, one sync for many.
//
// What it is: an endless sequence of records in recycled segment files. A record has a kind, a head
//   (small; enough to rebuild the index) and a body (the payload; read back on demand). Records
//   gather in a batch; a batch is written and synced as one, so records appended between two seals
//   survive together or not at all.
// Threads: everything is called by the owner's thread, but for write(), which one other thread may
//   call instead with the batch that seal() gave, and prepare() and tend(), which any one other may
//   call.
// Lifetime: views given to a callback die when it returns.
// Damage: a torn tail (only in the last, never confirmed batch) is cut and reported in OpenReport;
// any
//   other damage makes open() fail with Error::corrupt, naming file, position and the way out.
// A failed write or sync ends the process (fatal): there is no retry of an fsync.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "journal/record.h"
#include "os/file.h"

namespace penstock::journal {

struct Options {
  std::uint64_t segment_bytes = 64ull
                                << 20;  // power of two, 64 KiB..1 GiB; kept for the log's life
  std::uint64_t tail_cache_bytes = 64ull << 20;  // the newest bodies, kept in memory
  std::uint32_t spare_segments = 2;              // kept written ahead by prepare()
  // Disk kept from publishes, so that settles and checkpoints go on when it is full: this much for
  // a checkpoint, or a multiple of it that the next one fits in, and one whole segment. 0 keeps
  // neither.
  std::uint64_t reserve_bytes = 16ull << 20;
  bool parity = true;  // made for sealed segments, by tend()
  // Every segment is read over this often, by tend(); 0 never.
  Duration scrub_interval = std::chrono::hours(24);
  Clock* clock = nullptr;  // for statistics and scrubs; null takes the machine's
  // The identity of a log that open() creates; random when absent.
  std::optional<std::array<std::byte, 16>> log_id{};
};

// A piece of a file that was not as it was written.
struct RepairedRange {
  std::string file;
  std::uint64_t offset = 0, bytes = 0;
};

// What recovery found; printed at start when anything but clean.
struct OpenReport {
  bool created = false;          // a new log in an empty directory
  bool clean = false;            // the last life ended with close()
  std::uint64_t torn_bytes = 0;  // cut from the tail, as far as known: never confirmed to anyone
  std::uint64_t records = 0;     // replayed after the checkpoint
  std::uint64_t segments = 0;
  std::vector<RepairedRange> repaired;  // damage in sealed segments, undone with their parity
};

// Something that tend() or a read found, for whoever looks after the machine.
struct Finding {
  enum class Kind : std::uint8_t {
    repaired,     // damage that the parity undid
    damaged,      // damage beyond repair
    unprotected,  // a parity file could not be written
  };
  Kind kind = Kind::damaged;
  std::string file;
  std::uint64_t offset = 0, bytes = 0;
  std::string what;
};

// Receives the past, in order, while open() runs.
class Replay {
 public:
  virtual ~Replay() = default;
  // The newest whole checkpoint, if any; called first.
  [[nodiscard]] virtual Result<void> checkpoint(ByteView state, LogPosition covers) = 0;
  // Every record that the checkpoint's live set names (see write_checkpoint), without its body, in
  // order of position.
  [[nodiscard]] virtual Result<void> live_record(const RecordHead& record) = 0;
  // Called once, after the last live_record and before the first record.
  [[nodiscard]] virtual Result<void> live_done() = 0;
  // Every record after the checkpoint, without its body, in order.
  [[nodiscard]] virtual Result<void> record(const RecordHead& record) = 0;
};

// A sealed batch on its way to the disk; owned by the journal.
class Batch;

// Live records of one segment, as offsets of their first byte in it (ascending). Segments ascend
// too.
struct LiveSegment {
  std::uint64_t number = 0;
  std::vector<std::uint32_t> offsets;
};

class Journal {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Journal>> open(Directory& directory,
                                                             const Options& options,
                                                             Replay& replay);
  ~Journal();

  // ---- appending (owner's thread)

  // Adds a record to the gathering batch and returns its position. The pieces are copied.
  // Precondition: head.size() <= kMaxHeadBytes, and head + body <= max_transaction_bytes().
  // Never refuses: a settle may be appended without asking room_for(), into the space kept for it.
  // Records appended after room_for() answered yes to their sum are in one batch.
  LogPosition append(std::uint8_t kind, ByteView head, ByteView body);
  // Whether `records` of together `bytes` (heads + bodies) may come in as one transaction: the
  // batch has room, and the disk has space beyond the reserve. May begin a new batch, so that they
  // are not split. batch_full passes when a batch was sealed; disk_full when space was freed;
  // too_large never.
  enum class Room : std::uint8_t { yes, batch_full, disk_full, too_large };
  [[nodiscard]] Room room_for(std::uint64_t bytes, std::uint32_t records = 1);
  // The heads and bodies of one transaction, and kRecordOverheadBytes for each record.
  [[nodiscard]] static std::uint64_t max_transaction_bytes(const Options& options);
  // Of this log, whose segment size was chosen when it was new.
  [[nodiscard]] std::uint64_t max_transaction_bytes() const;
  // Everything appended so far is before it; equal to durable() when all of it is durable.
  [[nodiscard]] LogPosition appended() const;
  // Everything before it survives a power loss.
  [[nodiscard]] LogPosition durable() const;
  [[nodiscard]] std::uint64_t gathered_bytes() const;

  // ---- group commit

  // Closes the gathering batch and hands it out for writing; null while one is being written or
  // when nothing gathered. The owner passes it to write(), on any one thread, then to complete().
  [[nodiscard]] Batch* seal();
  // Writer thread: writes and syncs. Ends the process when the disk says no.
  void write(Batch& batch);
  // Owner's thread: durable() advances past it.
  void complete(Batch& batch);
  // seal + write + complete, for one-threaded use.
  void commit();

  // ---- reading bodies back (owner's thread)

  // The record at `position`, its checksum verified. The view lives until the next call of read(),
  // append(), room_for() or complete(). Error::corrupt names segment and offset.
  [[nodiscard]] Result<RecordView> read(LogPosition position);
  // The same of one that is kept in memory and is well; nothing of all others.
  [[nodiscard]] std::optional<RecordView> read_memory(LogPosition position);
  // It will be read soon: first where it is kept in memory is brought near, and then, some records
  // later, what is kept.
  void fetch_place(LogPosition position) const;
  void fetch(LogPosition position) const;

  // ---- keeping small

  // Live bytes are told by the owner, per record, so that the journal knows which segment to clean.
  void retain(LogPosition position, std::uint64_t bytes);
  void release(LogPosition position, std::uint64_t bytes);

  // Durable when it returns (it is written beside the log and renamed). `state` and `live` are
  // those after the last appended record: what gathered is committed first, and Error::busy is the
  // answer while a batch is being written. Segments without live records, by `live` and by
  // retain/release, that lie wholly before durable() are recycled. Heavy: call it rarely.
  [[nodiscard]] Result<void> write_checkpoint(ByteView state, const std::vector<LiveSegment>& live);
  // The next one's state, with four bytes for each live record, may be so long. As much disk is
  // kept for it as soon as there is; until there is, room_for() answers disk_full.
  void expect_checkpoint(std::uint64_t bytes);
  // The length of the log since the last checkpoint, in bytes of disk: what a start reads again.
  [[nodiscard]] std::uint64_t since_checkpoint() const;
  // The disk was full when it was last looked at: what is appended now lives off the reserves,
  // which a checkpoint fills again.
  [[nodiscard]] bool short_of_space() const;
  // A checkpoint would give a segment back: none of its records is needed beside one.
  [[nodiscard]] bool frees_a_segment() const;
  // What the segment being filled has room for: no other is begun before that.
  [[nodiscard]] std::uint64_t left_in_segment() const;

  // A sealed segment whose live bytes are under `ratio` of its size, to be cleaned by appending its
  // live records anew; least live first.
  [[nodiscard]] std::optional<std::uint64_t> cleaning_candidate(double ratio) const;
  // Every record of a sealed segment, without bodies.
  [[nodiscard]] Result<void> for_each_record(std::uint64_t segment,
                                             const std::function<void(const RecordHead&)>& visit);

  // Makes the next missing one of the reserves and the spare segments. Its own thread. True: call
  // it again; false: enough are there, or the disk has no room for them now.
  [[nodiscard]] Result<bool> prepare();

  // One bounded step of looking after sealed segments: makes a parity file that is missing, or
  // reads on in the scrub, and repairs what it finds damaged. The thread of prepare(). Answers when
  // it wants to be called next: at once when that is now or past, Time::max() when not before a
  // segment is sealed. Never fails: what goes wrong is counted, told by take_findings(), and tried
  // again later.
  [[nodiscard]] Time tend();
  // What was found since the last call, oldest first; the newest are dropped when nobody asks.
  [[nodiscard]] std::vector<Finding> take_findings();

  // Where the oldest body is that is kept in memory; kNowhereInLog when none is.
  [[nodiscard]] LogPosition in_memory_from() const;
  // Gives back memory that only saves time: buffers, and bodies before `keep_from`, as far as whole
  // batches go; they are read from the disk then. For an owner that has nothing to do.
  void trim(LogPosition keep_from);

  // Commits what gathered, and marks the log clean. Nothing may be appended afterwards.
  void close();

  [[nodiscard]] const OpenReport& report() const;
  [[nodiscard]] std::uint64_t segment_of(LogPosition position) const;
  [[nodiscard]] std::uint32_t offset_of(LogPosition position) const;

  struct Statistics {
    std::uint64_t segments = 0, spare_segments = 0, disk_bytes = 0, live_bytes = 0;
    std::uint64_t reserve_bytes = 0;  // kept for when the disk is full, beside disk_bytes
    std::uint64_t batches = 0, records = 0, appended_bytes = 0, written_bytes = 0;
    std::uint64_t disk_reads = 0, cache_reads = 0, checkpoints = 0;
    std::uint64_t cache_bytes = 0;  // of the newest bodies, in memory
    std::uint64_t sync_micros_last = 0, sync_micros_max = 0, sync_micros_total = 0;
    std::uint64_t parity_files = 0, parity_bytes = 0;
    std::uint64_t parity_put_off = 0;     // for want of disk, or because it could not be written
    std::uint64_t scrubbed_blocks = 0;    // of 4 KiB, read over
    std::uint64_t repaired_blocks = 0;    // since the start, recovery included
    std::uint64_t damaged_blocks = 0;     // known now, beyond repair
    std::uint64_t scrubs = 0;             // complete ones
    std::uint64_t last_scrub_micros = 0;  // when the last one ended, since 1970; 0 never
  };
  [[nodiscard]] Statistics statistics() const;

 private:
  class Impl;
  explicit Journal(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::journal
