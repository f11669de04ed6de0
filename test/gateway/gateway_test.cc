#include "gateway/gateway.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <optional>
#include <thread>
#include <vector>

#include "test/gateway/gateway_fixture.h"
#include "test/gateway/socket_client.h"

namespace penstock::gateway {
namespace {

using namespace std::chrono_literals;
using testing::Echo;
using testing::GatewayTest;
using testing::SocketClient;

TEST_F(GatewayTest, AnswersAClientThatSendsOneByteAtATime) {
  open();
  SocketClient client(address_);
  for (const char c : std::string_view("PING\nsecond line\n")) {
    ASSERT_TRUE(client.send(std::string_view(&c, 1)));
  }
  EXPECT_EQ(client.read_until("second line\n"), "PING\nsecond line\n");
}

TEST_F(GatewayTest, AnswersPipelinedLinesInOrder) {
  open();
  SocketClient client(address_);
  std::string sent;
  for (int i = 0; i < 10'000; ++i) sent += "LINE" + std::to_string(i) + "\n";
  std::thread sender([&] { client.send(sent); });
  EXPECT_TRUE(client.read(sent.size()) == sent);
  sender.join();
}

TEST_F(GatewayTest, ClosesWhatSpeaksNoProtocolOfOurs) {
  open();
  SocketClient client(address_);
  client.send(std::string_view("\x01\x02\x03\x04 what is this\r\n", 20));
  EXPECT_TRUE(client.is_closed());
  EXPECT_EQ(statistics().unknown_protocol, 1u);
  EXPECT_EQ(statistics().refused_full, 0u);
}

TEST_F(GatewayTest, ClosesASpokenProtocolThatIsNotInTheTable) {
  open();
  SocketClient client(address_);
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(client.is_closed());
  EXPECT_EQ(statistics().unknown_protocol, 1u);
}

TEST_F(GatewayTest, PausesASlowReaderInsteadOfGrowing) {
  open();
  SocketClient client(address_);
  std::string lines;
  while (lines.size() < 64u << 20) lines += "LINE " + std::string(1000, 'x') + "\n";
  std::string_view unsent = lines;
  // Until nobody has taken anything for a long while: the server paused, the kernel's buffers are
  // full.
  for (int refused = 0; refused < 2'000;) {
    const std::size_t count = client.send_some(unsent);
    unsent.remove_prefix(count);
    ASSERT_FALSE(unsent.empty()) << "the server took everything";
    refused = count == 0 && statistics().input_pauses > 0 ? refused + 1 : 0;
  }
  EXPECT_GT(statistics().output_pauses, 0u);
  EXPECT_LT(statistics().received_bytes, 16u << 20);
  EXPECT_LE(ask([this] { return gateway_->held_input_bytes(); }), 4 * kReadBytes);
  std::thread sender([&] { client.send(unsent); });
  EXPECT_TRUE(client.read(lines.size()) == lines);
  sender.join();
}

TEST_F(GatewayTest, GivesUpAPeerThatNeverReads) {
  open();
  SocketClient client(address_, 4096);
  const std::string line = "LINE " + std::string(1000, 'x') + "\n";
  while (statistics().output_pauses == 0) client.send_some(line);
  advance(Options{}.write_timeout + 1s);
  EXPECT_TRUE(eventually([this] { return gateway_->connections() == 0; }));
  EXPECT_EQ(statistics().write_timeouts, 1u);
}

// Its end would lie behind all that it does not read, and that in the system's buffers, for ever.
TEST_F(GatewayTest, ResetsAPeerThatNeverReadsAndHasNothingMoreToSay) {
  room_.max_output = 64u << 20;
  open();
  SocketClient client(address_, 4096);
  const std::string line = "LINE " + std::string(100'000, 'x') + "\n";
  std::uint64_t said = 0;
  for (; statistics().output_pauses == 0; said += line.size()) ASSERT_TRUE(client.send(line));
  ASSERT_TRUE(eventually([&] { return gateway_->statistics().received_bytes == said; }));
  advance(Options{}.write_timeout + 1s);
  EXPECT_TRUE(eventually([this] { return gateway_->connections() == 0; }));
  pollfd event{.fd = client.fd(), .events = 0, .revents = 0};
  ASSERT_EQ(::poll(&event, 1, 20'000), 1);
  EXPECT_NE(event.revents & POLLERR, 0);
}

TEST_F(GatewayTest, RefusesOneConnectionTooMany) {
  open({.max_connections = 2});
  SocketClient first(address_), second(address_);
  first.send("ONE\n");
  second.send("TWO\n");
  EXPECT_EQ(first.read_until("\n"), "ONE\n");
  EXPECT_EQ(second.read_until("\n"), "TWO\n");
  SocketClient third(address_);
  EXPECT_TRUE(third.is_closed());
  EXPECT_EQ(statistics().refused_full, 1u);
  first.close();
  ASSERT_TRUE(eventually([this] { return gateway_->connections() == 1; }));
  SocketClient fourth(address_);
  fourth.send("FOUR\n");
  EXPECT_EQ(fourth.read_until("\n"), "FOUR\n");
}

TEST_F(GatewayTest, ClosesAClientThatNeverSaysWhatItSpeaks) {
  open();
  SocketClient silent(address_), dripping(address_), talking(address_);
  dripping.send("*");
  talking.send("PING\n");
  EXPECT_EQ(talking.read_until("\n"), "PING\n");
  ASSERT_TRUE(eventually([this] { return gateway_->connections() == 3; }));
  advance(Options{}.sniff_timeout + 1s);
  EXPECT_TRUE(silent.is_closed());
  talking.send("STILL\n");
  EXPECT_EQ(talking.read_until("\n"), "STILL\n");
}

TEST_F(GatewayTest, AnswersAllThatCameBeforeTheClientEndedItsSide) {
  room_.max_output = 100;  // so that the end arrives while input still waits
  open();
  SocketClient client(address_);
  std::string sent;
  for (int i = 0; i < 1000; ++i) sent += "LINE" + std::to_string(i) + "\n";
  client.send(sent);
  client.end_sending();
  EXPECT_EQ(client.read_all(), sent + "bye\n");
  EXPECT_EQ(client.error(), 0);
}

TEST_F(GatewayTest, SendsTheLastReplyAlthoughTheClientGoesOnSending) {
  open();
  SocketClient client(address_);
  client.send("LAST\nquit\n" + std::string(100'000, 'x'));
  EXPECT_EQ(client.read_all(), "LAST\n");
  EXPECT_EQ(client.error(), 0) << "reset instead of closed";
}

TEST_F(GatewayTest, GivesUpAPeerThatDoesNotEndItsSide) {
  open();
  SocketClient client(address_);
  client.send("quit\n");
  EXPECT_TRUE(client.is_closed());
  EXPECT_EQ(ask([this] { return gateway_->connections(); }), 1u);
  advance(Options{}.linger + 1s);
  EXPECT_TRUE(eventually([this] { return gateway_->connections() == 0; }));
}

TEST_F(GatewayTest, WakesAConversationThatHasSomethingToSayLater) {
  open();
  SocketClient client(address_);
  client.send("wait\nLINE\n");
  EXPECT_EQ(client.read_until("\n"), "LINE\n");
  ask([this] {
    (*room_.here.begin())->release();
    return 0;
  });
  EXPECT_EQ(client.read_until("\n"), "released\n");
}

TEST_F(GatewayTest, TellsThoseWhoWaitedBeforeTheOneWhoseCommandWasTheCause) {
  open();
  SocketClient waiting(address_), asking(address_);
  waiting.send("LINE\nwait\n");
  EXPECT_EQ(waiting.read_until("\n"), "LINE\n");
  Echo* first = ask([this] {
    turn_ = [this] {
      if (std::ranges::count_if(room_.here, &Echo::waits) < 2) return;
      for (auto* echo : room_.here) echo->release();
    };
    room_.sent_by.clear();
    return *room_.here.begin();
  });
  asking.send("wait\n");
  EXPECT_EQ(asking.read_until("\n"), "released\n");
  EXPECT_EQ(waiting.read_until("\n"), "released\n");
  ask([&] {
    EXPECT_EQ(room_.sent_by.size(), 2u);
    EXPECT_EQ(room_.sent_by.front(), first);
    return 0;
  });
}

TEST_F(GatewayTest, CallsAConversationWhenItsTimeHasCome) {
  room_.reminder = 5s;
  open();
  SocketClient client(address_);
  client.send("LINE\n");
  EXPECT_EQ(client.read_until("\n"), "LINE\n");
  advance(4s);
  client.send("EARLY\n");
  EXPECT_EQ(client.read_until("\n"), "EARLY\n");
  advance(2s);
  EXPECT_EQ(client.read_until("\n"), "tick\n");
}

TEST_F(GatewayTest, DrainsLettingConversationsFinish) {
  open();
  SocketClient idle(address_), busy(address_), silent(address_);
  idle.send("LINE\n");
  EXPECT_EQ(idle.read_until("\n"), "LINE\n");
  busy.send("wait\nLINE\n");
  EXPECT_EQ(busy.read_until("\n"), "LINE\n");
  ASSERT_TRUE(eventually([this] { return gateway_->connections() == 3; }));
  ask([this] {
    gateway_->drain();
    return 0;
  });
  EXPECT_TRUE(idle.is_closed());
  EXPECT_TRUE(silent.is_closed());
  EXPECT_FALSE(SocketClient(address_).connected()) << "still listening";
  ask([this] {
    (*room_.here.begin())->release();
    return 0;
  });
  EXPECT_EQ(busy.read_all(), "released\n");
  idle.close();
  busy.close();
  EXPECT_TRUE(eventually([this] { return gateway_->connections() == 0; }));
}

TEST_F(GatewayTest, HoldsHalfMessagesOfAllConnectionsUnderOneBudget) {
  constexpr std::uint64_t kBudget = 2u << 20;
  open({.input_budget_bytes = kBudget, .max_input_bytes = 2u << 20});
  std::vector<std::unique_ptr<SocketClient>> clients;
  std::vector<std::thread> senders;
  const std::string line = "LINE " + std::string(1'000'000, 'x') + "\n";
  for (int i = 0; i < 16; ++i) {
    clients.push_back(std::make_unique<SocketClient>(address_));
    senders.emplace_back([&, i] { clients[i]->send(line); });
  }
  std::atomic<bool> done = false;
  std::uint64_t most = 0;
  std::thread watcher([&] {
    while (!done) {
      most = std::max(most, ask([this] { return gateway_->held_input_bytes(); }));
    }
  });
  for (const auto& client : clients) EXPECT_EQ(client->read(line.size()), line);
  done = true;
  watcher.join();
  for (std::thread& sender : senders) sender.join();
  // Each holder's buffer may have grown by half once more than was asked for.
  EXPECT_LE(most, 2 * kBudget + (2u << 20));
  EXPECT_EQ(ask([this] { return gateway_->held_input_bytes(); }), 0u)
      << "an idle one holds a buffer";
}

TEST_F(GatewayTest, CountsWhatAConversationTookOfHalfAMessage) {
  room_.keeps_halves = true;
  open();
  SocketClient client(address_);
  client.send("LINE " + std::string(200'000, 'x'));
  EXPECT_TRUE(eventually([this] { return gateway_->held_input_bytes() >= 200'000; }));
  client.send("\n");
  EXPECT_EQ(client.read_until("\n").size(), 200'006u);
  EXPECT_EQ(ask([this] { return gateway_->held_input_bytes(); }), 0u);
}

TEST_F(GatewayTest, ServesSmallMessagesWhileLargeOnesFillTheBudget) {
  room_.keeps_halves = true;
  open({.input_budget_bytes = 16u << 20, .max_input_bytes = 4u << 20});
  std::vector<std::unique_ptr<SocketClient>> hoarders;
  const std::string half = "LINE " + std::string(1'500'000, 'x');
  std::vector<std::string_view> unsent(20, half);
  for (std::size_t n = 0; n < unsent.size(); ++n)
    hoarders.push_back(std::make_unique<SocketClient>(address_));
  for (int round = 0; round < 10'000 && statistics().budget_pauses == 0; ++round) {
    for (std::size_t n = 0; n < unsent.size(); ++n)
      unsent[n].remove_prefix(hoarders[n]->send_some(unsent[n]));
  }
  ASSERT_GT(statistics().budget_pauses, 0u);
  EXPECT_LE(ask([this] { return gateway_->held_input_bytes(); }), 16u << 20);
  SocketClient healthy(address_);
  healthy.send("STILL\n");
  EXPECT_EQ(healthy.read_until("\n"), "STILL\n");
  EXPECT_EQ(statistics().input_evictions, 0u);
}

TEST_F(GatewayTest, GivesUpTheOldestHalfMessagesForThoseWhoWaitForTheirMemory) {
  open({.input_budget_bytes = 1u << 20, .max_input_bytes = 1u << 20});
  std::vector<std::unique_ptr<SocketClient>> hoarders;
  for (int i = 0; i < 30; ++i) {
    hoarders.push_back(std::make_unique<SocketClient>(address_));
    hoarders.back()->send("LINE " + std::string(40'000, 'x'));
    const auto want = std::min<std::uint64_t>((hoarders.size() - 1) * 40'000, 900'000);
    ASSERT_TRUE(eventually([&] { return gateway_->held_input_bytes() >= want; }));
  }
  SocketClient healthy(address_);
  healthy.send("STILL\n");
  ASSERT_TRUE(eventually([this] { return gateway_->statistics().budget_pauses >= 1; }));
  EXPECT_EQ(statistics().input_evictions, 0u) << "before their time";
  advance(Options{}.starve_timeout + 1s);
  EXPECT_EQ(healthy.read_until("\n"), "STILL\n");
  EXPECT_GT(statistics().input_evictions, 0u);
  EXPECT_LE(statistics().input_evictions, 16u) << "more than it takes";
  EXPECT_TRUE(hoarders.front()->is_closed());
  EXPECT_LT(ask([this] { return gateway_->held_input_bytes(); }), 1u << 20);
}

TEST_F(GatewayTest, GivesUpThoseWhoHaveNotReadForLongestWhenTheirOutputIsTooMuch) {
  room_.max_output = 512u << 10;
  open({.output_budget_bytes = 1u << 20});
  std::vector<std::unique_ptr<SocketClient>> deaf;
  const std::string lines = [] {
    std::string text;
    while (text.size() < 60'000) text += "LINE " + std::string(1000, 'x') + "\n";
    return text;
  }();
  for (std::uint64_t n = 0; n < 40 && statistics().output_evictions == 0; ++n) {
    deaf.push_back(std::make_unique<SocketClient>(address_, 4096));
    while (statistics().input_pauses <= n && statistics().output_evictions == 0)
      deaf.back()->send_some(lines);
  }
  ASSERT_GT(statistics().output_evictions, 0u);
  EXPECT_LT(ask([this] { return gateway_->connections(); }), deaf.size());
  SocketClient healthy(address_);
  healthy.send("STILL\n");
  EXPECT_EQ(healthy.read_until("\n"), "STILL\n");
}

TEST_F(GatewayTest, GivesUpAPeerThatStopsInTheMiddleOfAMessage) {
  open();
  SocketClient idle(address_), half(address_);
  idle.send("LINE\n");
  half.send("LINE\nhalf a line");
  EXPECT_EQ(idle.read_until("\n"), "LINE\n");
  EXPECT_EQ(half.read_until("\n"), "LINE\n");
  ASSERT_TRUE(eventually([this] { return gateway_->held_input_bytes() != 0; }));
  advance(Options{}.input_timeout + 1s);
  EXPECT_TRUE(half.is_closed());
  EXPECT_EQ(statistics().input_timeouts, 1u);
  idle.send("STILL\n");
  EXPECT_EQ(idle.read_until("\n"), "STILL\n");
}

TEST_F(GatewayTest, GivesUpAPeerWhoseMessageDripsForEver) {
  open();
  SocketClient client(address_);
  client.send("LINE\nhalf ");
  EXPECT_EQ(client.read_until("\n"), "LINE\n");
  for (int seconds = 0; seconds <= 40; seconds += 10) {
    const auto before = statistics().received_bytes;
    client.send("x");
    eventually([&] {
      return gateway_->statistics().received_bytes > before || gateway_->connections() == 0;
    });
    advance(10s);
  }
  EXPECT_TRUE(eventually([this] { return gateway_->connections() == 0; }));
  EXPECT_EQ(statistics().input_timeouts, 1u);
}

TEST_F(GatewayTest, EndsAConnectionWhoseMessageIsTooLarge) {
  open({.input_budget_bytes = 1u << 20, .max_input_bytes = 200'000});
  SocketClient client(address_);
  client.send("LINE " + std::string(400'000, 'x'));
  client.read_all();
  EXPECT_EQ(statistics().input_overflows, 1u);
}

TEST_F(GatewayTest, KnowsItsPeer) {
  open();
  SocketClient client(address_);
  client.send("LINE\n");
  EXPECT_EQ(client.read_until("\n"), "LINE\n");
  EXPECT_TRUE(ask([this] { return (*room_.here.begin())->host().peer_is_loopback(); }));
  EXPECT_TRUE(
      ask([this] { return (*room_.here.begin())->host().peer(); }).starts_with("127.0.0.1:"));
}

}  // namespace
}  // namespace penstock::gateway
