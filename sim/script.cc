#include "sim/script.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/schedule.h"
#include "flow/zone.h"

namespace penstock::sim {
namespace {

using namespace std::chrono_literals;
using engine::Outcome;

constexpr std::uint64_t kSegmentBytes = 64 << 10;
constexpr std::size_t kLargeBody = 15'000;
constexpr std::string_view kNames[kOps] = {
    "publish", "batch",  "keyed", "take",       "ack",    "nack",    "reject", "commit", "finish",
    "declare", "remove", "roll",  "checkpoint", "expire", "protect", "submit", "step",   "fire"};
constexpr std::string_view kSteps = "f";  // the workflows' queue
constexpr std::string_view kSchedule = "tick";
constexpr std::string_view kFired = "u";  // the schedule's queue
constexpr Duration kFireEvery = 10s;

// A workflow of two steps, one after the other; owns what the input views.
struct Chain {
  Chain(std::string_view first, std::string_view second) {
    nodes[0].node.kind = engine::NodeKind::chain;
    nodes[0].node.children = 2;
    for (int n = 0; n < 2; ++n) {
      auto& step = nodes[n + 1];
      step.queue = kSteps;
      step.message.body = as_bytes(n == 0 ? first : second);
      step.message.task = true;
    }
    input.nodes = nodes;
  }
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;
  engine::WorkflowNodeInput nodes[3];
  engine::WorkflowInput input;
};

// One broker, one session, one command after the other, each to its end.
struct Desk {
  explicit Desk(broker::Broker& b) : broker(b), session(b.open_session(inbox)) {}
  ~Desk() { broker.close_session(session); }
  Answer wait() {
    broker.settle_down();
    auto answer = inbox.take(tag);
    CHECK(answer);
    return *std::move(answer);
  }
  Answer publish(const std::string& queue, const std::string& body, std::string_view key = {},
                 bool task = false) {
    engine::MessageInput input;
    input.body = as_bytes(body);
    input.key = key;
    input.task = task;
    broker.publish(session, ++tag, engine::Publish{queue, {&input, 1}});
    return wait();
  }
  void submit(std::string_view first, std::string_view second) {
    const Chain chain(first, second);
    broker.submit(session, ++tag, chain.input);
    CHECK(wait().kind == Answer::Kind::published);
  }
  void put_schedule() {
    engine::ScheduleSpec spec;
    spec.name = kSchedule;
    spec.when = "@every 10s";
    spec.queue = kFired;
    spec.body = as_bytes(kSchedule);
    spec.missed = engine::Missed::all;
    broker.put_schedule(session, ++tag, spec);
    CHECK(wait().kind == Answer::Kind::done);
  }
  std::vector<Message> take(const std::string& queue, std::uint32_t max) {
    engine::Take take;
    take.queues = {queue};
    take.max = max;
    take.lease = 1h;
    take.connection_bound = false;
    broker.take(session, ++tag, take);
    return wait().messages;
  }
  void ack(const Message& message) {
    engine::Settle settle;
    settle.leases = {&message.lease, 1};
    broker.settle(session, ++tag, settle);
    CHECK(wait().count == 1);
  }
  broker::Broker& broker;
  Inbox inbox;
  SessionId session;
  broker::Tag tag = 0;
};

std::string large(const std::string& name) {
  return name + std::string(kLargeBody, 'x');
}

}  // namespace

std::string_view name_of(Op op) {
  return kNames[static_cast<std::size_t>(op)];
}

std::string text_of(const Script& script) {
  std::string text;
  for (const auto op : script) text += (text.empty() ? "" : ",") + std::string(name_of(op));
  return text;
}

void Model::put(const std::string& body, const std::string& queue, Time expires_at, bool task) {
  queues.try_emplace(queue, "1000000");
  items[body] = {queue, false, task, false, 0, ++serial_, expires_at};
}

std::string Model::describe(Time now) const {
  std::string text;
  for (const auto& [queue, length] : queues) {
    text += fmt::format("{} max {}\n", queue, length);
    std::vector<std::pair<std::uint64_t, std::string>> lines;
    for (const auto& [body, item] : items) {
      if (item.queue != queue || (item.expires_at != Time{} && item.expires_at <= now)) continue;
      lines.emplace_back(item.order, fmt::format("  {} {} {} {} bytes\n", body.substr(0, 8),
                                                 item.held     ? "scheduled"
                                                 : item.leased ? "leased"
                                                               : "ready",
                                                 item.attempts, body.size()));
    }
    if (queue == kFired)
      for (auto due = first_due; due <= now; due += kFireEvery)
        lines.emplace_back(micros(due), fmt::format("  {} ready 0 {} bytes\n", flow::utc_text(due),
                                                    kSchedule.size()));
    std::ranges::sort(lines);
    for (const auto& [order, line] : lines) text += line;
  }
  for (const auto& [body, result] : results) text += fmt::format("{} done {}\n", body, result);
  return text + (key_used ? "key known\n" : "key new\n");
}

broker::Options script_options(Clock& clock) {
  broker::Options options;
  options.journal.segment_bytes = kSegmentBytes;
  options.journal.tail_cache_bytes = 128 << 10;
  options.journal.spare_segments = 1;
  options.journal.reserve_bytes = 0;
  options.journal.clock = &clock;
  options.journal.log_id.emplace();
  options.journal.log_id->fill(std::byte{7});
  options.max_message_bytes = 16 << 10;
  options.checkpoint_bytes = 0;
  options.dead_segments = 0;
  return options;
}

namespace {

// What was due before the process died fires a moment after the next one began.
void catch_up(broker::Broker& broker, SessionId session, SimClock& clock) {
  for (int turn = 0; turn < 100; ++turn) {
    const auto schedule = broker.schedule(session, kSchedule);
    if (!schedule || (*schedule)->next_due > clock.now()) return;
    clock.advance(1ms);
    broker.settle_down();
  }
}

}  // namespace

std::string observe(broker::Broker& broker, const Stock& stock, SimClock& clock) {
  Desk desk(broker);
  catch_up(broker, desk.session, clock);
  broker.queues(desk.session, ++desk.tag);
  auto queues = desk.wait().queues;
  std::ranges::sort(queues, {}, &engine::QueueStatistics::name);
  std::string text;
  for (const auto& queue : queues) {
    text += fmt::format("{} max {}\n", queue.name, queue.options.max_length);
    broker.browse(desk.session, ++desk.tag, queue.name, 1000);
    auto messages = desk.wait().messages;
    // Leased ones are listed apart; ids are in the order of publishing, and so is the model.
    std::ranges::sort(messages, {}, &Message::id);
    std::erase_if(messages, [&](const Message& message) {
      return message.expires_at != Time{} && message.expires_at <= clock.now();
    });
    for (const auto& m : messages)
      text += fmt::format("  {} {} {} {} bytes\n", m.due.empty() ? m.body.substr(0, 8) : m.due,
                          m.state, m.attempts, m.body.size());
  }
  for (const auto& [body, id] : stock.task_ids) {
    broker.task(desk.session, ++desk.tag, id, Time{});
    const auto status = desk.wait();
    if (status.task == engine::TaskState::done)
      text += fmt::format("{} done {}\n", body, status.result);
  }
  return text + (desk.publish("q", "probe", "K").duplicates == 1 ? "key known\n" : "key new\n");
}

namespace {

Image durable(const SimDisk& disk) {
  return disk.state().image(std::vector<bool>(disk.state().pending.size(), false));
}

bool large_one_rolls(SectorStore& store, const Image& image, SimClock& clock) {
  SimRandom random(4);
  SimDisk disk(store, image);
  auto broker = broker::Broker::open(disk, clock, random, script_options(clock));
  CHECK(broker);
  const auto before = (*broker)->statistics().journal.segments;
  Desk desk(**broker);
  static_cast<void>(desk.publish("r", large("L")));
  return (*broker)->statistics().journal.segments > before;
}

}  // namespace

Stock make_stock(SectorStore& store, bool aged) {
  Stock stock;
  SimClock clock;
  SimRandom random(1);
  SimDisk disk(store);
  auto opened = broker::Broker::open(disk, clock, random, script_options(clock));
  CHECK(opened);
  auto& broker = **opened;
  CHECK(broker.prepare());
  {
    Desk desk(broker);
    for (int n = 0; n < 4; ++n) {
      static_cast<void>(desk.publish("q", fmt::format("m{}", n)));
      const auto task = fmt::format("t{}", n);
      stock.task_ids[task] = desk.publish("t", task, {}, true).ids.front();
    }
    for (const auto* name : {"s0", "w0"})
      static_cast<void>(desk.publish(name[0] == 's' ? "s" : "w", name));
    for (int n = 0; n < 4; ++n) desk.submit(fmt::format("f{}a", n), fmt::format("f{}b", n));
    stock.steps = desk.take(std::string(kSteps), 4);
    for (const auto& step : stock.steps) stock.task_ids[step.body] = step.id;
    desk.put_schedule();
    stock.model.first_due = flow::time_of(flow::whole_seconds(clock.now())) + kFireEvery;
    clock.advance(kFireEvery);
    broker.settle_down();
    stock.leased = desk.take("q", 4);
    stock.tasks = desk.take("t", 4);
    for (int n = 0; aged && n < 13; ++n) {
      static_cast<void>(desk.publish("w", large(fmt::format("junk{:02}-", n))));
      const auto junk = desk.take("w", 2);
      for (const auto& one : junk)
        if (one.body != "w0") desk.ack(one);
      for (const auto& one : junk) {
        if (one.body != "w0") continue;
        engine::Settle back;
        back.leases = {&one.lease, 1};
        back.outcome = Outcome::give_back;
        broker.settle(desk.session, ++desk.tag, back);
        CHECK(desk.wait().count == 1);
      }
      if (n == 5 || n == 9) broker.maintain();
      if (n == 7) CHECK(broker.prepare());
    }
    // Batches that the model does not see, until a large one finds no room in the segment. The
    // last of them is there to be damaged: then a script's own work is not what is lost.
    do {
      broker.extend(desk.session, ++desk.tag, {&stock.leased.front().lease, 1}, 1h);
      CHECK(desk.wait().count == 1);
    } while (!large_one_rolls(store, durable(disk), clock));
  }
  stock.model.queues["q"] = stock.model.queues["t"] = "1000000";
  for (int n = 0; n < 4; ++n) {
    stock.model.put(fmt::format("m{}", n), "q");
    stock.model.put(fmt::format("t{}", n), "t", {}, true);
  }
  for (int n = 0; n < 4; ++n) {
    const auto second = fmt::format("f{}b", n);
    stock.model.put(fmt::format("f{}a", n), std::string(kSteps));
    stock.model.put(second, std::string(kSteps));
    stock.model.items[second].held = true;
  }
  for (auto& [body, item] : stock.model.items)
    if (!item.held) item.leased = true, item.attempts = 1;
  stock.model.queues[std::string(kFired)] = "1000000";
  stock.model.put("s0", "s");
  stock.model.put("w0", "w");
  stock.now = clock.now();
  stock.image = durable(disk);
  return stock;
}

// ---- playing

Play::Play(const Stock& stock, broker::Broker& broker, SimClock& clock)
    : states{stock.model},
      stock_(stock),
      broker_(broker),
      clock_(clock),
      session_(broker.open_session(inbox_)) {}

Model& Play::decide() {
  return states.emplace_back(states.back());
}

void Play::expect(Answer::Kind kind, std::uint64_t count) {
  expected_[tag_] = {states.size() - 1, kind, count};
}

void Play::publish(const std::string& queue, const std::vector<std::string>& bodies,
                   std::string_view key, Time expires_at) {
  std::vector<engine::MessageInput> inputs(bodies.size());
  for (std::size_t n = 0; n < bodies.size(); ++n) {
    inputs[n].body = as_bytes(bodies[n]);
    inputs[n].key = key;
    inputs[n].expires_at = expires_at;
  }
  broker_.publish(session_, ++tag_, engine::Publish{queue, inputs});
  auto& model = decide();
  const bool repeated = !key.empty() && model.key_used;
  if (!repeated)
    for (const auto& body : bodies) model.put(body, queue, expires_at);
  model.key_used = model.key_used || !key.empty();
  expect(Answer::Kind::published, bodies.size());
}

void Play::settle(const Message& message, Outcome outcome, std::string_view result, bool sends) {
  engine::Settle settle;
  settle.leases = {&message.lease, 1};
  settle.outcome = outcome;
  settle.result = as_bytes(result);
  if (outcome == Outcome::nack) settle.delay = 0s;
  engine::MessageInput inputs[2];
  const std::string bodies[2] = {fmt::format("c{}r", ++serial_), fmt::format("c{}s", serial_)};
  for (int n = 0; n < 2; ++n) inputs[n].body = as_bytes(bodies[n]);
  const engine::Publish publishes[2] = {{"r", {&inputs[0], 1}}, {"s", {&inputs[1], 1}}};
  if (sends) settle.sends = publishes;
  broker_.settle(session_, ++tag_, settle);

  auto& model = decide();
  auto& item = model.items.at(message.body);
  if (outcome == Outcome::nack) {
    item.leased = false;
  } else if (outcome == Outcome::reject) {
    item.leased = false;
    item.queue = "q.dead";
    item.attempts = 0;
    model.queues.try_emplace("q.dead", "1000000");
  } else {
    model.items.erase(message.body);
  }
  if (sends) model.put(bodies[0], "r"), model.put(bodies[1], "s");
  if (!result.empty()) model.results[message.body] = result;
  expect(Answer::Kind::settled, 1);
}

void Play::submit() {
  const std::string bodies[2] = {fmt::format("w{}a", ++serial_), fmt::format("w{}b", serial_)};
  const Chain chain(bodies[0], bodies[1]);
  broker_.submit(session_, ++tag_, chain.input);
  auto& model = decide();
  for (const auto& body : bodies) model.put(body, std::string(kSteps));
  model.items[bodies[1]].held = true;
  expect(Answer::Kind::published, 1);
}

// The first that is ready: the model's items are in the order of publishing.
void Play::take() {
  engine::Take take;
  take.queues = {"q", "r"};
  take.max = 1;
  take.lease = 1h;
  take.connection_bound = false;
  broker_.take(session_, ++tag_, take);
  broker_.turn();
  auto& model = decide();
  Model::Item* first = nullptr;
  for (const std::string queue : {"q", "r"}) {
    for (auto& [body, item] : model.items)
      if (item.queue == queue && !item.leased &&
          (item.expires_at == Time{} || item.expires_at > clock_.now()) &&
          (first == nullptr || item.order < first->order))
        first = &item;
    if (first != nullptr) break;
  }
  if (first != nullptr) first->leased = true, ++first->attempts;
  expect(Answer::Kind::delivered, first != nullptr ? 1 : 0);
}

void Play::issue(Op op) {
  const auto body = [this](const char* kind) { return fmt::format("{}{}", kind, ++serial_); };
  switch (op) {
    case Op::publish:
      return publish("q", {body("p")});
    case Op::batch:
      return publish("r", {body("b"), body("b"), body("b")});
    case Op::keyed:
      return publish("q", {body("k")}, "K");
    case Op::take:
      return take();
    case Op::ack:
      return settle(leased(), Outcome::ack);
    case Op::nack:
      return settle(leased(), Outcome::nack);
    case Op::reject:
      return settle(leased(), Outcome::reject);
    case Op::commit:
      return settle(leased(), Outcome::ack, {}, true);
    case Op::finish:
      return settle(stock_.tasks.at(next_task_++), Outcome::ack, "42");
    case Op::declare: {
      const auto length = std::to_string(1000 + ++serial_);
      const std::pair<std::string_view, std::string_view> patch{"max_length", length};
      broker_.declare(session_, ++tag_, "q", {&patch, 1});
      decide().queues["q"] = length;
      return expect(Answer::Kind::done, 1);
    }
    case Op::remove: {
      broker_.remove(session_, ++tag_, "s");
      auto& model = decide();
      const bool was = model.queues.erase("s") > 0;
      std::erase_if(model.items, [](const auto& item) { return item.second.queue == "s"; });
      return expect(was ? Answer::Kind::done : Answer::Kind::error, 0);
    }
    case Op::roll:
      return publish("r", {large(body("L"))});
    case Op::checkpoint:
      broker_.maintain();
      return;
    case Op::protect:
      while (broker_.tend() <= clock_.now()) {
      }
      return;
    case Op::expire:
      publish("q", {body("e")}, {}, clock_.now() + 5ms);
      clock_.advance(10ms);
      broker_.turn();
      return;
    case Op::submit:
      return submit();
    case Op::step: {
      const auto& step = stock_.steps.at(next_step_++);
      settle(step, Outcome::ack, "42");
      auto second = step.body;
      second.back() = 'b';
      states.back().items.at(second).held = false;
      return;
    }
    case Op::fire:
      clock_.advance(kFireEvery);
      broker_.turn();
      return;
  }
}

std::string Play::hear() {
  if (inbox_.answered_twice != 0)
    return fmt::format("command {} was answered twice", inbox_.answered_twice);
  for (const auto& [tag, answer] : inbox_.answers) {
    const auto found = expected_.find(tag);
    if (found == expected_.end()) return fmt::format("nobody asked for an answer to {}", tag);
    const auto& expected = found->second;
    std::uint64_t count = answer.count;
    if (answer.kind == Answer::Kind::published) count = answer.ids.size();
    if (answer.kind == Answer::Kind::delivered) count = answer.messages.size();
    const bool counted = answer.kind != Answer::Kind::error && answer.kind != Answer::Kind::done;
    if (answer.kind != expected.kind || (counted && count != expected.count))
      return fmt::format("command {} was answered with kind {} count {} `{}`, expected {} {}", tag,
                         static_cast<int>(answer.kind), count, answer.reason,
                         static_cast<int>(expected.kind), expected.count);
    confirmed = std::max(confirmed, expected.state);
  }
  inbox_.answers.clear();
  return {};
}

}  // namespace penstock::sim
