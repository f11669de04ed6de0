// A whole server behind one connection, without the socket: a conversation, its broker, a disk in
// memory. The same bytes give the same answers, so that runs can be compared.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <type_traits>

#include "base/check.h"
#include "broker/broker.h"
#include "fuzz/support/fuzz.h"
#include "os/memory_directory.h"
#include "protocol/conversation.h"

namespace penstock::fuzz {

class ManualClock : public Clock {
 public:
  Time now() override { return now_; }
  void pass(Duration time) { now_ += time; }

 private:
  Time now_ = time_from_micros(1'700'000'000'000'000);
};

class CountingRandom : public Random {
 public:
  std::uint64_t next() override { return ++value_ * 0x9e3779b97f4a7c15; }

 private:
  std::uint64_t value_ = 0;
};

template <class Service, class Settings>
class Server {
 public:
  explicit Server(Settings settings, broker::Options options = {}) {
    options.journal.segment_bytes = 64u << 10;
    options.journal.spare_segments = 0;
    options.journal.reserve_bytes = 0;
    options.journal.clock = &clock;
    options.journal.tail_cache_bytes = 64u << 10;
    options.journal.log_id.emplace();
    options.max_message_bytes = 8u << 10;
    auto opened = broker::Broker::open(directory, clock, random, options);
    CHECK(opened);
    broker = std::move(*opened);
    if constexpr (std::is_constructible_v<Service, broker::Broker&, Settings>)
      service = std::make_unique<Service>(*broker, std::move(settings));
    else
      service = std::make_unique<Service>(*broker, random, std::move(settings));
  }

  ManualClock clock;
  CountingRandom random;
  MemoryDirectory directory;
  std::unique_ptr<broker::Broker> broker;
  std::unique_ptr<Service> service;
};

// One client of such a server, which gives its bytes as a gateway does and collects what comes out.
class Client : public protocol::Host {
 public:
  template <class Server>
  explicit Client(Server& server)
      : broker_(*server.broker),
        clock_(server.clock),
        conversation_(server.service->converse(*this)) {}

  void wake() override { woken_ = true; }
  void wake_at(Time when) override { wish_ = std::min(wish_, when); }
  [[nodiscard]] bool peer_is_loopback() const override { return true; }
  [[nodiscard]] std::string peer() const override { return "127.0.0.1:50000"; }

  // The broker gets its turn only when the conversation takes no more, never because a piece is at
  // its end: so what the broker sees does not depend on the cuts.
  void give(ByteView piece) {
    append(held_, piece);
    feed();
    while (!held_.empty() && !conversation_->wants_input() && !conversation_->finished()) {
      const auto before = held_.size();
      work();
      feed();
      if (held_.size() == before) return;
    }
  }
  // Lets everybody do what they can do now.
  void settle() {
    do {
      work();
    } while (feed() || woken_);
  }
  void pass(Duration time) {
    clock_.pass(time);
    if (clock_.now() >= wish_) {
      wish_ = Time::max();
      conversation_->on_time(clock_.now());
    }
    settle();
  }
  void end() {
    conversation_->on_end_of_input();
    settle();
  }
  [[nodiscard]] bool finished() const { return conversation_->finished(); }
  [[nodiscard]] const std::string& said() const { return said_; }
  [[nodiscard]] protocol::Conversation& conversation() { return *conversation_; }

 private:
  bool feed() {
    bool progress = false;
    while (!held_.empty() && conversation_->wants_input() && !conversation_->finished()) {
      const auto taken = conversation_->receive(held_);
      CHECK(taken <= held_.size());
      if (taken == 0) break;
      held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(taken));
      progress = true;
    }
    return progress;
  }
  void work() {
    woken_ = false;
    broker_.settle_down();
    take_output();
  }
  void take_output() {
    while (!conversation_->output().empty()) {
      const auto part = conversation_->output();
      said_.append(as_text(part));
      conversation_->sent(part.size());
    }
  }

  broker::Broker& broker_;
  ManualClock& clock_;
  std::unique_ptr<protocol::Conversation> conversation_;
  Bytes held_;
  std::string said_;
  Time wish_ = Time::max();
  bool woken_ = false;
};

// The whole life of a connection; gives what the server said. Everybody does what they can between
// two steps of it, wherever they are cut.
template <class Server>
std::string converse(Server& server, std::span<const ByteView> steps, Cuts* cuts) {
  Client client(server);
  for (const auto input : steps) {
    for (std::size_t at = 0; at < input.size() && !client.finished();) {
      const auto left = input.size() - at;
      const auto size = cuts == nullptr ? left : cuts->next(left);
      client.give(input.subspan(at, size));
      at += size;
    }
    client.settle();
  }
  for (const auto time :
       {std::chrono::seconds(1), std::chrono::seconds(40), std::chrono::seconds(120)})
    client.pass(time);
  client.end();
  server.broker->check();
  return client.said();
}

template <class Server>
std::string converse(Server& server, ByteView input, Cuts* cuts) {
  return converse(server, std::span(&input, 1), cuts);
}

}  // namespace penstock::fuzz
