// Events and checkpoint version 2, as they were when they were new: a later program must understand
// the log that this one wrote. A directory was written by
// PENSTOCK_WRITE_GOLDEN=DIR test_broker --gtest_filter=BrokerGolden.NAME
#include <cstdlib>

#include "engine/names.h"
#include "os/file.h"
#include "test/broker/workflow_fixture.h"

namespace penstock::broker {
namespace {

using engine::FailurePolicy;
using engine::TaskState;

const std::string kGolden = PENSTOCK_SOURCE_DIR "/test/golden/";

class BrokerGolden : public WorkflowTest {
 protected:
  BrokerGolden() {
    options.journal.spare_segments = 0;
    options.journal.parity = false;
    begin_anew(64 << 10);
  }
  // When it is asked for: what was done so far goes to where the environment says.
  static const char* to_be_written() { return std::getenv("PENSTOCK_WRITE_GOLDEN"); }
  void write_golden() {
    broker.reset();
    auto target = open_directory(to_be_written());
    ASSERT_TRUE(target) << target.error().message;
    for (const auto& [name, bytes] : directory.snapshot()) {
      auto file = (*target)->create(name);
      ASSERT_TRUE(file && (*file)->write_at(0, bytes));
    }
  }
  // Goes on from a log that is kept.
  void open_golden(const std::string& kept) {
    begin_anew(64 << 10);
    broker.reset();
    const auto old = directory.list();
    for (const auto& name : old.value()) ASSERT_TRUE(directory.remove(name));
    auto golden = open_directory(kGolden + kept);
    ASSERT_TRUE(golden) << golden.error().message;
    const auto names = (*golden)->list();
    for (const auto& name : names.value()) {
      auto source = (*golden)->open(name);
      ASSERT_TRUE(source);
      Bytes bytes((*source)->size().value());
      ASSERT_EQ((*source)->read_at(0, bytes).value(), bytes.size());
      auto copy = directory.create(name);
      ASSERT_TRUE(copy && (*copy)->write_at(0, bytes));
    }
    open();
  }
  void bind(std::string_view source, std::string_view destination, std::string_view key) {
    engine::BindingSpec binding;
    binding.source = source;
    binding.destination = destination;
    binding.key = key;
    broker->bind(session, ++tag, binding);
    wait(tag);
  }
  // One of each thing that a log can tell of.
  void write_half(std::string_view mark) {
    const std::string name(mark);
    declare(name + ".work", {{"max_length", "9"}, {"backoff", "none"}});
    declare(name + ".log", {{"stream", "true"}});
    declare(name + ".memory", {{"durable", "false"}});
    broker->declare_host(session, ++tag, name);
    broker->settle_down();
    const auto scoped = engine::scoped_name(name, "hosted");
    declare(scoped, {{"dead_letter_exchange", "amq.default"}});
    engine::ExchangeSpec exchange;
    const auto exchange_name = name + ".x";
    exchange.name = exchange_name;
    exchange.type = engine::ExchangeType::topic;
    exchange.arguments = R"({"a":1})";
    broker->declare_exchange(session, ++tag, exchange);
    bind(exchange_name, name + ".work", "a.#");
    bind(exchange_name, name + ".memory", "a.#");
    for (int n = 0; n < 3; ++n) send(name + ".log", name + " entry");
    auto keyed = input("keyed");
    const auto key = name + " key";
    keyed.key = key;
    keyed.group = "g";
    keyed.priority = 7;
    send(name + ".work", {keyed, input("settled"), input("returned"), input("dead")});
    auto later = input("scheduled");
    later.not_before = clock.now() + 24h;
    auto task = input("[1]");
    task.task = true;
    send(name + ".work", {later, task});
    for (const auto& message : take(name + ".work", 5).messages) {
      if (message.body == "settled") settle({message.lease});
      if (message.body == "returned")
        settle({message.lease}, engine::Outcome::nack, Duration(0), "tried");
      if (message.body == "dead") settle({message.lease}, engine::Outcome::reject, {}, "refused");
      if (message.body == "[1]") settle({message.lease}, engine::Outcome::ack, {}, {}, "42");
    }
  }
  void expect_half(std::string_view mark) {
    const std::string name(mark);
    const auto work = statistics(name + ".work");
    EXPECT_EQ(work.options.max_length, 9u);
    EXPECT_EQ(work.ready + work.leased, 2u) << "keyed and returned";
    EXPECT_EQ(work.scheduled, 1u);
    EXPECT_EQ(statistics(name + ".work.dead").ready, 1u);
    EXPECT_EQ(statistics(name + ".log").ready, 3u);
    EXPECT_TRUE(statistics(name + ".log").options.stream);
    EXPECT_TRUE(statistics(name + ".memory").name.empty());
    EXPECT_EQ(statistics(engine::scoped_name(name, "hosted")).options.dead_letter_exchange,
              "amq.default");
    const auto& topology = broker->topology();
    EXPECT_TRUE(topology.hosts().contains(name));
    const auto* exchange = topology.find(name + ".x");
    ASSERT_NE(exchange, nullptr);
    EXPECT_EQ(exchange->arguments, R"({"a":1})");
    EXPECT_EQ(exchange->bindings.size(), 1u);
    auto again = input("again");
    const auto key = name + " key";
    again.key = key;
    EXPECT_EQ(send(name + ".work", {again}).duplicates, 1u);
  }
  // ---- what came to version 2 later

