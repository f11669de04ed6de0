// The journal, as the engine's storage; and the engine's state, as the journal's recovery.
#pragma once

#include "engine/engine.h"
#include "engine/settings_size.h"
#include "journal/journal.h"

namespace penstock::broker {

class JournalStorage final : public engine::Storage {
 public:
  JournalStorage(journal::Journal& journal, engine::SettingsSize settings)
      : journal_(journal), settings_(settings) {}

  LogPosition append(std::uint8_t kind, ByteView head, ByteView body) override {
    ++records_;
    settings_.count(engine::EventKind{kind}, head);
    return journal_.append(kind, head, body);
  }
  // Positions of bodies in memory are beyond any that a log can have.
  LogPosition keep(ByteView body) override {
    const auto slot = kept_.take();
    kept_[slot].assign(body.begin(), body.end());
    kept_bytes_ += body.size();
    return LogPosition(kKept | slot);
  }
  [[nodiscard]] bool has_room(std::uint64_t bytes, std::uint32_t records) const override {
    const auto need = bytes + std::uint64_t{records} * journal::kRecordOverheadBytes;
    return journal_.room_for(need, records) == journal::Journal::Room::yes;
  }
  // Both of bodies that will be read soon; the second some bodies later.
  void fetch_place(LogPosition position) const {
    if (!is_kept(position)) journal_.fetch_place(position);
  }
  void fetch_body(LogPosition position) const {
    if (!is_kept(position)) journal_.fetch(position);
  }
  // Nothing: read_body() has to look for it.
  [[nodiscard]] std::optional<ByteView> body_in_memory(LogPosition position) {
    if (is_kept(position)) return ByteView(kept_[slot_of(position)]);
    if (const auto record = journal_.read_memory(position)) return record->body;
    return std::nullopt;
  }
  [[nodiscard]] Result<ByteView> read_body(LogPosition position) override {
    if (is_kept(position)) return ByteView(kept_[slot_of(position)]);
    auto record = journal_.read(position);
    if (record) return record->body;
    ++damaged_reads_;
    return fail(std::move(record.error()));
  }
  void retain(LogPosition position, std::uint64_t bytes) override {
    if (!is_kept(position)) journal_.retain(position, kHeadBytes + bytes);
  }
  void release(LogPosition position, std::uint64_t bytes) override {
    if (!is_kept(position)) return journal_.release(position, kHeadBytes + bytes);
    Bytes& body = kept_[slot_of(position)];
    kept_bytes_ -= body.size();
    body = {};
    kept_.give_back(slot_of(position));
  }

  [[nodiscard]] engine::SettingsSize& settings() { return settings_; }
  [[nodiscard]] std::uint64_t records() const { return records_; }
  [[nodiscard]] std::uint64_t damaged_reads() const { return damaged_reads_; }
  [[nodiscard]] std::uint64_t kept_bytes() const { return kept_bytes_; }

 private:
  static constexpr std::uint64_t kKept = 1ull << 63;
  // What a message takes beside its body, in its record and in the segment's footer. Without it
  // segments of small messages would look nearly empty, and be copied for ever.
  static constexpr std::uint64_t kHeadBytes = 64;
  [[nodiscard]] static bool is_kept(LogPosition position) { return (position.value & kKept) != 0; }
  [[nodiscard]] static std::uint32_t slot_of(LogPosition position) {
    return static_cast<std::uint32_t>(position.value);
  }

  journal::Journal& journal_;
  engine::SettingsSize settings_;
  engine::Slab<Bytes, 8> kept_;
  std::uint64_t records_ = 0, damaged_reads_ = 0, kept_bytes_ = 0;
};

class StateReplay final : public journal::Replay {
 public:
  explicit StateReplay(engine::State& state) : state_(state) {}

  Result<void> checkpoint(ByteView bytes, LogPosition) override {
    settings_.reset(bytes.size());  // no less than all of it
    return state_.restore_checkpoint(bytes);
  }
  Result<void> live_record(const journal::RecordHead& record) override {
    engine::PublishEvent event;
    if (!decode(record.head, event, ids_))
      return fail(ErrorCode::corrupt, "a live record is not a message at position " +
                                          std::to_string(record.position.value));
    return state_.restore_live(event, record.position, record.body_bytes);
  }
  Result<void> live_done() override { return state_.restore_done(); }
  Result<void> record(const journal::RecordHead& record) override {
    settings_.count(engine::EventKind{record.kind}, record.head);
    return state_.replay(record.kind, record.head, record.position, record.body_bytes);
  }

  [[nodiscard]] const engine::SettingsSize& settings() const { return settings_; }

 private:
  engine::State& state_;
  engine::SettingsSize settings_;
  engine::IdList ids_;
};

}  // namespace penstock::broker
