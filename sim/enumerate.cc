#include "sim/enumerate.h"

#include <fmt/format.h>

#include <algorithm>

namespace penstock::sim {
namespace {

constexpr std::size_t kGarbage = 16;  // different contents of a sector that was not written whole

std::uint64_t hash_of(const std::string& text) {
  return std::hash<std::string>{}(text);
}
std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  return SimRandom(hash ^ word).next();
}
std::uint64_t hash_of(const std::vector<Change>& pending) {
  std::uint64_t hash = pending.size();
  for (const auto& change : pending) {
    hash = mix(hash, static_cast<std::uint64_t>(change.kind) << 32 | change.inode);
    hash = mix(hash, std::uint64_t{change.sector} << 32 | change.content);
  }
  return hash;
}

}  // namespace

Enumeration::Enumeration(SectorStore& store, const EnumerationOptions& options)
    : store_(store), options_(options), stocks_{make_stock(store, false), make_stock(store, true)} {
  for (std::size_t n = 0; n < kGarbage; ++n) garbage_.push_back(store.garbage(random_));
}

std::string Enumeration::run(const Script& script, bool aged, bool pipelined) {
  stock_ = &stocks_[aged ? 1 : 0];
  ++counters_.scripts;
  auto problem = play(script, pipelined);
  if (problem.empty()) problem = crash_everywhere();
  if (problem.empty() && options_.damage) problem = check_damage();
  if (problem.empty() && script.size() <= options_.failures_up_to)
    problem = fail_everywhere(script, pipelined);
  if (problem.empty()) return {};
  return fmt::format("script {} ({} log, {}):\n{}", text_of(script), aged ? "aged" : "young",
                     pipelined ? "pipelined" : "one by one", problem);
}

void Enumeration::record(const SimDisk& disk, const std::string& what) {
  if (!recording_) return;
  moments_.push_back({disk.state(), play_->confirmed, play_->states.size() - 1, clock_->now(),
                      fmt::format("{} (operation {})", what, disk.operations())});
}

std::string Enumeration::commit(broker::Broker& broker) {
  broker.turn();
  while (auto* batch = broker.seal()) {
    before_last_batch_ = play_->confirmed;
    broker.write(*batch);
    sync_of_last_batch_ = disk_->syncs();
    broker.complete(*batch);
    if (auto wrong = play_->hear(); !wrong.empty()) return wrong;
  }
  return play_->hear();
}

std::string Enumeration::play(const Script& script, bool pipelined) {
  moments_.clear();
  lies_.clear();
  SimClock clock;
  clock.set(stock_->now);
  SimRandom random(2);
  SimDisk disk(store_, stock_->image);
  auto opened = broker::Broker::open(disk, clock, random, script_options(clock));
  if (!opened) return "the stock does not open: " + opened.error().message;
  Play play(*stock_, **opened, clock);
  play_ = &play;
  clock_ = &clock;
  what_ = "at the beginning";
  recording_ = script.size() == 1;
  disk.after_operation = [&] { record(disk, what_); };
  record(disk, what_);
  if (auto wrong = play_on(disk, play, **opened, script, pipelined); !wrong.empty()) return wrong;
  states_ = play.states;
  return {};
}

// Pipelined: each operation is issued while the batch of the one before is on its way.
std::string Enumeration::play_on(SimDisk& disk, Play& play, broker::Broker& broker,
                                 const Script& script, bool pipelined) {
  disk_ = &disk;
  journal::Batch* in_flight = nullptr;
  const auto finish = [&]() -> std::string {
    if (in_flight == nullptr) return {};
    before_last_batch_ = play.confirmed;
    broker.write(*in_flight);
    sync_of_last_batch_ = disk_->syncs();
    broker.complete(*std::exchange(in_flight, nullptr));
    return play.hear();
  };
  for (std::size_t n = 0; n < script.size(); ++n) {
    what_ = fmt::format("in step {}, {}", n + 1, name_of(script[n]));
    recording_ = n + 1 == script.size();
    const bool alone = script[n] == Op::checkpoint || script[n] == Op::protect || !pipelined;
    if (alone)
      if (auto wrong = finish(); !wrong.empty()) return wrong;
    play.issue(script[n]);
    broker.turn();
    if (alone) {
      if (auto wrong = commit(broker); !wrong.empty()) return wrong;
    } else {
      if (auto wrong = finish(); !wrong.empty()) return wrong;
      in_flight = broker.seal();
    }
    // What calls it ends the process, too.
    if (auto prepared = broker.prepare(); !prepared)
      throw ProcessDeath{"prepare", prepared.error().message};
  }
  if (auto wrong = finish(); !wrong.empty()) return wrong;
  if (auto wrong = commit(broker); !wrong.empty()) return wrong;
  what_ = "at the end";
  if (disk.after_operation) record(disk, what_);
  if (play.confirmed + 1 < play.states.size()) return "a command was not answered";
  const auto durable = [&disk] {
    return disk.state().image(std::vector<bool>(disk.state().pending.size(), false));
  };
  last_image_ = durable();
  syncs_ = disk.syncs();
  for (std::size_t back = 0; back < disk.syncs_remembered(); ++back)
    lies_.push_back(disk.lie(back));
  if (!pipelined) {
    what_ = "while closing";
    broker.close();
    last_image_ = durable();
  }
  return {};
}

