// What an exchange is, where it sends, and what cannot be made of it.
#include <set>

#include "engine/names.h"
#include "test/broker/fixture.h"

namespace penstock::broker {
namespace {

using Strings = std::vector<std::string>;
using engine::ExchangeSpec;
using engine::ExchangeType;
using engine::HeaderMatch;
using engine::MatchField;

// The fields of a message are its headers.
class Fields final : public engine::FieldReader {
 public:
  std::optional<std::string> field(ByteView headers, std::string_view name) const override {
    const auto value = find_header(headers, name);
    return value ? std::optional<std::string>(*value) : std::nullopt;
  }
};

class ExchangesTest : public BrokerTest {
 protected:
  Got declare_exchange(const ExchangeSpec& spec) {
    broker->declare_exchange(session, ++tag, spec);
    return wait(tag);
  }
  Got declare_exchange(std::string_view name, ExchangeType type = ExchangeType::direct,
                       std::string_view alternate = "", std::string_view hash_on = "",
                       bool internal = false) {
    ExchangeSpec spec;
    spec.name = name;
    spec.type = type;
    spec.alternate = alternate;
    spec.hash_on = hash_on;
    spec.internal = internal;
    return declare_exchange(spec);
  }
  Got bind(std::string_view source, std::string_view destination, std::string_view key = "",
           bool to_exchange = false, HeaderMatch match = HeaderMatch::none,
           std::vector<MatchField> fields = {}) {
    engine::BindingSpec spec;
    spec.source = source;
    spec.destination = destination;
    spec.to_exchange = to_exchange;
    spec.key = key;
    spec.match = match;
    spec.fields = fields;
    broker->bind(session, ++tag, spec);
    return wait(tag);
  }
  Got unbind(std::string_view source, std::string_view queue, std::string_view key = "") {
    engine::BindingSpec spec;
    spec.source = source;
    spec.destination = queue;
    spec.key = key;
    broker->unbind(session, ++tag, spec);
    return wait(tag);
  }
  Got publish(std::string_view exchange, std::string_view key, ByteView headers = {}) {
    const std::string_view keys[]{key};
    engine::RoutedPublish publish;
    publish.exchange = exchange;
    publish.keys = keys;
    publish.message = input(key);
    publish.message.headers = headers;
    broker->publish_routed(session, ++tag, publish);
    return wait(tag);
  }
  void declare_queues(const Strings& names) {
    for (const auto& name : names) declare(name, {});
  }
  std::set<std::string> drain(const std::string& queue) {
    std::set<std::string> found;
    const auto got = take(queue, 1000);
    for (const auto& message : got.messages) found.insert(message.body);
    std::vector<engine::LeaseToken> leases;
    for (const auto& message : got.messages) leases.push_back(message.lease);
    if (!leases.empty()) settle(leases);
    return found;
  }
  static void expect_error(const Got& got, ErrorCode code, std::string_view part) {
    EXPECT_EQ(got.kind, "error");
    EXPECT_EQ(got.error.code, code) << got.error.message;
    EXPECT_NE(got.error.message.find(part), std::string::npos) << got.error.message;
  }
};

// ---- declaring

TEST_F(ExchangesTest, declared_again_must_be_the_same_in_everything) {
  ExchangeSpec known;
  known.name = "x";
  ASSERT_EQ(declare_exchange(known).kind, "done");
  EXPECT_EQ(declare_exchange(known).kind, "done");
  const std::pair<const char*, void (*)(ExchangeSpec&)> others[] = {
      {"type", [](ExchangeSpec& spec) { spec.type = ExchangeType::fanout; }},
      {"durable", [](ExchangeSpec& spec) { spec.durable = false; }},
      {"auto_delete", [](ExchangeSpec& spec) { spec.auto_delete = true; }},
      {"internal", [](ExchangeSpec& spec) { spec.internal = true; }},
      {"type", [](ExchangeSpec& spec) { spec.delayed = true; }},
      {"alternate-exchange", [](ExchangeSpec& spec) { spec.alternate = "y"; }},
  };
  for (const auto& [what, change] : others) {
    auto other = known;
    change(other);
    expect_error(declare_exchange(other), ErrorCode::conflict, what);
  }
}

TEST_F(ExchangesTest, are_refused_with_a_reserved_name_none_or_in_no_virtual_host) {
  expect_error(declare_exchange("amq.mine"), ErrorCode::denied, "amq.");
  expect_error(declare_exchange(""), ErrorCode::invalid, "exchange name");
  const auto elsewhere = engine::scoped_name("nowhere", "x");
  expect_error(declare_exchange(elsewhere), ErrorCode::not_found, "nowhere");
  broker->declare_host(session, ++tag, "");
  expect_error(wait(tag), ErrorCode::invalid, "virtual host");
}

TEST_F(ExchangesTest, virtual_hosts_are_bounded) {
  for (int n = 0; n < 10'000; ++n) broker->declare_host(session, ++tag, "host" + std::to_string(n));
  broker->settle_down();
  EXPECT_EQ(sink.replies[tag].kind, "error") << "the first of them, /, counts";
  EXPECT_EQ(sink.replies[tag].error.code, ErrorCode::too_large);
  EXPECT_EQ(sink.replies[tag - 1].kind, "done");
  broker->remove_host(session, ++tag, "/");
  expect_error(wait(tag), ErrorCode::denied, "'/'");
}

TEST_F(ExchangesTest, in_use_stay_when_only_an_unused_one_is_to_go) {
  declare_queues({"q"});
  declare_exchange("x");
  bind("x", "q", "k");
  broker->remove_exchange(session, ++tag, "x", true);
  expect_error(wait(tag), ErrorCode::conflict, "in use");
  unbind("x", "q", "k");
  for (int twice = 0; twice < 2; ++twice) {
    broker->remove_exchange(session, ++tag, "x", true);
    EXPECT_EQ(wait(tag).kind, "done") << "it may be gone already";
  }
}

TEST_F(ExchangesTest, are_bound_from_one_that_is_there_to_something_that_is_there) {
  declare_queues({"q"});
  declare_exchange("x");
  expect_error(bind("nothing", "q"), ErrorCode::not_found, "nothing");
  expect_error(bind("x", "nobody"), ErrorCode::not_found, "nobody");
  expect_error(bind("x", "nothing", "", true), ErrorCode::not_found, "nothing");
}

TEST_F(ExchangesTest, that_are_internal_take_nothing_from_clients) {
  declare_queues({"q"});
  declare_exchange("inside", ExchangeType::fanout, "", "", true);
  declare_exchange("outside", ExchangeType::fanout);
  bind("inside", "q");
  bind("outside", "inside", "", true);
  expect_error(publish("inside", "a"), ErrorCode::denied, "internal");
  EXPECT_EQ(publish("outside", "b").kind, "published");
  EXPECT_EQ(drain("q"), (std::set<std::string>{"b"}));
}

// ---- where messages go

TEST_F(ExchangesTest, send_what_they_cannot_route_to_their_alternate) {
  declare_queues({"known", "rest"});
  declare_exchange("rest", ExchangeType::fanout);
  declare_exchange("x", ExchangeType::direct, "rest");
  declare_exchange("lost", ExchangeType::direct, "not there");
  bind("x", "known", "a");
  bind("rest", "rest");
  publish("x", "a");
  publish("x", "b");
  EXPECT_TRUE(publish("lost", "c").ids.empty());
  EXPECT_EQ(drain("known"), (std::set<std::string>{"a"}));
  EXPECT_EQ(drain("rest"), (std::set<std::string>{"b"}));
}

TEST_F(ExchangesTest, in_a_circle_send_each_message_once) {
  declare_queues({"q"});
  for (const auto* name : {"a", "b"}) declare_exchange(name, ExchangeType::fanout);
  bind("a", "b", "", true);
  bind("b", "a", "", true);
  bind("b", "q");
  EXPECT_EQ(publish("a", "x").ids.size(), 1u);
}

TEST_F(ExchangesTest, that_hash_send_each_key_to_one_queue_by_weight_whoever_else_goes) {
  declare_queues({"light", "heavy", "none"});
  declare_exchange("x", ExchangeType::consistent_hash);
  bind("x", "light", "1");
  bind("x", "heavy", "9");
  bind("x", "none", "0");
  const auto spread = [&] {
    for (int n = 0; n < 300; ++n) EXPECT_EQ(publish("x", "key" + std::to_string(n)).ids.size(), 1u);
    return std::pair(drain("light"), drain("heavy"));
  };
  const auto [light, heavy] = spread();
  EXPECT_EQ(light.size() + heavy.size(), 300u);
  EXPECT_GT(light.size(), 10u);
  EXPECT_GT(heavy.size(), 5 * light.size());
  EXPECT_TRUE(drain("none").empty());
  EXPECT_EQ(spread(), std::pair(light, heavy)) << "always the same one";
  declare_queues({"third"});
  bind("x", "third", "5");
  const auto [now_light, now_heavy] = spread();
  for (const auto& key : now_light) EXPECT_TRUE(light.contains(key)) << key;
  for (const auto& key : now_heavy) EXPECT_TRUE(heavy.contains(key)) << key;
  EXPECT_GT(drain("third").size(), 50u);
  for (const auto* queue : {"light", "heavy", "third"})
    unbind("x", queue,
           queue == std::string("light")   ? "1"
           : queue == std::string("heavy") ? "9"
                                           : "5");
  EXPECT_TRUE(publish("x", "key").ids.empty());
}

TEST_F(ExchangesTest, that_hash_a_field_send_by_that_and_all_to_one_where_there_is_none) {
  const Fields fields;
  for (const bool readable : {false, true}) {
    options.fields = readable ? &fields : nullptr;
    restart();
    declare_queues({"a", "b", "c"});
    declare_exchange("x", ExchangeType::consistent_hash, "", "customer");
    for (const auto* queue : {"a", "b", "c"}) bind("x", queue, "1");
    for (int n = 0; n < 60; ++n) {
      const auto number = std::to_string(n);
      HeaderWriter headers;
      headers.add("customer", number);
      publish("x", number, headers.view());
      publish("x", number + "again", headers.view());
    }
    std::size_t used = 0;
    for (const auto* queue : {"a", "b", "c"}) {
      const auto got = drain(queue);
      used += got.empty() ? 0 : 1;
      for (const auto& body : got)
        EXPECT_TRUE(body.ends_with("again") || got.contains(body + "again")) << body;
    }
    EXPECT_EQ(used, readable ? 3u : 1u);
  }
}

TEST_F(ExchangesTest, that_match_headers_look_at_values_or_only_that_a_field_is_there) {
  const Fields fields;
  options.fields = &fields;
  restart();
  declare_queues({"all", "any", "there"});
  declare_exchange("x", ExchangeType::headers);
  const std::vector<MatchField> wanted{{"colour", "red", false}, {"size", "9", false}};
  bind("x", "all", "", false, HeaderMatch::all, wanted);
  bind("x", "any", "", false, HeaderMatch::any, wanted);
  bind("x", "there", "", false, HeaderMatch::all, {{"colour", "", true}});
  const auto send = [&](std::string_view name, std::string_view colour, std::string_view size) {
    HeaderWriter headers;
    if (!colour.empty()) headers.add("colour", colour);
    if (!size.empty()) headers.add("size", size);
    publish("x", name, headers.view());
  };
  send("both", "red", "9");
  send("one", "red", "8");
  send("blue", "blue", "");
  send("nothing", "", "");
  EXPECT_EQ(drain("all"), (std::set<std::string>{"both"}));
  EXPECT_EQ(drain("any"), (std::set<std::string>{"both", "one"}));
  EXPECT_EQ(drain("there"), (std::set<std::string>{"both", "one", "blue"}));
  options.fields = nullptr;
  restart();
  send("unread", "red", "9");
  EXPECT_TRUE(drain("all").empty() && drain("any").empty() && drain("there").empty());
}

}  // namespace
}  // namespace penstock::broker
