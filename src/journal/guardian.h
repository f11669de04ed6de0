// Looks after sealed segments: makes their parity, reads them over, repairs them.
//
// Threads: two. The owner's tells which segments there are, asks for repairs and takes findings;
// the
//   background's calls tend(). They share the list of segments, under the mutex.
// Hand-over: the owner gives a segment up with retire(), whatever the background is doing with it.
//   The background reads without a lock: what it reads of a file that has become another's matches
//   no checksum. But before it changes anything (writes a repaired block, gives a parity file its
//   name) it takes the mutex and looks whether the segment is still there, and it keeps the mutex
//   until that is done. So the mutex covers writing, but only of damaged blocks, and a rename.
// Damage: see Parity. What is damaged when its parity is to be made is only told.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "journal/journal.h"
#include "journal/parity.h"
#include "journal/parity_maker.h"
#include "journal/space.h"
#include "os/file.h"

namespace penstock::journal {

class Guardian {
 public:
  Guardian(Directory& directory, const Layout& layout, const Space& space, Clock& clock,
           const Options& options);

  // ---- owner's thread

  // The segments that the log needs and that are sealed, with the files that are there: takes over
  // their parity, removes what belongs to no segment and what is half-made.
  [[nodiscard]] Result<void> adopt(const std::vector<std::uint64_t>& sealed,
                                   const std::vector<std::string>& names);
  // The segment is sealed and durable, and so is the beginning of the next.
  void add(std::uint64_t number);
  // The segments' files are about to become others'. Removes their parity.
  [[nodiscard]] Result<void> retire(const std::vector<std::uint64_t>& numbers);
  // Repairs the blocks that [from, to) touches. True: something was repaired.
  [[nodiscard]] bool mend(std::uint64_t number, std::uint64_t from, std::uint64_t to);
  [[nodiscard]] std::vector<Finding> take_findings();
  void count_into(Journal::Statistics& statistics) const;

  // ---- background's thread

  [[nodiscard]] Time tend();

 private:
  enum class State : std::uint8_t {
    bare,      // no parity, or one that is to be made anew
    unknown,   // a parity file is there that nobody looked at yet
    covered,   // by a parity file
    hopeless,  // damaged before parity could be made
  };
  struct Entry {
    State state = State::bare;
    bool has_file = false;
    std::vector<bool> lost;  // blocks known to be beyond repair; empty when none is
  };
  // One reading of everything.
  struct Pass {
    explicit Pass(Time now) : began(now) {}
    Time began;
    Duration pace{};
    std::uint64_t number = 0;  // of the segment under way, or the last one done
    std::unique_ptr<File> segment;
    std::optional<Parity> parity;
    std::optional<ParityMaker> reader;  // of a segment without parity
    std::uint64_t at = 0;
    bool parity_whole = true;
  };

  void make_step(Time now);
  void install();
  void put_off(Time now, const std::string& file, const Error& error);
  void look_at(std::uint64_t number);
  [[nodiscard]] std::optional<std::uint64_t> next_in(State state) const;
  void set_state(std::uint64_t number, State state);
  [[nodiscard]] bool present(std::uint64_t number) const;
  [[nodiscard]] std::optional<Parity> load_parity(std::uint64_t number, const File& segment) const;
  // Writes back and counts what was examined. True: something was repaired.
  bool settle(const Parity& parity, File& segment, const Examined& examined);
  void tell(Finding finding);         // with the mutex held
  void demote(std::uint64_t number);  // covered no more: its parity is to be made anew
  void lose(std::uint64_t number, std::uint64_t offset, const std::string& what);

  void begin_pass(Time now);
  void scrub_step(Time now);
  [[nodiscard]] bool next_segment();
  void scrub_segment();
  void scrub_parity();
  void read_over();

  Directory& directory_;
  const Layout layout_;
  const ParityGeometry geometry_;
  const Space& space_;
  Clock& clock_;
  const bool parity_;
  const Duration interval_;

  // the background's
  std::optional<ParityMaker> maker_;
  Time retry_at_{};
  std::optional<Pass> pass_;
  Time scrub_at_ = Time::max();  // the next pass, or its next step

  mutable std::mutex mutex_;
  std::map<std::uint64_t, Entry> entries_;
  std::deque<Finding> findings_;
  std::uint64_t put_off_ = 0, scrubbed_ = 0, repaired_ = 0, scrubs_ = 0;
  Time last_scrub_{};
};

}  // namespace penstock::journal