std::string Enumeration::fail_everywhere(const Script& script, bool pipelined) {
  for (const bool reads : {false, true}) {
    for (std::uint64_t n = 1;; ++n) {
      SimDisk::Faults faults;
      (reads ? faults.fail_read_at : faults.fail_at) = n;
      bool came_to_pass = false;
      if (auto wrong = fail_at(faults, script, pipelined, came_to_pass); !wrong.empty())
        return fmt::format("{} {} failed\n{}", reads ? "read" : "operation", n, wrong);
      if (!came_to_pass) break;
      ++(reads ? counters_.failed_reads : counters_.failed_operations);
    }
  }
  return {};
}

// It may die of it, or go on; but what it said before must be true after.
std::string Enumeration::fail_at(const SimDisk::Faults& faults, const Script& script,
                                 bool pipelined, bool& came_to_pass) {
  moments_.clear();
  SimClock clock;
  clock.set(stock_->now);
  SimRandom random(2);
  SimDisk disk(store_, stock_->image);
  disk.faults = faults;
  std::optional<Play> play;
  try {
    auto opened = broker::Broker::open(disk, clock, random, script_options(clock));
    if (opened) {
      play.emplace(*stock_, **opened, clock);
      play_ = &*play;
      auto wrong = play_on(disk, *play, **opened, script, pipelined);
      // A body that could not be read is missing in an answer, and counted.
      const bool excused = (*opened)->statistics().damaged_reads > 0;
      if (!wrong.empty() && !excused) return wrong;
    } else if (!disk.failed()) {
      return "it did not open: " + opened.error().message;
    }
  } catch (const ProcessDeath& death) {
    if (!disk.failed()) return "it died: " + death.what + ": " + death.why;
  }
  came_to_pass = disk.failed();
  states_ = play ? play->states : std::vector<Model>{stock_->model};
  const Moment end{disk.state(), play ? play->confirmed : 0, states_.size() - 1, clock.now(),
                   what_};
  const auto texts = allowed_texts(end);
  for (const bool kept : {false, true}) {
    const auto image = end.disk.image(std::vector<bool>(end.disk.pending.size(), kept));
    if (std::ranges::find(texts, text_found(image, end.now)) == texts.end())
      return explain(end, recover(image, end.now, nullptr));
  }
  return {};
}

bool Enumeration::seen(const Image& image, std::uint64_t salt) {
  const auto key = mix(hash_of(image), salt);
  if (seen_.find(key) != nullptr) return true;
  seen_.keep(key, true);
  return false;
}

std::string Enumeration::crash_everywhere() {
  for (const auto& moment : moments_) {
    ++counters_.moments;
    if (auto problem = crash_at(moment); !problem.empty()) return problem;
    if (auto problem = kill_at(moment); !problem.empty()) return problem;
  }
  return {};
}

std::string Enumeration::crash_at(const Moment& moment) {
  const auto texts = allowed_texts(moment);
  std::string problem;
  for_each_image(moment.disk, [&](const Image& image) {
    ++counters_.images;
    problem = judge(moment, image, texts);
    return problem.empty();
  });
  return problem;
}

std::string Enumeration::judge(const Moment& moment, const Image& image, Texts texts) {
  const auto key = mix(hash_of(image), static_cast<std::uint64_t>(micros(moment.now)));
  const auto every = options_.crash_recovery_every;
  const bool inside = every != 0 && ++turn_ % every == 0;
  if (const auto* known = outcomes_.find(key)) {
    const bool good = std::ranges::find(texts, known->text) != texts.end();
    if (good && (known->all_agree || !inside)) return {};
  }
  ++counters_.recoveries;
  std::vector<DiskState> states;
  const auto told = recover(image, moment.now, inside ? &states : nullptr);
  Outcome outcome{hash_of(told.text), false};
  if (std::ranges::find(texts, outcome.text) == texts.end()) return explain(moment, told);
  if (inside)
    if (auto problem = crash_inside(moment, states, told, texts, outcome.all_agree);
        !problem.empty())
      return problem;
  outcomes_.keep(key, outcome);
  return {};
}