  static constexpr auto kAdministrator = engine::bit(engine::Role::administrator);

  void put_schedule(std::string_view name, std::string_view queue, bool paused) {
    engine::ScheduleSpec spec;
    spec.name = name;
    spec.when = "@every 1m";
    spec.queue = queue;
    spec.body = as_bytes("tick");
    spec.overlap = engine::Overlap::queue;
    spec.paused = paused;
    broker->put_schedule(session, ++tag, spec);
    wait(tag);
  }
  // Of each what it can come to; the clock moves on by a minute.
  void write_later_half(std::string_view mark) {
    const std::string name(mark);
    broker->put_user(session, ++tag, {name, "hash", kAdministrator});
    broker->grant(session, ++tag, {name, "/", "^a", "b", "c$"});
    broker->grant_topic(session, ++tag, {name, "/", "amq.topic", "^w", "^r"});
    const auto tree = chain({step("first"), step("second")});
    submit(tree, FailurePolicy::stop, name + ".runs");
    done(take(name + ".runs").messages.at(0), "1");
    submit(tree, FailurePolicy::stop, name + ".failed");
    failed(take(name + ".failed").messages.at(0), "oops");
    cancel(submit(tree, FailurePolicy::stop, name + ".cancelled").ids.at(0));
    put_schedule(name + ".tick", name + ".fired", false);
    put_schedule(name + ".paused", name + ".fired", true);
    advance(1min);
  }
  // `first`: of the half's workflows; `waits`: its schedule was due again while its first run
  // lasts.
  void expect_later_half(std::string_view mark, std::size_t first, bool waits) {
    const std::string name(mark);
    const auto access = broker->access(session);
    ASSERT_TRUE(access);
    const auto* user = (*access)->find(name);
    ASSERT_NE(user, nullptr);
    EXPECT_EQ(user->password, "hash");
    EXPECT_EQ(user->roles, kAdministrator);
    const auto* permission = user->permission("/");
    ASSERT_NE(permission, nullptr);
    EXPECT_EQ(permission->configure.text(), "^a");
    EXPECT_EQ(permission->read.text(), "c$");
    EXPECT_EQ(user->topic_permissions.size(), 1u);

    broker->workflows(session, ++tag, MessageId{}, 100);
    const auto ids = wait(tag).ids;
    ASSERT_EQ(ids.size(), 6u);
    EXPECT_EQ(state(ids[first]), TaskState::running);
    const auto second = take(name + ".runs").messages.at(0);
    EXPECT_EQ(arguments(second), "[1,\"second\"]");
    done(second, "2");
    EXPECT_EQ(task(ids[first]).result, "2");
    EXPECT_EQ(task(ids[first + 1]).error.message, "oops");
    EXPECT_EQ(resume(ids[first + 1]).kind, "done");
    EXPECT_EQ(arguments(take(name + ".failed").messages.at(0)), "[\"first\"]");
    EXPECT_EQ(state(ids[first + 2]), TaskState::cancelled);

    const auto tick = broker->schedule(session, name + ".tick");
    ASSERT_TRUE(tick);
    EXPECT_EQ((*tick)->fired, 1u);
    EXPECT_EQ((*tick)->waiting != Time{}, waits);
    EXPECT_EQ(statistics(name + ".fired").ready, 1u);
    EXPECT_TRUE((*broker->schedule(session, name + ".paused"))->paused);
  }

