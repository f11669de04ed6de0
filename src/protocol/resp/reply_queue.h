// The replies that a connection owes, in the order of its commands, whenever they become known.
//
// A reply whose turn it is goes straight to the output; one that comes early is kept, encoded,
// until all before it are there.
//
//   commands   1 PING   2 TASK.GET id WAIT 10s   3 ACK lease   4 PING
//   output     +PONG    (not known yet)          kept: :1      kept: +PONG
//
// Threads:  one.
// Lifetime: a slot and a buffer stay valid until the next call that opens or finishes.
// Memory:   slots grow with the commands unanswered and shrink when all are answered.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "broker/reply.h"
#include "wire/resp/reply_writer.h"

namespace penstock::protocol::resp {

struct Slot;

// Makes the bytes of one command's answer from the broker's.
using Encode = void (*)(wire::resp::ReplyWriter& to, const broker::Reply& reply, Slot& slot);

enum class Waiting : std::uint8_t { no, take, task };

// What is to be known about one command while its answer is not.
struct Slot {
  Encode encode = nullptr;    // null: `prepared` is the answer
  std::uint32_t parts = 1;    // replies of the broker that make this one answer
  std::uint32_t settled = 0;  // summed over the parts
  MessageId task{};           // of a TASK.GET that waits
  Waiting waiting = Waiting::no;
  wire::resp::Version version = wire::resp::Version::resp2;  // as when it was asked
  bool answered = false;
  std::string bytes;     // the answer, kept while an earlier one is missing
  std::string prepared;  // an answer that is known, and may not go out yet
};

class ReplyQueue {
 public:
  using Tag = broker::Tag;

  // The next command's place; its answer is owed from now on.
  [[nodiscard]] Tag open();
  // Nothing when it was answered already.
  [[nodiscard]] Slot* find(Tag tag);
  // Where the answer of an unanswered command is to be written; then finish() it.
  [[nodiscard]] std::string& buffer(Tag tag);
  void finish(Tag tag);
  // Where to write an answer that is known at once, when nothing is owed before it; finish() is not
  // needed then. Null when it has to queue.
  [[nodiscard]] std::string* direct() { return unanswered() == 0 ? &output_ : nullptr; }

  // All unanswered ones, oldest first; `visit` may neither open nor finish.
  template <class Visit>
  void for_each(Visit visit) {
    for (Tag tag = first_; tag != next_; ++tag)
      if (Slot& slot = at(tag); !slot.answered) visit(tag, slot);
  }

  // Commands from the oldest unanswered one on.
  [[nodiscard]] std::size_t unanswered() const { return static_cast<std::size_t>(next_ - first_); }
  // Bytes not sent yet: those ready to go, and those that wait for their turn.
  [[nodiscard]] std::size_t held_bytes() const { return output_.size() - sent_ + kept_bytes_; }

  // Whether an answer may come: not beyond `limit`, unless all those that are kept wait for it.
  [[nodiscard]] bool has_room_for(Tag tag, std::size_t limit) const {
    return output_.size() - sent_ < limit && (tag == first_ || held_bytes() < limit);
  }
  [[nodiscard]] std::size_t memory_bytes() const { return output_.capacity() + kept_bytes_; }
  // Gives back what was sent.
  void trim_output();
  [[nodiscard]] ByteView output() const { return as_bytes(output_).subspan(sent_); }
  void sent(std::size_t count);

 private:
  [[nodiscard]] Slot& at(Tag tag) { return slots_[tag & (slots_.size() - 1)]; }
  void grow();
  void move_answered_to_output();

  std::vector<Slot> slots_;  // a ring; its size is a power of two, or zero
  Tag first_ = 1;            // the oldest one not answered
  Tag next_ = 1;
  std::size_t kept_bytes_ = 0;
  std::string output_;
  std::size_t sent_ = 0;  // of output_, from its front
};

}  // namespace penstock::protocol::resp
