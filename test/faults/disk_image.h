// What a disk would hold: the files of one directory as far as they are durable, and what happened
// to them since, from the recording of the shim. After the process died, cut() makes the directory
// what a power cut could have left of it.
//
// The model is POSIX's, without the comfort of any one file system: a file's content is durable
// when its sync succeeded, for the writes that were done before it began; a name, when a sync of
// the directory did. What a failed sync covered is never durable by a later one. Directory changes
// survive in their order, as all journalling file systems keep it; contents and names go separate
// ways.
//
// Threads: one owner. The directory may not be in use while any of this runs.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "test/faults/recording.h"

namespace penstock::faults {

// What of the changes that were not durable survives.
enum class Survivors : std::uint8_t {
  nothing,
  everything,
  prefix,    // what came before one moment, the last write torn
  sectors,   // any of the sectors of 512 bytes; names to one moment
  garbage,   // the same, and some sectors hold what nobody wrote
  sizes,     // files grew, but hold zeros where they did
  names,     // every creation, rename and removal, no content
  contents,  // every content, no creation, rename or removal
};
inline constexpr std::array kSurvivors{Survivors::nothing, Survivors::everything, Survivors::prefix,
                                       Survivors::sectors, Survivors::garbage,    Survivors::sizes,
                                       Survivors::names,   Survivors::contents};
[[nodiscard]] const char* name_of(Survivors survivors);

class DiskImage {
 public:
  // Everything that `directory` holds now counts as durable.
  explicit DiskImage(std::string directory);

  // After a process ended: takes in what it did, and empties the recording. Compares what that
  // makes of the files with what they hold; the first difference is the answer, "" when there is
  // none. What was not durable stays so, for a cut in a later life.
  [[nodiscard]] std::string take_in(Recording& recording);

  // The power is cut. What is in the directory afterwards is durable. Returns the number of changes
  // that were lost, or hurt.
  std::uint64_t cut(Survivors survivors, std::mt19937_64& random);

  // Changes that are not durable.
  [[nodiscard]] std::size_t pending() const;
  // A file that means nothing is taken away, durably.
  void remove(const std::string& name);

 private:
  struct Change {
    std::uint64_t done = 0;    // the moment
    std::uint64_t offset = 0;  // a write
    std::string data;
    std::uint64_t size = 0;  // without data: the new size
    bool sets_size = false;
    bool failed_sync = false;
  };
  struct Content {
    std::uint64_t inode = 0;
    std::string durable, now;
    std::deque<Change> pending;
  };
  using ContentPtr = std::shared_ptr<Content>;  // a name before and after a rename share it
  using Names = std::map<std::string, ContentPtr>;
  struct NameChange {
    std::uint64_t done = 0;
    Call call = Call::create;
    std::string from, to;
    ContentPtr content;
    bool failed_sync = false;
  };

  void load();
  void take_in(const Event& event);
  void take_in_create(const Event& event, const std::string& name);
  void take_in_name_change(const Event& event);
  void take_in_write(const Event& event, Content& content);
  void take_in_sync(const Event& event);
  [[nodiscard]] ContentPtr by_inode(std::uint64_t inode) const;
  [[nodiscard]] std::string compare() const;
  [[nodiscard]] static std::string survived(const Content& content, Survivors survivors,
                                            std::uint64_t until, std::mt19937_64& random);
  [[nodiscard]] std::uint64_t choose_moment(Survivors survivors, std::mt19937_64& random) const;
  void replace_files(const Names& names, const std::map<Content*, std::string>& contents);
  static void apply(const Change& change, std::string& to);
  static void apply(const NameChange& change, Names& to);
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }

  std::string directory_;
  Names durable_, now_;
  std::deque<NameChange> pending_names_;
  std::vector<ContentPtr> contents_;  // all that a recording may still speak of
};

}  // namespace penstock::faults
