// What the tests of all protocols have in common: time that they set, chance that is none, and a
// peer without a socket.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "protocol/conversation.h"

namespace penstock::protocol {

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

// One client: what it sends is given to the conversation as a gateway does, what comes back is
// kept.
class Peer : public Host {
 public:
  template <class Service>
  explicit Peer(Service& service) : conversation_(service.converse(*this)) {}

  void wake() override { ++wakes; }
  void wake_at(Time when) override { wish = std::min(wish, when); }
  bool peer_is_loopback() const override { return loopback; }
  std::string peer() const override { return "127.0.0.1:50000"; }

  // Gives bytes, `chunk` at a time, keeping what is not taken.
  void give(std::string_view bytes, std::size_t chunk = SIZE_MAX) {
    while (!bytes.empty()) {
      const auto part = bytes.substr(0, chunk);
      bytes.remove_prefix(part.size());
      held_.append(part);
      feed();
    }
  }
  void feed() {
    while (!held_.empty() && conversation_->wants_input()) {
      const auto taken = conversation_->receive(as_bytes(held_));
      if (taken == 0) return;
      held_.erase(0, taken);
    }
  }
  // The bytes that came out since the last time.
  std::string take_output() {
    std::string all;
    while (!conversation_->output().empty()) {
      const auto part = conversation_->output();
      all.append(as_text(part));
      conversation_->sent(part.size());
    }
    return all;
  }
  // As the gateway's timer does.
  void on_time(Time now) {
    if (now < wish) return;
    wish = Time::max();
    conversation_->on_time(now);
  }
  void close() { conversation_.reset(); }

  [[nodiscard]] Conversation& conversation() { return *conversation_; }
  [[nodiscard]] bool open() const { return conversation_ != nullptr; }
  [[nodiscard]] std::size_t held() const { return held_.size(); }

  int wakes = 0;
  Time wish = Time::max();
  bool loopback = true;

 private:
  std::string held_;
  std::unique_ptr<Conversation> conversation_;
};

}  // namespace penstock::protocol
