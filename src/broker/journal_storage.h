// The journal, as the engine's storage; and the engine's state, as the journal's recovery.
#pragma once

#include "engine/engine.h"
#include "journal/journal.h"

namespace penstock::broker {

class JournalStorage final : public engine::Storage {
 public:
  explicit JournalStorage(journal::Journal& journal) : journal_(journal) {}

  LogPosition append(std::uint8_t kind, ByteView head, ByteView body) override {
    ++records_;
    return journal_.append(kind, head, body);
  }
  [[nodiscard]] Result<ByteView> read_body(LogPosition position) override {
    auto record = journal_.read(position);
    if (record) return record->body;
    ++damaged_reads_;
    return fail(std::move(record.error()));
  }
  void retain(LogPosition position, std::uint64_t bytes) override {
    journal_.retain(position, bytes);
  }
  void release(LogPosition position, std::uint64_t bytes) override {
    journal_.release(position, bytes);
  }

  [[nodiscard]] std::uint64_t records() const { return records_; }
  [[nodiscard]] std::uint64_t damaged_reads() const { return damaged_reads_; }

 private:
  journal::Journal& journal_;
  std::uint64_t records_ = 0, damaged_reads_ = 0;
};

class StateReplay final : public journal::Replay {
 public:
  explicit StateReplay(engine::State& state) : state_(state) {}

  Result<void> checkpoint(ByteView bytes, LogPosition) override {
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
    return state_.replay(record.kind, record.head, record.position, record.body_bytes);
  }

 private:
  engine::State& state_;
  engine::IdList ids_;
};

}  // namespace penstock::broker
