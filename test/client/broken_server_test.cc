// What a client does when the other side is not what it should be.
#include <gtest/gtest.h>

#include <future>

#include "client/api.h"
#include "test/client/fake_server.h"

namespace penstock::client {
namespace {

using namespace std::chrono_literals;

Options options_for(const FakeServer& server) {
  Options options;
  options.url = server.url();
  options.reconnect = {.base = 1ms, .cap = 5ms};
  return options;
}

TEST(BrokenServer, NobodyThereIsToldAtOnceWithAHint) {
  boost::asio::io_context context;
  boost::asio::ip::tcp::acceptor taken(context, {boost::asio::ip::address_v4::loopback(), 0});
  const auto port = taken.local_endpoint().port();
  taken.close();
  const auto client = Client::connect({.url = "127.0.0.1:" + std::to_string(port)});
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::closed);
  EXPECT_NE(client.error().hint.find("penstock serve"), std::string::npos);
}

TEST(BrokenServer, SomethingElseThanAPenstockIsUnsupported) {
  for (const std::string_view answer :
       {"%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n", "-ERR unknown command 'HELLO'\r\n", "+OK\r\n"}) {
    FakeServer server(1, [&](int, auto& socket) {
      FakeServer::read_until(socket, "HELLO");
      FakeServer::write(socket, answer);
      FakeServer::read_until(socket, "never");
    });
    const auto client = Client::connect(options_for(server));
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, ErrorCode::unsupported) << client.error().message;
  }
}

TEST(BrokenServer, SilenceEndsAtTheConnectTimeout) {
  FakeServer server(1, [&](int, auto& socket) { FakeServer::read_until(socket, "never"); });
  auto options = options_for(server);
  options.connect_timeout = 20ms;
  const auto client = Client::connect(options);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::timeout);
}

TEST(BrokenServer, WhatIsInFlightWhenTheConnectionBreaksIsAnsweredClosedAndTheNextOneServes) {
  FakeServer server(2, [&](int n, auto& socket) {
    FakeServer::hello(socket);
    FakeServer::read_until(socket, "PING");
    if (n == 0) return;  // hangs up without an answer
    FakeServer::write(socket, "+PONG\r\n");
    FakeServer::read_until(socket, "never");
  });
  auto client = Client::connect(options_for(server));
  ASSERT_TRUE(client);
  const auto lost = (*client)->call(ping());
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().error.code, ErrorCode::closed);
  ASSERT_TRUE((*client)->wait_until_connected(10s));
  EXPECT_EQ((*client)->call(ping()).value(), "PONG");
}

TEST(BrokenServer, ARequestSentAgainAndAgainGetsThroughTheFirstConnectionThatHolds) {
  FakeServer server(4, [&](int n, auto& socket) {
    if (n == 1) return;  // no HELLO at all
    FakeServer::hello(socket);
    FakeServer::read_until(socket, "PING");
    if (n < 3) return FakeServer::write(socket, n == 0 ? "what?\r\n" : "");
    FakeServer::write(socket, "+PONG\r\n");
    FakeServer::read_until(socket, "never");
  });
  auto client = Client::connect(options_for(server));
  ASSERT_TRUE(client);
  Answer<std::string> answer = std::unexpected(Failure{});
  for (int n = 0; n < 3 && !answer; ++n) {
    ASSERT_TRUE((*client)->wait_until_connected(10s));
    answer = (*client)->call(ping());
  }
  EXPECT_EQ(answer.value(), "PONG");
}

TEST(BrokenServer, ALateAnswerIsNotTakenForThatOfTheNextCall) {
  std::promise<void> gave_up;
  FakeServer server(3, [&](int n, auto& socket) {
    FakeServer::hello(socket);
    if (n == 0) return void(FakeServer::read_until(socket, "never"));  // the client's own
    FakeServer::read_until(socket, "PING");
    if (n == 1) gave_up.get_future().wait();
    FakeServer::write(socket, n == 1 ? "+LATE\r\n" : "+PONG\r\n");
    FakeServer::read_until(socket, "never");
  });
  auto client = Client::connect(options_for(server));
  ASSERT_TRUE(client);
  const auto lane = (*client)->open_lane();
  const auto first = lane->call(ping(), {}, 20ms);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().error.code, ErrorCode::timeout);
  gave_up.set_value();
  EXPECT_EQ(lane->call(ping()).value(), "PONG");
}

TEST(BrokenServer, TheEndOfAClientAnswersWhatIsInFlight) {
  FakeServer server(1, [&](int, auto& socket) {
    FakeServer::hello(socket);
    FakeServer::read_until(socket, "never");
  });
  auto client = Client::connect(options_for(server));
  ASSERT_TRUE(client);
  std::promise<ErrorCode> code;
  ASSERT_EQ(
      (*client)->start(ping(),
                       [&](Answer<std::string> answer) {
                         code.set_value(answer ? ErrorCode::invalid : answer.error().error.code);
                       }),
      Started::taken);
  client->reset();
  EXPECT_EQ(code.get_future().get(), ErrorCode::closed);
}

TEST(BrokenServer, TooMuchInFlightIsSaidAndNotQueued) {
  std::promise<void> full;
  FakeServer server(1, [&](int, auto& socket) {
    FakeServer::hello(socket);
    full.get_future().wait();
    FakeServer::write(socket, "+PONG\r\n");
    FakeServer::read_until(socket, "never");
  });
  auto options = options_for(server);
  options.max_in_flight = 3;
  auto client = Client::connect(options);
  ASSERT_TRUE(client);
  std::promise<std::string> first;
  const auto keep = [&](Answer<std::string> answer) { first.set_value(answer.value_or("broken")); };
  EXPECT_EQ((*client)->start(ping(), keep), Started::taken);
  for (int n = 0; n < 2; ++n)
    EXPECT_EQ((*client)->start(ping(), [](Answer<std::string>) {}), Started::taken);
  EXPECT_EQ((*client)->start(ping(), [](Answer<std::string>) { FAIL(); }), Started::back_pressured);
  full.set_value();
  EXPECT_EQ(first.get_future().get(), "PONG");
  EXPECT_EQ((*client)->start(ping(), [](Answer<std::string>) {}), Started::taken);
}

}  // namespace
}  // namespace penstock::client
