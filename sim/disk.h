// A disk that can be stopped between any two operations, and of which one can say afterwards what
// might be on it.
//
// What it is: an os/Directory in memory, cut into sectors of 512 bytes. What was written since a
// file's
//   last sync, and what happened to names since the directory's, is a list of pending changes; a
//   crash keeps any subset of them. Sectors are kept once by content, so that the state of the
//   whole disk is a few kilobytes and can be copied at every operation.
// Threads: one.
// Lifetime: the store outlives all disks, states and images that were made with it. Files may
//   outlive a PowerCut, but not the disk.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "os/file.h"

namespace penstock::sim {

inline constexpr std::uint64_t kSectorBytes = 512;

// The contents of sectors, each kept once. Number 0 is the sector of zeros.
using SectorId = std::uint32_t;

class SectorStore {
 public:
  SectorStore();
  // `bytes` has kSectorBytes.
  [[nodiscard]] SectorId intern(const std::byte* bytes);
  [[nodiscard]] const std::byte* bytes(SectorId sector) const;
  [[nodiscard]] SectorId garbage(Random& random);
  // Half of one and half of the other, as when the power goes while a sector is written.
  [[nodiscard]] SectorId torn(SectorId before, SectorId after);
  [[nodiscard]] SectorId flipped(SectorId sector, unsigned bit);

 private:
  using Content = std::array<std::byte, kSectorBytes>;
  std::deque<Content> contents_;
  std::unordered_multimap<std::uint64_t, SectorId> by_hash_;
};

struct FileImage {
  std::vector<SectorId> sectors;
  std::uint64_t size = 0;
};
using FileRef =
    std::shared_ptr<const FileImage>;  // shared: states and images that are alike share it

// What is found when the machine comes back.
using Image = std::map<std::string, FileRef>;
[[nodiscard]] std::uint64_t hash_of(const Image& image);

struct Change {
  enum class Kind : std::uint8_t { sector, size, create, rename, remove } kind;
  std::uint32_t inode = 0;
  std::uint32_t sector = 0;
  SectorId content = 0;
  std::uint64_t size = 0;
  std::string name, to;
};

// A disk while the power is on: what is durable, and what only might be, in the order asked for.
struct DiskState {
  std::map<std::string, std::uint32_t> names;
  std::vector<FileRef> inodes;
  std::vector<Change> pending;

  // What is found when of the pending changes those with keep[i] survived. A change that another
  // one needs (a rename of a file whose creation is lost) is lost with it.
  [[nodiscard]] Image image(const std::vector<bool>& keep) const;
};

// How a crash picks what survives: the persistence models of a disk that loses power.
enum class Persistence : std::uint8_t {
  nothing,       // P0
  everything,    // P1: as after kill -9
  prefix,        // P2: in the order of writing
  any_sectors,   // P3: any subset, in any order
  sizes_only,    // P4: files have grown, their contents read as zeros
  torn_sectors,  // P5: the same as any_sectors, but sectors may hold garbage or half of each
  names_apart,   // P6: names survive without the data, or the data without the names
};
inline constexpr int kPersistenceModels =
    7;  // P7, stale content of recycled files, comes by itself
[[nodiscard]] std::string_view name_of(Persistence model);

// Thrown out of the operation at which the power goes. Nothing in between may handle it, just as
// nothing handles the real one.
struct PowerCut {};

class SimDisk final : public Directory {
 public:
  explicit SimDisk(SectorStore& store, const Image& image = {});
  // A process died and the machine did not: what was pending is there to be read, and still
  // pending.
  SimDisk(SectorStore& store, const DiskState& state);

  // ---- Directory
  Result<std::unique_ptr<File>> open(const std::string& name) override;
  Result<std::unique_ptr<File>> create(const std::string& name) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& name) override;
  Result<std::vector<std::string>> list() override;
  Result<void> sync() override;
  Result<std::uint64_t> free_bytes() override;
  Result<std::unique_ptr<DirectoryLock>> lock() override;
  std::string path() const override { return "disk"; }

  // ---- stopping it
  [[nodiscard]] const DiskState& state() const { return durable_; }
  [[nodiscard]] Image crash(Persistence model, Random& random) const;
  // Operations that change something: write, sync, allocate, create, rename, remove; from 1.
  [[nodiscard]] std::uint64_t operations() const { return operations_; }
  // Called after every such operation; for a sync, also before anything of it is durable.
  std::function<void()> after_operation;

  // ---- faults; an operation of number 0 never comes
  struct Faults {
    std::uint64_t cut_power_at = 0;  // the change is begun but not synced, a sync not done
    std::uint64_t fail_at = 0;
    ErrorCode fail_with = ErrorCode::io;
    bool sticky = false;             // and all operations after it
    std::uint64_t fail_read_at = 0;  // reads are counted apart
  };
  Faults faults;
  std::uint64_t capacity_bytes = 1ull << 40;
  [[nodiscard]] std::uint64_t used_bytes() const { return used_bytes_; }
  // Whether fail_at came to pass.
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::uint64_t reads() const { return reads_; }

  // The disk said that the sync numbered `back` (0 = the last) was done, and lied: what it covered
  // goes back to what it was, where nothing was written since. Only of the latest few syncs.
  [[nodiscard]] std::uint64_t syncs() const { return syncs_; }
  [[nodiscard]] std::size_t syncs_remembered() const { return synced_.size(); }
  [[nodiscard]] Image lie(std::size_t back) const;

 private:
  friend class SimFile;
  struct Inode {
    FileImage current;
    bool linked = true;
  };
  struct Written {
    std::uint32_t inode, sector;
    SectorId before, after;
  };

  [[nodiscard]] std::optional<Error> begin(std::string_view what, const std::string& name);
  void end();
  [[nodiscard]] std::uint32_t adopt(FileRef content);
  void set_sector(std::uint32_t inode, std::uint32_t sector, SectorId content);
  [[nodiscard]] Result<void> grow(std::uint32_t inode, std::uint64_t size, std::string_view what,
                                  const std::string& name);
  void make_durable(std::uint32_t inode);

  SectorStore& store_;
  DiskState durable_;
  std::map<std::string, std::uint32_t> names_;
  std::deque<Inode> inodes_;
  std::deque<std::vector<Written>> synced_;
  std::uint64_t operations_ = 0, used_bytes_ = 0, syncs_ = 0;
  mutable std::uint64_t reads_ = 0;
  mutable bool failed_ = false;
  bool locked_ = false;
};

}  // namespace penstock::sim
