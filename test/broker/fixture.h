// A broker over a disk in memory, with a clock that tests set and replies that they look at.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/headers.h"
#include "broker/broker.h"
#include "os/memory_directory.h"

namespace penstock::broker {

using namespace std::chrono_literals;

class FakeClock final : public Clock {
 public:
  Time now() override { return now_; }
  void advance(Duration by) { now_ += by; }

 private:
  Time now_ = time_from_micros(1'700'000'000'000'000);
};

class FakeRandom final : public Random {
 public:
  explicit FakeRandom(std::uint64_t seed = 1) : state_(seed) {}
  std::uint64_t next() override {
    state_ += 0x9e3779b97f4a7c15;
    auto z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

// A reply that owns what it says.
struct Got {
  std::string kind;
  std::vector<std::uint64_t> ids;
  std::uint64_t count = 0;
  std::uint32_t duplicates = 0, lost = 0;
  bool created = false, cancelled = false;
  Refused refused;
  Error error;
  struct Message {
    std::uint64_t id = 0;
    engine::LeaseToken lease;
    std::string body, group, state, history, header;
    std::string schedule, due;  // of one that a schedule published
    std::uint32_t attempts = 0;
    Time deadline{};
  };
  std::vector<Message> messages;
  engine::TaskState state = engine::TaskState::unknown;
  std::string name, result, history, workflow;
  std::vector<engine::QueueStatistics> queues;
  std::string declined;  // of a task
  std::vector<engine::LogLine> lines;
  engine::WorkerTold told;
  std::uint64_t number = 0;
};

class Sink final : public ReplySink {
 public:
  void on_reply(Tag tag, const Reply& reply) override {
    Got got;
    std::visit([&](const auto& value) { keep(got, value); }, reply);
    EXPECT_FALSE(replies.contains(tag)) << "a command is answered once";
    replies[tag] = std::move(got);
  }
  void on_ended(std::string_view reason) override { ended = reason; }
  bool wants_more(Tag) override { return reads; }
  std::map<Tag, Got> replies;
  bool reads = true;  // else it wants nothing more
  std::string ended;  // why, once its session was

 private:
  static Got::Message message(const Delivery& d) {
    Got::Message m;
    m.id = d.id.value;
    m.lease = d.lease;
    m.body = as_text(d.body);
    m.group = d.group;
    m.attempts = d.attempts;
    m.deadline = d.deadline;
    if (const auto header = find_header(d.headers, "h")) m.header = *header;
    if (const auto name = find_header(d.headers, kScheduleHeader)) m.schedule = *name;
    if (const auto due = find_header(d.headers, kDueHeader)) m.due = *due;
    return m;
  }
  static void keep(Got& got, const Published& p) {
    got.kind = "published";
    for (const auto id : p.ids) got.ids.push_back(id.value);
    got.duplicates = p.duplicates;
  }
  static void keep(Got& got, const Refused& r) { got.kind = "refused", got.refused = r; }
  static void keep(Got& got, const Error& e) { got.kind = "error", got.error = e; }
  static void keep(Got& got, const Delivered& d) {
    got.kind = "delivered";
    for (const auto& one : d.messages) got.messages.push_back(message(one));
  }
  static void keep(Got& got, const Settled& s) {
    got.kind = "settled", got.count = s.settled, got.lost = s.lost, got.cancelled = s.cancelled;
  }
  static void keep(Got& got, const Browsed& b) {
    got.kind = "browsed";
    for (const auto& one : b.messages) {
      auto m = message(one.message);
      m.state = one.state;
      m.history = one.history;
      got.messages.push_back(std::move(m));
    }
  }
  static void keep(Got& got, const TaskStatus& t) {
    got.kind = "task", got.state = t.state, got.name = t.name, got.result = t.result,
    got.error.message = t.error;
    got.history = t.history;
    got.workflow = t.workflow;
    got.count = t.attempts;
    got.cancelled = t.cancel_requested;
    got.declined = t.declined;
  }
  static void keep(Got& got, const Tasks& t) {
    got.kind = "tasks";
    for (const auto& one : t.tasks) got.ids.push_back(one.id.value);
  }
  static void keep(Got& got, const Queues& q) {
    got.kind = "queues", got.queues.assign(q.queues.begin(), q.queues.end());
  }
  static void keep(Got& got, const Done& d) {
    got.kind = "done", got.count = d.count, got.created = d.created;
  }
  static void keep(Got& got, const TaskLog& l) {
    got.kind = "log", got.lines.assign(l.lines.begin(), l.lines.end()), got.created = l.ended;
  }
  static void keep(Got& got, const engine::WorkerTold& t) { got.kind = "told", got.told = t; }
  static void keep(Got& got, const engine::WorkersOrdered& o) {
    got.kind = "ordered", got.count = o.workers, got.number = o.number;
  }
  static void keep(Got& got, const engine::Redriven& r) {
    got.kind = "redriven", got.count = r.moved, got.number = r.next.value;
  }
};

class BrokerTest : public testing::Test {
 protected:
  BrokerTest() {
    options.journal.segment_bytes = 1 << 20;
    options.journal.reserve_bytes = 0;
    open();
  }
  void open() {
    auto opened = Broker::open(directory, clock, random, options);
    if (!opened) throw std::runtime_error(opened.error().message);
    broker = std::move(*opened);
    session = broker->open_session(sink);
  }
  // As after kill -9: what was not synced is gone.
  void crash() {
    broker.reset();
    directory.crash(MemoryDirectory::Survivors::nothing, random);
    open();
  }
  void restart() {
    broker->close();
    broker.reset();
    open();
  }
  Got wait(Tag command) { return wait(command, sink); }
  Got wait(Tag command, Sink& of) {
    broker->settle_down();
    auto found = of.replies.extract(command);
    if (!found.empty()) return std::move(found.mapped());
    Got nothing;
    nothing.kind = "nothing";
    return nothing;
  }
  bool answered(Tag command) {
    broker->settle_down();
    return sink.replies.contains(command);
  }
  void advance(Duration by) {
    clock.advance(by);
    broker->settle_down();
  }

  using Input = engine::MessageInput;
  static Input input(std::string_view body) {
    Input one;
    one.body = as_bytes(body);
    return one;
  }
  Tag send_tag(std::string_view queue, std::vector<Input> messages) {
    broker->publish(session, ++tag, engine::Publish{queue, messages});
    return tag;
  }
  Got send(std::string_view queue, std::vector<Input> messages) {
    return wait(send_tag(queue, std::move(messages)));
  }
  Got send(std::string_view queue, std::string_view body) {
    return send(queue, std::vector{input(body)});
  }
  Tag take_tag(std::string queue, std::uint32_t max = 1, Duration wait_for = 0s,
               Duration lease = 0s) {
    engine::Take take;
    take.queues = {std::move(queue)};
    take.max = max;
    take.lease = lease;
    take.wait_until = clock.now() + wait_for;
    broker->take(session, ++tag, take);
    return tag;
  }
  Got take(std::string queue, std::uint32_t max = 1, Duration lease = 0s) {
    return wait(take_tag(std::move(queue), max, 0s, lease));
  }
  Got settle(std::vector<engine::LeaseToken> leases, engine::Outcome outcome = engine::Outcome::ack,
             std::optional<Duration> delay = {}, std::string_view error = {},
             std::string_view result = {}, std::span<const engine::Publish> sends = {},
             engine::Cause cause = engine::Cause::none) {
    engine::Settle command;
    command.cause = cause;
    command.leases = leases;
    command.outcome = outcome;
    command.delay = delay;
    command.error = error;
    command.result = as_bytes(result);
    command.sends = sends;
    broker->settle(session, ++tag, command);
    return wait(tag);
  }
  Got declare(std::string_view queue,
              std::vector<std::pair<std::string_view, std::string_view>> patch) {
    broker->declare(session, ++tag, queue, patch);
    return wait(tag);
  }
  engine::QueueStatistics statistics(std::string_view queue) {
    broker->queue(session, ++tag, queue);
    auto got = wait(tag);
    return got.queues.empty() ? engine::QueueStatistics{} : got.queues.front();
  }
  Got task(std::uint64_t id) {
    broker->task(session, ++tag, MessageId(id), Time{});
    return wait(tag);
  }
  static std::vector<std::string> bodies(const Got& got) {
    std::vector<std::string> texts;
    for (const auto& m : got.messages) texts.push_back(m.body);
    return texts;
  }

  MemoryDirectory directory;
  FakeClock clock;
  FakeRandom random;
  Options options;
  Sink sink;
  std::unique_ptr<Broker> broker;
  SessionId session;
  Tag tag = 0;
};

}  // namespace penstock::broker
