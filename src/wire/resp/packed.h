// Rows of bytes for workers that take and settle hundreds at a time: what RECEIVE ... PACKED gives
// and TASK.DONEPACKED takes. A row costs some 40 bytes beside the message, and neither side
// allocates for it.
//
// What it is: a version byte, then rows until the end; numbers are varints, texts have their length
//   before them. The layout is in docs/protocols/native.md.
// Lifetime: what a reader gives are views into the bytes that it was given.
// Damage:   a reader answers nothing more, and says so by damaged().
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/ids.h"

namespace penstock::wire::resp {

inline constexpr std::uint8_t kPackedVersion = 2;

// A lease as its text names it, and where the server looks for it first.
struct PackedLease {
  MessageId id;
  std::uint32_t delivery = 0;
  std::uint64_t seal = 0;
  std::uint32_t place = 0;

  bool operator==(const PackedLease&) const = default;
};

struct PackedMessage {
  PackedLease lease;
  std::uint32_t attempts = 0;  // this one included
  std::uint8_t priority = 0;
  Time enqueued_at{};
  Time deadline{};    // of the lease
  Time expires_at{};  // zero = never
  std::string_view queue;
  std::string_view group;
  ByteView headers;  // as HeaderWriter makes them
  ByteView body;
};

class MessagePacker {
 public:
  // Behind what `out` holds already; `out` outlives the packer.
  explicit MessagePacker(Bytes& out);
  void add(const PackedMessage& message);

 private:
  Bytes& out_;
  std::string_view queue_;  // of the row before
};

class MessageReader {
 public:
  explicit MessageReader(ByteView bytes);
  [[nodiscard]] std::optional<PackedMessage> next();
  [[nodiscard]] bool damaged() const { return !rows_.ok(); }

 private:
  Cursor rows_;
  std::string_view queue_;
};

// A task that is done. An empty result is null.
struct PackedEnd {
  PackedLease lease;
  std::string_view result;  // JSON
};

class EndPacker {
 public:
  explicit EndPacker(Bytes& out);
  void add(const PackedEnd& end);

 private:
  Bytes& out_;
};

class EndReader {
 public:
  explicit EndReader(ByteView bytes);
  [[nodiscard]] std::optional<PackedEnd> next();
  [[nodiscard]] bool damaged() const { return !rows_.ok(); }

 private:
  Cursor rows_;
};

}  // namespace penstock::wire::resp
