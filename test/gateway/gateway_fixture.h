// A gateway of echo conversations, for tests with real sockets.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <thread>

#include "gateway/gateway.h"
#include "test/gateway/echo.h"

namespace penstock::testing {

class SetClock final : public Clock {
 public:
  Time now() override { return time_from_micros(now_.load()); }
  void advance(Duration by) { now_.fetch_add(by.count()); }

 private:
  std::atomic<std::int64_t> now_ = 1'000'000'000;
};

// A gateway on a thread of its own; its time stands still until a test moves it.
class GatewayTest : public ::testing::Test {
 protected:
  void open(gateway::Options options = {}) {
    gateway::ProtocolTable table;
    table.add({.protocol = wire::Protocol::resp, .converse = [this](protocol::Host& host) {
                 return std::make_unique<Echo>(room_, host, clock_.now());
               }});
    gateway_.emplace(loop_, clock_, std::move(table), options, &tls_);
    address_ = gateway_->listen(*net::parse_address(":0")).value();
    thread_ = std::thread([this] {
      loop_.run([this] {
        gateway_->fire(clock_.now());
        if (turn_) turn_();
        while (gateway_->serve_ready()) {
        }
        if (gateway_->has_ready()) loop_.post([] {});
      });
    });
  }
  void TearDown() override {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
    gateway_.reset();
    EXPECT_TRUE(room_.here.empty()) << "a conversation outlived its gateway";
  }

  // Runs on the loop's thread, after everything that was ready there.
  template <class Ask>
  auto ask(Ask question) {
    std::packaged_task<decltype(question())()> task(std::move(question));
    auto answer = task.get_future();
    loop_.post([&task] { task(); });
    return answer.get();
  }
  gateway::Statistics statistics() {
    return ask([this] { return gateway_->statistics(); });
  }
  void advance(Duration by) {
    clock_.advance(by);
    ask([] { return 0; });
  }
  // Waits for what another thread is about to do.
  template <class Condition>
  bool eventually(Condition condition) {
    for (int i = 0; i < 100'000; ++i) {
      if (ask(condition)) return true;
      std::this_thread::yield();
    }
    return false;
  }

  EchoRoom room_;
  std::function<void()> turn_;  // where a server's broker has its turn; set it on the loop's thread
  SetClock clock_;
  net::Loop loop_;
  net::TlsServer tls_{loop_};  // without a certificate, until a test loads one
  std::optional<gateway::Gateway> gateway_;
  net::Address address_;
  std::thread thread_;
};

}  // namespace penstock::testing
