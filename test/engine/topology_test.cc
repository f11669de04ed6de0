// Exchanges and bindings by themselves: what is there already, or is not, is left as it is.
#include "engine/topology.h"

#include <gtest/gtest.h>

#include "engine/names.h"

namespace penstock::engine {
namespace {

using Names = std::vector<std::string_view>;

class TopologyTest : public testing::Test {
 protected:
  void exchange(std::string_view name, ExchangeType type, bool durable = true,
                bool auto_delete = false) {
    ExchangeSpec spec;
    spec.name = name;
    spec.type = type;
    spec.durable = durable;
    spec.auto_delete = auto_delete;
    topology.set_exchange(spec);
  }
  static BindingSpec to(std::string_view source, std::string_view queue, std::string_view key) {
    BindingSpec spec;
    spec.source = source;
    spec.destination = queue;
    spec.key = key;
    return spec;
  }
  Names routed(std::string_view exchange, const Names& keys) {
    Names queues;
    EXPECT_TRUE(topology.resolve(*topology.find(exchange), {keys, {}, nullptr}, queues));
    return queues;
  }

  Topology topology;
};

TEST_F(TopologyTest, a_binding_that_is_there_is_not_made_again) {
  exchange("x", ExchangeType::direct);
  EXPECT_TRUE(topology.bind(to("x", "q", "k")));
  const auto version = topology.version();
  EXPECT_TRUE(topology.bind(to("x", "q", "k")));
  EXPECT_EQ(topology.version(), version);
  EXPECT_EQ(topology.find("x")->bindings.size(), 1u);
  EXPECT_FALSE(topology.bind(to("nowhere", "q", "k")));
  EXPECT_FALSE(topology.unbind(to("nowhere", "q", "k")));
  EXPECT_FALSE(topology.unbind(to("x", "q", "another")));
}

TEST_F(TopologyTest, only_what_is_written_is_told_to_be_gone) {
  exchange("kept", ExchangeType::fanout);
  exchange("memory", ExchangeType::fanout, false);
  topology.remove_exchange("memory");
  EXPECT_TRUE(topology.take_gone().empty());
  topology.remove_exchange("kept");
  EXPECT_EQ(topology.take_gone(), std::vector<std::string>{"kept"});
  EXPECT_EQ(topology.find("kept"), nullptr);
}

TEST_F(TopologyTest, the_first_virtual_host_stays_and_others_take_their_exchanges_along) {
  topology.set_host("shop");
  const auto own = scoped_name("shop", "x");
  exchange(own, ExchangeType::fanout);
  topology.remove_host("shop");
  EXPECT_EQ(topology.find(own), nullptr);
  EXPECT_FALSE(topology.hosts().contains("shop"));
  topology.remove_host(kDefaultHost);
  EXPECT_TRUE(topology.hosts().contains(kDefaultHost));
  EXPECT_NE(topology.find("amq.topic"), nullptr);
}

TEST_F(TopologyTest, a_message_without_a_key_is_hashed_like_one_with_an_empty_key) {
  exchange("x", ExchangeType::consistent_hash);
  for (const auto* queue : {"a", "b", "c", "d"}) topology.bind(to("x", queue, "1"));
  EXPECT_EQ(routed("x", {}).size(), 1u);
  EXPECT_EQ(routed("x", {}), routed("x", {""}));
}

TEST_F(TopologyTest, a_key_with_the_signs_of_patterns_is_a_key) {
  exchange("x", ExchangeType::topic);
  topology.bind(to("x", "star", "a.*"));
  topology.bind(to("x", "rest", "a.#"));
  topology.bind(to("x", "same", "a.b"));
  for (const auto* key : {"a.*", "a.#"}) EXPECT_EQ(routed("x", {key}), (Names{"rest", "star"}));
  EXPECT_EQ(routed("x", {"a.b"}), (Names{"rest", "same", "star"}));
  std::vector<const Binding*> found;
  topology.find("x")->patterns.match("a.*", found);
  EXPECT_EQ(found.size(), 2u) << "each once";
}

}  // namespace
}  // namespace penstock::engine
