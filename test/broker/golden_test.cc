// Events and checkpoint version 2, as they were when they were new: a later program must understand
// the log that this one wrote. The directory was written by
// PENSTOCK_WRITE_GOLDEN=DIR test_broker --gtest_filter=BrokerGolden.*
#include <cstdlib>

#include "engine/names.h"
#include "os/file.h"
#include "test/broker/fixture.h"

namespace penstock::broker {
namespace {

const std::string kGolden = PENSTOCK_SOURCE_DIR "/test/golden/broker-v2";

class BrokerGolden : public BrokerTest {
 protected:
  BrokerGolden() {
    options.journal.segment_bytes = 64 << 10;
    options.journal.spare_segments = 0;
    options.journal.parity = false;
    begin_anew();
    open();
  }
  void begin_anew() {
    broker.reset();
    const auto names = directory.list();
    for (const auto& name : names.value()) EXPECT_TRUE(directory.remove(name));
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
};

TEST_F(BrokerGolden, ALogOfCheckpointVersionTwoIsUnderstood) {
  if (const char* path = std::getenv("PENSTOCK_WRITE_GOLDEN")) {
    write_half("covered");
    restart();  // its checkpoint has the first half, the records behind it have the second
    write_half("behind");
    broker.reset();
    auto target = open_directory(path);
    ASSERT_TRUE(target) << target.error().message;
    for (const auto& [name, bytes] : directory.snapshot()) {
      auto file = (*target)->create(name);
      ASSERT_TRUE(file && (*file)->write_at(0, bytes));
    }
  }
  auto golden = open_directory(kGolden);
  ASSERT_TRUE(golden) << golden.error().message;
  begin_anew();
  const auto names = (*golden)->list();
  ASSERT_TRUE(names);
  for (const auto& name : *names) {
    auto source = (*golden)->open(name);
    ASSERT_TRUE(source);
    Bytes bytes((*source)->size().value());
    ASSERT_EQ((*source)->read_at(0, bytes).value(), bytes.size());
    auto copy = directory.create(name);
    ASSERT_TRUE(copy && (*copy)->write_at(0, bytes));
  }
  open();
  expect_half("covered");
  expect_half("behind");
  broker->check();
}

}  // namespace
}  // namespace penstock::broker
