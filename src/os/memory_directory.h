// A directory in memory that behaves like a disk at its worst: for tests and for the simulator.
//
// What it is: each file has a durable image and a current one; what was written since the last sync
// is
//   dirty, sector by sector. Creations, renames and removals wait for the directory's sync, in
//   order. crash() decides which of that survives. Single operations can be made to fail, the space
//   to end.
// Threads: any.
// Lifetime: files opened before a crash() may only be destroyed after it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "os/file.h"

namespace penstock {

class MemoryDirectory : public Directory {
 public:
  // Thrown out of the operation that cut_power_at() names: nothing in between may handle it, just
  // as nothing handles the real one.
  struct PowerCut {};

  // What of the unsynced survives.
  enum class Survivors : std::uint8_t {
    nothing,         // everything unsynced is lost
    everything,      // as after kill -9
    prefix,          // a random prefix, in the order of first writing
    random_sectors,  // any sectors, in any order
    random_garbage,  // the same, but some sectors being written hold neither old nor new
  };

  explicit MemoryDirectory(std::uint64_t capacity_bytes = 1ull << 40);
  ~MemoryDirectory() override;

  Result<std::unique_ptr<File>> open(const std::string& name) override;
  Result<std::unique_ptr<File>> create(const std::string& name) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& name) override;
  Result<std::vector<std::string>> list() override;
  Result<void> sync() override;
  Result<std::uint64_t> free_bytes() override;
  Result<std::unique_ptr<DirectoryLock>> lock() override;
  std::string path() const override { return "memory"; }

  // ---- faults

  // Operations that change something, counted from 1: write, sync, allocate, create, rename,
  // remove.
  [[nodiscard]] std::uint64_t operations() const;
  // The operation with this number throws PowerCut: a change is begun but not synced, a sync not
  // done.
  void cut_power_at(std::uint64_t operation);
  // The operation with this number fails with `code`; with `sticky`, all after it as well.
  void fail_at(std::uint64_t operation, ErrorCode code, bool sticky = false);
  // Every read of this file fails with Error::io.
  void fail_reads_of(const std::string& name);
  // Every read that touches these bytes fails with Error::io, until they are written again.
  void fail_reads_of(const std::string& name, std::uint64_t offset, std::uint64_t bytes);
  void clear_faults();
  void crash(Survivors survivors, Random& random);
  // The process died, the machine did not: all is there to be read, and what was dirty still is.
  void process_death();
  void set_capacity(std::uint64_t bytes);
  // free_bytes() goes on to answer from `bytes`, as a file system does that has a quota.
  void pretend_capacity(std::uint64_t bytes);

  // ---- looking at the platters

  [[nodiscard]] bool exists(const std::string& name) const;
  // What a reader would see now. Empty when there is no such file.
  [[nodiscard]] Bytes contents(const std::string& name) const;
  // Puts `bytes` there, durably.
  void set_contents(const std::string& name, Bytes bytes);
  // Everything durable and not, as one value, to go back to.
  [[nodiscard]] std::map<std::string, Bytes> snapshot() const;
  void restore(const std::map<std::string, Bytes>& files);

  struct Node;

 private:
  friend class MemoryFile;
  struct Change {
    enum class Kind : std::uint8_t { create, rename, remove } kind;
    std::string name, to;
    std::shared_ptr<Node>
        node;  // shared: a name, a handle and a pending change may all hold the file
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  // Counts one operation; says which fault, if any, it meets. Called with the mutex held.
  [[nodiscard]] std::optional<Error> begin_operation(const char* what, const std::string& name);
  void end_operation() const;
  [[nodiscard]] std::uint64_t used_bytes() const;
  static void apply(Names& names, const Change& change);

  mutable std::mutex mutex_;
  Names durable_, current_;
  std::vector<Change> changes_;
  std::uint64_t capacity_, pretended_ = 0;
  std::uint64_t operations_ = 0, cut_at_ = 0, fail_at_ = 0;
  ErrorCode fail_code_ = ErrorCode::io;
  bool fail_sticky_ = false;
  bool locked_ = false;
};

}  // namespace penstock
