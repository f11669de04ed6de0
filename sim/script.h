// Scripted work whose outcome is known exactly, and the naive model that knows it.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/disk.h"
#include "sim/inbox.h"
#include "sim/machine.h"

namespace penstock::sim {

enum class Op : std::uint8_t {
  publish,     // one message
  batch,       // three messages, all or none
  keyed,       // one message with an idempotency key, the same every time
  take,        // one message gets a lease
  ack,         // of a message that was leased before
  nack,        // … and goes back to its place
  reject,      // … and goes to the dead letters
  commit,      // an ack, and two sends to two queues, all or none
  finish,      // a task ends, with its result
  declare,     // an option of a queue changes
  remove,      // a queue goes, with its message
  roll,        // large messages: the log begins a new segment
  checkpoint,  // maintenance: a checkpoint, and segments are used again
  expire,      // a message comes, and its time runs out
  protect,     // sealed segments get their parity
  submit,      // a workflow of two steps, all or nothing
  step,        // a workflow's first step ends, and it is the second's turn
  fire,        // it is time for what a schedule publishes
};
inline constexpr std::size_t kOps = 18;
[[nodiscard]] std::string_view name_of(Op op);
using Script = std::vector<Op>;
[[nodiscard]] std::string text_of(const Script& script);

// What the outside may rely on. Its own code: bodies, queues and results in plain maps.
class Model {
 public:
  struct Item {
    std::string queue;
    bool leased = false, task = false, held = false;
    std::uint32_t attempts = 0;
    std::uint64_t order = 0;
    Time expires_at{};
  };
  std::map<std::string, Item> items;  // by body
  std::map<std::string, std::string> queues;
  std::map<std::string, std::string> results;  // of finished tasks, by body
  bool key_used = false;
  Time first_due{};  // of the schedule, which fires whether anybody asks for something or not

  void put(const std::string& body, const std::string& queue, Time expires_at = {},
           bool task = false);
  // Everything as one text; what has expired by `now` is gone.
  [[nodiscard]] std::string describe(Time now) const;

 private:
  std::uint64_t serial_ = 0;
};

// Leases that were given before the script begins, for it to settle.
struct Stock {
  Image image;
  Time now{};
  Model model;
  std::vector<Message> leased, tasks, steps;
  std::map<std::string, MessageId> task_ids;  // by body
};

// How the journal and broker of all scripts are set: small segments, checkpoints at will.
[[nodiscard]] broker::Options script_options(Clock& clock);

// Asks the broker everything that the model describes, in the same words. `probe_key` spends a
// publish to see whether the key is known.
[[nodiscard]] std::string observe(broker::Broker& broker, const Stock& stock, SimClock& clock);

// `aged`: several segments, some used for the second time, a checkpoint, and half a segment to go.
[[nodiscard]] Stock make_stock(SectorStore& store, bool aged);

// Plays a script on a broker and on the model, one command at a time.
class Play {
 public:
  // What the model says after each decision; the disk must hold one of those that it may.
  std::vector<Model> states;
  // The last of them that somebody outside knows to be durable.
  std::size_t confirmed = 0;

  Play(const Stock& stock, broker::Broker& broker, SimClock& clock);
  // Issues the commands of one operation, without waiting for the disk.
  void issue(Op op);
  // Looks at the replies that came. Empty, or what was wrong with one.
  [[nodiscard]] std::string hear();

 private:
  struct Expected {
    std::size_t state = 0;
    Answer::Kind kind{};
    std::uint64_t count = 0;
  };
  void expect(Answer::Kind kind, std::uint64_t count);
  Model& decide();
  void publish(const std::string& queue, const std::vector<std::string>& bodies,
               std::string_view key = {}, Time expires_at = {});
  void settle(const Message& message, engine::Outcome outcome, std::string_view result = {},
              bool sends = false);
  void submit();
  // The next of those that were leased before.
  const Message& leased() { return stock_.leased.at(next_leased_++); }
  void take();

  const Stock& stock_;
  broker::Broker& broker_;
  SimClock& clock_;
  Inbox inbox_;
  SessionId session_;
  broker::Tag tag_ = 0;
  std::map<broker::Tag, Expected> expected_;
  std::size_t next_leased_ = 0, next_task_ = 0, next_step_ = 0, serial_ = 0;
};

}  // namespace penstock::sim
