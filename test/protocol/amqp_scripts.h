// Whole conversations, each with what must hold wherever it ended: cut off, or by the end of the
// server. What the client heard until then is what it may count on.
#pragma once

#include <set>

#include "base/text.h"
#include "test/protocol/amqp_fixture.h"

namespace penstock::protocol::amqp {

using Bodies = std::multiset<std::string>;

// Four messages, w1 to w4, wait in "q" when a script begins; its dead letters go to "dead".
inline void prepare(World& world) {
  Client client(world);
  client.log_in();
  client.say(declare("dead") + declare("q", table(with("x-dead-letter-exchange", ""),
                                                  with("x-dead-letter-routing-key", "dead"))));
  for (const auto* body : {"w1", "w2", "w3", "w4"}) client.say(publish({.key = "q", .body = body}));
}

inline wa::QueueDeclare passive(std::string_view queue) {
  wa::QueueDeclare one;
  one.queue = queue;
  one.passive = true;
  return one;
}

// What anybody can get of a queue now; nothing when there is none.
inline Bodies bodies_in(World& world, std::string_view queue) {
  Client client(world);
  client.log_in();
  Bodies bodies;
  if (count_of(client.say(method(1, passive(queue))), "declare-ok") == 0) return bodies;
  for (;;) {
    const auto heard = client.say(get(queue));
    if (count_of(heard, "get-ok") == 0) return bodies;
    for (const auto& line : only(heard, "1 body ")) bodies.insert(line.substr(7));
  }
}

struct Script {
  std::string_view name;
  std::vector<std::string> steps;  // each is said once all that can be heard before is heard
  void (*law)(World&, const Lines& heard);
};

// ---- publisher: confirms, a return, a body in several frames

inline std::string large_body(char of) {
  return std::string(9000, of);
}

inline void publisher_law(World& world, const Lines& heard) {
  std::uint64_t confirmed = 0;
  for (const auto& line : only(heard, "1 basic.ack("))
    confirmed = parse_u64(line.substr(12, line.find(',') - 12)).value_or(0);
  const auto left = bodies_in(world, "in");
  const std::string all[] = {"p1", "p2", "", large_body('a'), large_body('b'), large_body('c')};
  std::size_t known = 0;
  for (std::uint64_t n = 0; n < std::size(all); ++n) {
    if (all[n].empty()) continue;  // went to no queue
    EXPECT_LE(left.count(all[n]), 1u);
    if (n < confirmed) {
      EXPECT_EQ(left.count(all[n]), 1u) << n << " of " << confirmed;
    }
    known += left.count(all[n]);
  }
  EXPECT_EQ(known, left.size()) << "nobody sent that";
  if (confirmed >= 3) {
    EXPECT_EQ(count_of(heard, "basic.return(312"), 1u);
  }
  EXPECT_EQ(bodies_in(world, "q"), (Bodies{"w1", "w2", "w3", "w4"}));
}

inline Script publisher() {
  return {"publisher",
          {hello(), declare("in") + confirms(),
           publish({.key = "in", .body = "p1"}) + publish({.key = "in", .body = "p2"}),
           publish({.key = "none", .body = "p3", .mandatory = true}) +
               publish({.key = "in", .body = large_body('a')}),
           publish({.key = "in", .body = large_body('b')}) +
               publish({.key = "in", .body = large_body('c')}),
           method(1, wa::ChannelClose{}), method(0, wa::ConnectionClose{})},
          publisher_law};
}

// ---- consumer: acks, gives back, rejects

inline void consumer_law(World& world, const Lines& heard) {
  const auto left = bodies_in(world, "q"), dead = bodies_in(world, "dead");
  EXPECT_LE(left.count("w1"), 1u);
  EXPECT_EQ(left.count("w2"), 1u);
  EXPECT_EQ(left.count("w4"), 1u);
  EXPECT_EQ(left.count("w3") + dead.count("w3"), 1u);
  EXPECT_EQ(left.size() + dead.size(), 3 + left.count("w1"));
  if (count_of(heard, "1 body w1") == 0) {
    EXPECT_EQ(left.count("w1"), 1u);
  }
  if (count_of(heard, "channel.close-ok") == 0) return;
  EXPECT_EQ(left, (Bodies{"w2", "w4"}));
  EXPECT_EQ(dead, Bodies{"w3"});
}

inline Script consumer() {
  wa::BasicNack back;
  back.delivery_tag = 2;
  back.requeue = true;
  wa::BasicReject reject;
  reject.delivery_tag = 3;
  return {"consumer",
          {hello(), qos(3) + consume("q"), ack(1), method(1, back), method(1, reject),
           method(1, wa::BasicRecover{true}), method(1, wa::ChannelClose{})},
          consumer_law};
}

// ---- one who takes without acknowledging, and one who only looks

inline void taker_law(World& world, const Lines& heard) {
  const auto left = bodies_in(world, "q");
  for (const auto* body : {"w1", "w2", "w3", "w4"}) {
    EXPECT_LE(left.count(body), 1u);
    EXPECT_GE(left.count(body) + count_of(heard, std::string("1 body ") + body), 1u) << body;
  }
}

inline Script taker() {
  return {"taker",
          {hello(), get("q", true), consume("q", true), method(1, wa::ChannelClose{})},
          taker_law};
}

inline void reader_law(World& world, const Lines&) {
  EXPECT_EQ(bodies_in(world, "q"), (Bodies{"w1", "w2", "w3", "w4"}));
}

inline Script reader() {
  return {
      "reader", {hello(), get("q") + get("q"), qos(1) + consume("q"), get("nosuch")}, reader_law};
}

// ---- transactions

// Both or none of what goes to two queues, and the ack with them.
inline void transaction_law(World& world, const Lines& heard) {
  const auto left = bodies_in(world, "q"), r = bodies_in(world, "r"), s = bodies_in(world, "s");
  const bool done = r.count("t1") == 1;
  EXPECT_EQ(r, done ? Bodies{"t1"} : Bodies{});
  EXPECT_EQ(s, done ? Bodies{"t2"} : Bodies{});
  EXPECT_EQ(left.count("w1"), done ? 0u : 1u);
  EXPECT_EQ(left.size(), done ? 3u : 4u);
  if (count_of(heard, "tx.commit-ok") > 0) {
    EXPECT_TRUE(done);
  }
}

inline Script transaction() {
  return {"transaction",
          {hello(), declare("r") + declare("s") + method(1, wa::TxSelect{}), get("q"),
           publish({.key = "r", .body = "t1"}) + publish({.key = "s", .body = "t2"}) + ack(1),
           method(1, wa::TxCommit{}), get("q") + publish({.key = "r", .body = "t3"}),
           ack(2) + method(1, wa::TxRollback{})},
          transaction_law};
}

inline void refused_commit_law(World& world, const Lines& heard) {
  EXPECT_EQ(bodies_in(world, "q"), (Bodies{"w1", "w2", "w3", "w4"}));
  EXPECT_EQ(bodies_in(world, "small"), Bodies{});
  EXPECT_EQ(count_of(heard, "commit-ok"), 0u);
}

inline Script refused_commit() {
  return {"refused commit",
          {hello(),
           declare("small", table(with("x-max-length", 1), with("x-overflow", "reject-publish"))) +
               method(1, wa::TxSelect{}),
           get("q"),
           ack(1) + publish({.key = "small", .body = "1"}) + publish({.key = "small", .body = "2"}),
           method(1, wa::TxCommit{}), method(1, wa::ChannelCloseOk{})},
          refused_commit_law};
}

// ---- plumber: what was said to be there is there, and what is his own goes with him

inline bool there(World& world, std::string_view queue) {
  Client client(world);
  client.log_in();
  return count_of(client.say(method(1, passive(queue))), "declare-ok") == 1;
}

inline void plumber_law(World& world, const Lines& heard) {
  if (count_of(heard, "exchange.declare-ok") > 0) {
    Client client(world);
    client.log_in();
    wa::ExchangeDeclare exchange;
    exchange.exchange = "x";
    exchange.passive = true;
    EXPECT_EQ(count_of(client.say(method(1, exchange)), "declare-ok"), 1u);
  }
  if (count_of(heard, "queue.bind-ok") > 0) {
    Client client(world);
    client.log_in();
    client.say(publish({.key = "a.b.c", .body = "through", .exchange = "x"}));
    EXPECT_EQ(bodies_in(world, "bound").count("through"), 1u);
  }
  if (count_of(heard, "queue.delete-ok") > 0) {
    EXPECT_FALSE(there(world, "gone"));
  }
  EXPECT_FALSE(there(world, "mine"));
}

inline Script plumber() {
  wa::ExchangeDeclare exchange;
  exchange.exchange = "x";
  exchange.type = "topic";
  exchange.durable = true;
  wa::QueueBind bind;
  bind.queue = "bound";
  bind.exchange = "x";
  bind.routing_key = "a.#";
  wa::QueueBind bind_own = bind;
  bind_own.queue = "mine";
  wa::QueueDeclare own;
  own.queue = "mine";
  own.exclusive = true;
  wa::QueueDelete gone;
  gone.queue = "gone";
  return {"plumber",
          {hello(), declare("bound") + declare("gone"), method(1, exchange), method(1, bind),
           method(1, own) + method(1, bind_own) + consume("mine"),
           publish({.key = "a.b", .body = "x", .exchange = "x"}),
           method(2, wa::ChannelOpen{}) + method(1, gone), method(1, wa::ChannelClose{})},
          plumber_law};
}

// ---- one who waits for replies

inline void asker_law(World& world, const Lines&) {
  Client client(world);
  client.log_in();
  std::string name;
  for (const auto& line : client.say(get("asked")))
    if (const auto at = line.find("reply_to="); at != std::string::npos) name = line.substr(at + 9);
  if (name.empty()) return;
  EXPECT_TRUE(name.starts_with("amq.rabbitmq.reply-to.")) << name;
  const auto heard = client.say(publish({.key = name, .body = "answer", .mandatory = true}));
  EXPECT_EQ(count_of(heard, "basic.return(312"), 1u) << "who asked is gone";
}

inline Script asker() {
  wa::BasicConsume replies;
  replies.queue = "amq.rabbitmq.reply-to";
  replies.consumer_tag = "r";
  replies.no_ack = true;
  wa::Properties properties;
  properties.reply_to = "amq.rabbitmq.reply-to";
  return {"asker",
          {hello(), declare("asked") + method(1, replies),
           publish({.key = "asked", .body = "question", .properties = properties})},
          asker_law};
}

inline std::vector<Script> scripts() {
  return {publisher(),   consumer(),       taker(),   reader(),
          transaction(), refused_commit(), plumber(), asker()};
}

}  // namespace penstock::protocol::amqp
