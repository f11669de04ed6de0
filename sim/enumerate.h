// Every short script, stopped at every operation of the disk, with every subset of what was not
// synced; and again inside the recovery from that.
//
// The law, checked after each: what is found is one of the states that the model went through, not
// before the last one that somebody was told of, and not behind the last that was decided.
//
// Nothing is tried twice: a script is stopped in its last operation only, because up to there it is
// a shorter script; and an image of the disk is recovered once, whatever led to it.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "sim/memo.h"
#include "sim/script.h"

namespace penstock::sim {

struct EnumerationOptions {
  // Up to it all 2^n subsets of n pending changes are tried; above, the ones most likely to hurt.
  std::uint32_t all_subsets_up_to = 12;
  std::uint32_t random_subsets = 64;
  // One in so many images is recovered with crashes inside the recovery as well; 0 = none.
  std::uint64_t crash_recovery_every = 1;
  // Rot and lying syncs are tried at the end of each script, too.
  bool damage = true;
  // Every operation of the disk fails once, in scripts of up to so many operations.
  std::size_t failures_up_to = 2;
};

struct EnumerationCounters {
  std::uint64_t scripts = 0, moments = 0;
  std::uint64_t images = 0;           // made
  std::uint64_t inside_recovery = 0;  // of them by a second crash
  std::uint64_t recoveries = 0;       // of images whose outcome was not known
  std::uint64_t kills = 0, failed_operations = 0, failed_reads = 0;
  std::uint64_t rotten = 0, rot_found = 0, rot_harmless = 0, rot_under_parity = 0;
  std::uint64_t lies = 0, lies_found = 0;
};

class Enumeration {
 public:
  Enumeration(SectorStore& store, const EnumerationOptions& options);
  // Empty, or what went wrong and where.
  [[nodiscard]] std::string run(const Script& script, bool aged, bool pipelined);
  [[nodiscard]] const EnumerationCounters& counters() const { return counters_; }

 private:
  // Between two operations of the disk.
  struct Moment {
    DiskState disk;
    std::size_t first = 0, last = 0;  // of the model's states: what may be found
    Time now{};
    std::string what;
  };
  struct Found {
    std::string problem;  // why it did not open, or died
    std::string text;     // what was observed
    std::uint64_t damaged_reads = 0;
  };
  // What recovery makes of an image; texts by their hashes.
  struct Outcome {
    std::uint64_t text = 0;
    bool all_agree = false;  // the same after a crash anywhere inside that recovery
  };
  using Texts = std::span<const std::uint64_t>;

  void record(const SimDisk& disk, const std::string& what);
  // From the stock to the end, recording every moment.
  [[nodiscard]] std::string play(const Script& script, bool pipelined);
  // With a broker that is open. `close`: in the end.
  [[nodiscard]] std::string play_on(SimDisk& disk, Play& play, broker::Broker& broker,
                                    const Script& script, bool pipelined);
  // Each operation of the disk, and each read, fails once; then the process is started again.
  [[nodiscard]] std::string fail_everywhere(const Script& script, bool pipelined);
  [[nodiscard]] std::string fail_at(const SimDisk::Faults& faults, const Script& script,
                                    bool pipelined, bool& came_to_pass);
  [[nodiscard]] std::string commit(broker::Broker& broker);
  [[nodiscard]] std::string crash_everywhere();
  [[nodiscard]] std::string crash_at(const Moment& moment);
  // The process dies, is started again, tells what it found; and then the power goes.
  [[nodiscard]] std::string kill_at(const Moment& moment);
  // What is found in the image is one of these texts, also when the power goes again meanwhile.
  [[nodiscard]] std::string judge(const Moment& moment, const Image& image, Texts texts);
  [[nodiscard]] std::string crash_inside(const Moment& moment, const std::vector<DiskState>& states,
                                         const Found& told, Texts texts, bool& all_agree);
  [[nodiscard]] std::uint64_t text_found(const Image& image, Time now);
  [[nodiscard]] std::string check_damage();
  [[nodiscard]] std::string check_rot(const Image& image, bool clean);
  // Opens, observes. With `moments`, those of the recovery are recorded there.
  [[nodiscard]] Found recover(const Image& image, Time now, std::vector<DiskState>* moments);
  [[nodiscard]] Found recover(SimDisk& disk, Time now, std::vector<DiskState>* moments);
  [[nodiscard]] std::vector<std::uint64_t> allowed_texts(const Moment& moment) const;
  [[nodiscard]] bool allowed(const Moment& moment, const std::string& text) const;
  [[nodiscard]] std::string explain(const Moment& moment, const Found& found) const;
  void for_each_image(const DiskState& state, const std::function<bool(const Image&)>& visit);
  // Equal states are torn in equal ways.
  void for_each_torn(const DiskState& state, const std::function<bool(const Image&)>& visit);
  // Whether it was asked before, with the same salt.
  [[nodiscard]] bool seen(const Image& image, std::uint64_t salt);

  SectorStore& store_;
  EnumerationOptions options_;
  EnumerationCounters counters_;
  Stock stocks_[2];
  const Stock* stock_ = nullptr;
  SimRandom random_{42};
  std::vector<SectorId> garbage_;
  Memo<Outcome> outcomes_{21};
  Memo<bool> seen_{16};
  std::uint64_t turn_ = 0;  // of those that are crashed inside

  // of the script that is being played
  std::vector<Moment> moments_;
  std::vector<Model> states_;
  Play* play_ = nullptr;
  SimClock* clock_ = nullptr;
  std::string what_;       // is being done
  bool recording_ = true;  // the moments of this step are not those of a shorter script
  Image last_image_;
  const SimDisk* disk_ = nullptr;
  std::uint64_t sync_of_last_batch_ = 0, syncs_ = 0;
  std::size_t before_last_batch_ = 0;  // what was known to be durable when the last one was written
  std::vector<Image> lies_;
};

}  // namespace penstock::sim