// The first state is the image itself. The last one is special: recovery is done, and what it found
// may be told.
std::string Enumeration::crash_inside(const Moment& moment, const std::vector<DiskState>& states,
                                      const Found& told, Texts texts, bool& all_agree) {
  const auto told_text = hash_of(told.text);
  std::string problem;
  all_agree = true;
  for (std::size_t n = 1; n < states.size() && problem.empty(); ++n) {
    const bool done = n + 1 == states.size();
    if (done && n == 1) break;  // it changed nothing
    for_each_image(states[n], [&](const Image& again) {
      ++counters_.images;
      ++counters_.inside_recovery;
      const auto text = text_found(again, moment.now);
      if (text == told_text) return true;
      all_agree = false;
      if (!done && std::ranges::find(texts, text) != texts.end()) return true;
      problem = fmt::format(
          "{}\nand then the power went again after {} of the recovery's {} "
          "operations{}",
          explain(moment, recover(again, moment.now, nullptr)), n, states.size() - 1,
          done ? ", when this had been told:\n" + told.text : "");
      return false;
    });
  }
  return problem;
}

std::string Enumeration::kill_at(const Moment& moment) {
  if (moment.disk.pending.empty()) return {};
  ++counters_.kills;
  SimDisk disk(store_, moment.disk);
  std::vector<DiskState> recovery;
  const auto told = recover(disk, moment.now, &recovery);
  if (!allowed(moment, told.text)) return "as after kill -9: " + explain(moment, told);
  const auto told_text = hash_of(told.text);
  std::string problem;
  for_each_image(recovery.back(), [&](const Image& image) {
    ++counters_.images;
    ++counters_.inside_recovery;
    if (text_found(image, moment.now) != told_text)
      problem = fmt::format(
          "as after kill -9: {}\nand then the power went, when this had been "
          "told:\n{}",
          explain(moment, recover(image, moment.now, nullptr)), told.text);
    return problem.empty();
  });
  return problem;
}

std::uint64_t Enumeration::text_found(const Image& image, Time now) {
  const auto key = mix(hash_of(image), static_cast<std::uint64_t>(micros(now)));
  if (const auto* known = outcomes_.find(key)) return known->text;
  ++counters_.recoveries;
  const auto text = hash_of(recover(image, now, nullptr).text);
  outcomes_.keep(key, {text, false});
  return text;
}

Enumeration::Found Enumeration::recover(const Image& image, Time now,
                                        std::vector<DiskState>* moments) {
  SimDisk disk(store_, image);
  return recover(disk, now, moments);
}

Enumeration::Found Enumeration::recover(SimDisk& disk, Time now, std::vector<DiskState>* moments) {
  Found found;
  SimClock clock;
  clock.set(now);
  SimRandom random(3);
  if (moments != nullptr) {
    moments->push_back(disk.state());
    disk.after_operation = [&] { moments->push_back(disk.state()); };
  }
  try {
    auto opened = broker::Broker::open(disk, clock, random, script_options(clock));
    if (!opened) {
      found.problem = opened.error().message;
      return found;
    }
    if (moments != nullptr) {
      disk.after_operation = nullptr;
      moments->push_back(disk.state());
    }
    (*opened)->check();
    found.text = observe(**opened, *stock_, clock);
    found.damaged_reads = (*opened)->statistics().damaged_reads;
  } catch (const ProcessDeath& death) {
    found.problem = death.what + ": " + death.why;
    found.text.clear();
  }
  return found;
}

std::vector<std::uint64_t> Enumeration::allowed_texts(const Moment& moment) const {
  std::vector<std::uint64_t> texts;
  for (auto n = moment.first; n <= moment.last; ++n)
    texts.push_back(hash_of(states_[n].describe(moment.now)));
  return texts;
}

bool Enumeration::allowed(const Moment& moment, const std::string& text) const {
  for (auto n = moment.first; n <= moment.last; ++n)
    if (states_[n].describe(moment.now) == text) return true;
  return false;
}

std::string Enumeration::explain(const Moment& moment, const Found& found) const {
  std::string text = fmt::format("the power went {}", moment.what);
  if (!found.problem.empty()) text += "\nthe log did not open: " + found.problem;
  text += "\nfound:\n" + found.text;
  for (auto n = moment.first; n <= moment.last; ++n)
    text += fmt::format("allowed:\n{}", states_[n].describe(moment.now));
  return text;
}