  // ---- control: groups, keys, causes and orders

  Got send_limited(std::string_view queue, std::string_view body, engine::KeyRule rule) {
    Input one = input(body);
    one.limit.rule = rule;
    const auto key = std::to_string(static_cast<int>(rule));
    one.limit.key = key;
    if (rule == engine::KeyRule::unique_for) one.limit.time = 10min;
    if (rule == engine::KeyRule::debounce) one.limit.time = 1min;
    if (rule == engine::KeyRule::throttle) one.limit.time = 5min, one.limit.most = 2;
    return send(queue, {one});
  }
  void set_group(std::string_view queue, std::string_view group,
                 std::vector<std::pair<std::string_view, std::string_view>> patch) {
    broker->set_group(session, ++tag, queue, group, patch);
    EXPECT_TRUE(wait(tag).created);
  }
  std::uint64_t order_quiet(const std::string& worker) {
    engine::WorkerOrderSpec order;
    order.kind = engine::OrderKind::quiet;
    order.who.name = worker;
    broker->order_workers(session, ++tag, order);
    const auto got = wait(tag);
    EXPECT_EQ(got.error.message, "");
    return got.number;
  }
  void fail_one(const std::string& queue, engine::Cause cause) {
    const auto got = take(queue);
    ASSERT_EQ(got.messages.size(), 1u);
    settle({got.messages[0].lease}, engine::Outcome::nack, 0s, "oops", {}, {}, cause);
  }
  void write_control_half(std::string_view mark) {
    const std::string name(mark);
    declare(name + ".keys", {{"group_rate", "7"}});
    set_group(name + ".keys", "set", {{"weight", "3"}, {"rate", "2.5"}, {"limit", "4"}});
    set_group(name + ".keys", "gone", {{"weight", "2"}});
    broker->reset_group(session, ++tag, name + ".keys", "gone");
    EXPECT_EQ(wait(tag).kind, "done");
    for (const auto rule :
         {engine::KeyRule::unique_start, engine::KeyRule::unique_done, engine::KeyRule::throttle,
          engine::KeyRule::throttle, engine::KeyRule::debounce})
      EXPECT_EQ(send_limited(name + ".keys", "one", rule).kind, "published");
    send_limited(name + ".timed", "one", engine::KeyRule::unique_for);
    settle({take(name + ".timed").messages.at(0).lease});
    declare(name + ".failing", {{"max_attempts", "0"}, {"max_raised", "3"}, {"max_killed", "2"}});
    send(name + ".failing", "one");
    for (const auto cause : {engine::Cause::raised, engine::Cause::killed, engine::Cause::raised})
      fail_one(name + ".failing", cause);
    order_quiet(name + ".kept");
    broker->remove_worker_order(session, ++tag, order_quiet(name + ".removed"));
    EXPECT_EQ(wait(tag).kind, "done");
  }
  void expect_control_half(std::string_view mark) {
    const std::string name(mark);
    EXPECT_EQ(statistics(name + ".keys").options.group_rate, 7);
    const auto groups = broker->groups(session, name + ".keys");
    ASSERT_TRUE(groups && groups->size() == 1);
    EXPECT_EQ(groups->front().name, "set");
    EXPECT_EQ(groups->front().setting, (engine::GroupSetting{3, 2.5, 4}));

    for (const auto rule : {engine::KeyRule::unique_start, engine::KeyRule::unique_done})
      EXPECT_EQ(send_limited(name + ".keys", "two", rule).error.code, ErrorCode::duplicate);
    EXPECT_EQ(send_limited(name + ".timed", "two", engine::KeyRule::unique_for).error.code,
              ErrorCode::duplicate);
    const auto refused = send_limited(name + ".keys", "two", engine::KeyRule::throttle).refused;
    EXPECT_EQ(refused.reason, "throttle");
    EXPECT_EQ(refused.retry_after, 5min);
    EXPECT_EQ(statistics(name + ".keys").scheduled, 1u) << "the debounced one";
    send_limited(name + ".keys", "two", engine::KeyRule::debounce);
    EXPECT_EQ(statistics(name + ".keys").scheduled, 1u) << "it was replaced";

    fail_one(name + ".failing", engine::Cause::raised);
    EXPECT_EQ(statistics(name + ".failing").ready, 0u);
    EXPECT_EQ(statistics(name + ".failing.dead").ready, 1u) << "three were raised";
    fail_one(name + ".failing.dead", engine::Cause::killed);

    const auto orders = broker->worker_orders(session);
    ASSERT_TRUE(orders);
    const auto names = [](const auto* order) { return order->who.name; };
    EXPECT_EQ(std::ranges::count(*orders, name + ".kept", names), 1);
    EXPECT_EQ(std::ranges::count(*orders, name + ".removed", names), 0);
  }
};

TEST_F(BrokerGolden, ALogOfCheckpointVersionTwoIsUnderstood) {
  if (to_be_written() != nullptr) {
    write_half("covered");
    restart();  // its checkpoint has the first half, the records behind it have the second
    write_half("behind");
    write_golden();
  }
  open_golden("broker-v2");
  expect_half("covered");
  expect_half("behind");
  broker->check();
}

TEST_F(BrokerGolden, ALogWithUsersWorkflowsAndSchedulesIsUnderstood) {
  if (to_be_written() != nullptr) {
    write_later_half("covered");
    restart();
    write_later_half("behind");
    write_golden();
  } else {
    clock.advance(2min);  // as it was then
  }
  open_golden("broker-v2-work");
  expect_later_half("covered", 0, true);
  expect_later_half("behind", 3, false);
  broker->check();
}

TEST_F(BrokerGolden, ALogWithGroupsKeysCausesAndOrdersIsUnderstood) {
  if (to_be_written() != nullptr) {
    write_control_half("covered");
    restart();
    write_control_half("behind");
    write_golden();
  }
  open_golden("broker-v2-control");
  expect_control_half("covered");
  expect_control_half("behind");
  broker->check();
}

TEST_F(BrokerGolden, ALogWithKeysOfWorkflowsIsUnderstood) {
  const auto submit_as = [this](std::string_view key) {
    return submit(chain({step("a"), step("b")}), FailurePolicy::stop, "w", key);
  };
  if (to_be_written() != nullptr) {
    submit_as("covered");
    restart();
    submit_as("behind");
    write_golden();
  }
  open_golden("broker-v2-flows");
  for (const auto* key : {"covered", "behind"}) EXPECT_EQ(submit_as(key).duplicates, 1u) << key;
  EXPECT_EQ(submit_as("new").duplicates, 0u);
  EXPECT_EQ(waiting_steps().size(), 3u);
  broker->check();
}

}  // namespace
}  // namespace penstock::broker
