// What callers do on their own threads, without the client's: sending, and all of a lane's calls.
#include <gtest/gtest.h>

#include <barrier>
#include <future>

#include "client/api.h"
#include "test/client/fake_server.h"

namespace penstock::client {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<Client> connect_to(const FakeServer& server) {
  auto client = Client::connect({.url = server.url()});
  EXPECT_TRUE(client);
  return client ? std::move(*client) : nullptr;
}

// Keeps the client's thread in a callback, from its constructor to its destructor. The server is to
// answer one PING for it.
class BusyThread {
 public:
  explicit BusyThread(Client& client) {
    EXPECT_EQ(client.start(ping(),
                           [this](Answer<std::string>) {
                             entered_.set_value();
                             leave_.get_future().wait();
                           }),
              Started::taken);
    entered_.get_future().wait();
  }
  ~BusyThread() { leave_.set_value(); }

 private:
  std::promise<void> entered_, leave_;
};

TEST(CallersThread, SendsWhatItWaitsForThoughTheClientsIsBusy) {
  std::promise<void> arrived;
  FakeServer server(1, [&](int, auto& socket) {
    FakeServer::hello(socket);
    FakeServer::read_until(socket, "PING");
    FakeServer::write(socket, "+PONG\r\n");
    FakeServer::read_until(socket, "a body");
    arrived.set_value();
    FakeServer::write(socket, ":7\r\n");
    FakeServer::read_until(socket, "never");
  });
  const auto client = connect_to(server);
  std::future<Answer<MessageId>> sent;
  {
    const BusyThread busy(*client);
    sent = std::async(std::launch::async, [&] { return client->call(send("q", "a body")); });
    EXPECT_EQ(arrived.get_future().wait_for(20s), std::future_status::ready);
  }
  EXPECT_EQ(sent.get().value().value, 7u);
}

TEST(CallersThread, DoesAllOfALanesCallsThoughTheClientsIsBusy) {
  FakeServer server(2, [&](int, auto& socket) {
    FakeServer::hello(socket);
    while (FakeServer::read_until(socket, "PING")) FakeServer::write(socket, "+PONG\r\n");
  });
  const auto client = connect_to(server);
  const BusyThread busy(*client);
  const auto lane = client->open_lane();
  EXPECT_EQ(lane->call(ping()).value(), "PONG");
  EXPECT_EQ(lane->call(ping()).value(), "PONG");
}

TEST(CallersThread, LeavesToTheClientsWhatTheSystemDoesNotTakeAndNothingOvertakesIt) {
  const std::string body(32u << 20, 'x');  // more than fits between two sockets
  const auto large = send("q", body);
  std::promise<void> begun, behind_it;
  std::string heard;
  FakeServer server(1, [&](int, auto& socket) {
    FakeServer::hello(socket);
    heard.resize(large.command.size() + ping().command.size());
    boost::asio::read(socket, boost::asio::buffer(heard, 10));
    begun.set_value();
    behind_it.get_future().wait();
    boost::asio::read(socket, boost::asio::buffer(heard) + 10);
    FakeServer::write(socket, ":7\r\n+PONG\r\n");
    FakeServer::read_until(socket, "never");
  });
  const auto client = connect_to(server);
  auto sent = std::async(std::launch::async, [&] { return client->call(large); });
  begun.get_future().wait();
  std::promise<std::string> pong;
  ASSERT_EQ(
      client->start(ping(),
                    [&](Answer<std::string> answer) { pong.set_value(answer.value_or("broken")); }),
      Started::taken);
  behind_it.set_value();
  EXPECT_EQ(sent.get().value().value, 7u);
  EXPECT_EQ(pong.get_future().get(), "PONG");
  EXPECT_TRUE(heard == large.command + ping().command) << "not in one piece, or not in order";
}

TEST(CallersThread, MixesNoCommandsOfSeveral) {
  constexpr int kThreads = 3, kRounds = 6;
  constexpr std::size_t kBytes = 12u << 20;  // goes in several pieces
  const auto large = [](char letter) { return send("q", std::string(kBytes, letter)); };
  int whole = 0;
  FakeServer server(1, [&](int, auto& socket) {
    FakeServer::hello(socket);
    std::string heard(large('x').command.size(), '\0');
    for (int n = 0; n < kThreads * kRounds; ++n) {
      boost::asio::read(socket, boost::asio::buffer(heard));
      whole += heard == large(heard[heard.size() / 2]).command ? 1 : 0;
      FakeServer::write(socket, ":7\r\n");
    }
  });
  {
    const auto client = connect_to(server);
    std::barrier together(kThreads);
    std::vector<std::jthread> threads;
    for (int n = 0; n < kThreads; ++n)
      threads.emplace_back([&, mine = large(static_cast<char>('a' + n))] {
        for (int round = 0; round < kRounds; ++round) {
          together.arrive_and_wait();
          EXPECT_TRUE(client->call(mine));
        }
      });
  }
  EXPECT_EQ(whole, kThreads * kRounds);
}

TEST(CallersThread, HasALaneForTheCallsOfALoneCallerAfterTheFirstFew) {
  constexpr int kFirstFew = 8;
  std::promise<void> in_the_lane, beside_it;
  FakeServer server(2, [&](int n, auto& socket) {
    FakeServer::hello(socket);
    for (int call = 0; FakeServer::read_until(socket, "PING"); ++call) {
      if (n == 0 && call == kFirstFew) beside_it.set_value();
      if (n == 1) in_the_lane.set_value(), beside_it.get_future().wait();
      FakeServer::write(socket, n == 0 ? "+SHARED\r\n" : "+LANE\r\n");
    }
  });
  const auto client = connect_to(server);
  for (int n = 0; n < kFirstFew; ++n) EXPECT_EQ(client->call_anyhow(ping()).value(), "SHARED");
  auto alone = std::async(std::launch::async, [&] { return client->call_anyhow(ping()); });
  in_the_lane.get_future().wait();
  EXPECT_EQ(client->call_anyhow(ping()).value(), "SHARED");
  EXPECT_EQ(alone.get().value(), "LANE");
}

TEST(CallersThread, SendsAtOnceWhatItBeginsAndReadsTheAnswerWhenItEnds) {
  std::promise<void> heard;
  FakeServer server(2, [&](int n, auto& socket) {
    FakeServer::hello(socket);
    if (n == 0) return void(FakeServer::read_until(socket, "never"));
    FakeServer::read_until(socket, "PING");
    FakeServer::write(socket, "+PONG\r\n");
    FakeServer::read_until(socket, "PING");
    heard.set_value();
    FakeServer::write(socket, "+AGAIN\r\n");
    FakeServer::read_until(socket, "never");
  });
  const auto client = connect_to(server);
  const auto lane = client->open_lane();
  EXPECT_EQ(lane->call(ping()).value(), "PONG");
  lane->begin(ping());
  EXPECT_EQ(heard.get_future().wait_for(20s), std::future_status::ready);
  EXPECT_EQ(lane->end(ping()).value(), "AGAIN");
}

TEST(CallersThread, FindsThatTheServerHungUpSinceItsLanesLastCall) {
  FakeServer server(3, [&](int, auto& socket) {
    FakeServer::hello(socket);
    FakeServer::read_until(socket, "PING");
    FakeServer::write(socket, "+PONG\r\n");
  });
  const auto client = connect_to(server);
  const auto lane = client->open_lane();
  EXPECT_EQ(lane->call(ping()).value(), "PONG");
  // The end may still be on its way when the next call begins; then that one meets it.
  auto answer = lane->call(ping());
  if (!answer) answer = lane->call(ping());
  EXPECT_EQ(answer.value(), "PONG");
}

}  // namespace
}  // namespace penstock::client