void Enumeration::for_each_image(const DiskState& state,
                                 const std::function<bool(const Image&)>& visit) {
  const auto count = state.pending.size();
  std::vector<bool> keep(count);
  if (count <= options_.all_subsets_up_to) {
    for (std::uint64_t mask = 0; mask < (1ull << count); ++mask) {
      for (std::size_t n = 0; n < count; ++n) keep[n] = (mask >> n) & 1;
      if (!visit(state.image(keep))) return;
    }
  } else {
    // Every prefix, none and all among them; only one; all but one; some at random.
    for (std::size_t n = 0; n <= count; ++n) {
      keep.assign(count, false);
      std::fill_n(keep.begin(), n, true);
      if (!visit(state.image(keep))) return;
    }
    for (std::size_t n = 0; n < 2 * count; ++n) {
      keep.assign(count, n >= count);
      keep[n % count].flip();
      if (!visit(state.image(keep))) return;
    }
    SimRandom random(hash_of(state.pending));
    for (std::uint32_t n = 0; n < options_.random_subsets; ++n) {
      for (std::size_t at = 0; at < count; ++at) keep[at] = random.one_in(2);
      if (!visit(state.image(keep))) return;
    }
  }
  for_each_torn(state, visit);
}

// The sector that was being written when the power went: garbage, or half of each.
void Enumeration::for_each_torn(const DiskState& state,
                                const std::function<bool(const Image&)>& visit) {
  const auto count = state.pending.size();
  for (std::size_t n = count; n-- > 0 && n + 8 > count;) {
    if (state.pending[n].kind != Change::Kind::sector) continue;
    DiskState torn = state;
    auto& content = torn.pending[n].content;
    const auto& before = *state.inodes[torn.pending[n].inode];
    const auto sector = torn.pending[n].sector;
    for (const bool half : {false, true}) {
      content = half ? store_.torn(sector < before.sectors.size() ? before.sectors[sector] : 0,
                                   state.pending[n].content)
                     : garbage_[(sector + n) % kGarbage];
      std::vector<bool> keep(count, true);
      if (!visit(torn.image(keep))) return;
      std::fill(keep.begin() + static_cast<std::ptrdiff_t>(n) + 1, keep.end(), false);
      if (!visit(torn.image(keep))) return;
    }
  }
}

// ---- damage: never a wrong answer, never a silent cut in the middle

std::string Enumeration::check_damage() {
  const bool clean = moments_.back().what.starts_with("while closing");
  if (!seen(last_image_, clean ? 11 : 12))
    if (auto problem = check_rot(last_image_, clean); !problem.empty()) return problem;
  const Moment& end = moments_.back();
  for (std::size_t back = 0; back < lies_.size(); ++back) {
    if (seen(lies_[back], 13 + back)) continue;
    ++counters_.lies;
    const auto found = recover(lies_[back], end.now, nullptr);
    const bool named = found.problem.find("journal-") != std::string::npos ||
                       found.problem.find("checkpoint-") != std::string::npos;
    if (named || found.damaged_reads > 0) {
      ++counters_.lies_found;
      continue;
    }
    // The very last batch cannot be told from one that was never finished.
    Moment may = end;
    may.first = syncs_ - back == sync_of_last_batch_ ? before_last_batch_ : states_.size() - 1;
    may.last = states_.size() - 1;
    if (!allowed(may, found.text))
      return fmt::format("the disk had lied about the sync {} before the last\n{}", back,
                         explain(may, found));
  }
  return {};
}

std::string Enumeration::check_rot(const Image& image, bool clean) {
  Moment end = moments_.back();
  // The very last batch, when nothing marks its end, cannot be told from one never finished.
  end.first = clean ? states_.size() - 1 : before_last_batch_;
  end.last = states_.size() - 1;
  for (const auto& [name, file] : image) {
    for (std::size_t sector = 0; sector < file->sectors.size(); ++sector) {
      if (file->sectors[sector] == 0 && sector % 16 != 0) continue;
      auto rotten = std::make_shared<FileImage>(*file);
      rotten->sectors[sector] =
          store_.flipped(rotten->sectors[sector], static_cast<unsigned>(random_.below(4096)));
      Image damaged = image;
      damaged[name] = std::move(rotten);
      ++counters_.rotten;
      const auto found = recover(damaged, end.now, nullptr);
      if (name.ends_with(".seg") && image.contains(name.substr(0, name.size() - 3) + "par")) {
        ++counters_.rot_under_parity;
        if (found.text != states_.back().describe(end.now))
          return fmt::format("a bit flipped in {}, sector {}, and its parity did not help\n{}",
                             name, sector, explain(end, found));
        continue;
      }
      if (found.problem.find(name) != std::string::npos || found.damaged_reads > 0) {
        ++counters_.rot_found;
        continue;
      }
      ++counters_.rot_harmless;
      if (!found.problem.empty() || !allowed(end, found.text))
        return fmt::format("a bit flipped in {}, sector {}\n{}", name, sector, explain(end, found));
    }
  }
  return {};
}

}  // namespace penstock::sim
