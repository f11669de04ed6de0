// The client against a real server, over TCP, with its journal on a real disk.
#include "server/server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <future>
#include <thread>

#include "client/api.h"

namespace penstock::client {
namespace {

using namespace std::chrono_literals;

class ClientTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "penstock-client-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    start_server();
    client_ = make_client();
  }
  void TearDown() override {
    client_.reset();
    stop_server();
    std::filesystem::remove_all(folder_);
  }

  void start_server() {
    server::Settings settings;
    settings.data = folder_ + "/data";
    settings.listen = {{net::Address::Kind::ip, "127.0.0.1", port_}};
    settings.broker.journal.segment_bytes = 32u << 20;
    settings.broker.journal.spare_segments = 0;
    settings.broker.journal.reserve_bytes = 0;
    settings.grace = 1s;
    auto server = server::Server::start(settings);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    port_ = server_->addresses().front().port;
    thread_ = std::thread([this] { server_->run(); });
  }
  void stop_server() {
    if (!server_) return;
    server_->stop();
    thread_.join();
    server_.reset();
  }
  std::unique_ptr<Client> make_client() {
    Options options;
    options.url = "penstock://127.0.0.1:" + std::to_string(port_);
    options.reconnect = {.base = 1ms, .cap = 20ms};
    auto client = Client::connect(options);
    EXPECT_TRUE(client) << client.error().message;
    return client ? std::move(*client) : nullptr;
  }
  // The value, or a failed test and nothing.
  template <class T>
  T call(const Request<T>& request) {
    auto answer = client_->call(request);
    EXPECT_TRUE(answer) << answer.error().error.message;
    return answer ? std::move(*answer) : T{};
  }
  // Returns when somebody waits at `queue`.
  void until_waited_at(std::string_view queue) {
    while (true) {
      const auto stats = client_->call(queue_statistics(queue));
      if (stats && stats->consumers > 0) return;
      std::this_thread::yield();
    }
  }

  std::string folder_;
  std::uint16_t port_ = 0;
  std::unique_ptr<server::Server> server_;
  std::thread thread_;
  std::unique_ptr<Client> client_;
};

const std::vector<std::string> kDefault{"default"};

TEST_F(ClientTest, AMessageGoesThereAndComesBackWhole) {
  const std::string body("\0\r\n\xff body", 9);
  const auto id =
      call(send("mail", body, {.priority = std::uint8_t{3}, .headers = {{"to", "ann"}}}));
  const auto messages = call(receive("mail"));
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].id, id);
  EXPECT_EQ(messages[0].body, body);
  EXPECT_EQ(messages[0].priority, 3u);
  EXPECT_EQ(messages[0].headers, (std::vector<Header>{{"to", "ann"}}));
  EXPECT_EQ(call(ack(messages[0].lease)), 1u);
  const auto lost = client_->call(ack(messages[0].lease));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().error.code, ErrorCode::conflict);
}

TEST_F(ClientTest, ATaskRunsFromSubmitToItsResult) {
  const auto id = call(submit("resize", R"(["cat.png"])", R"({"width":320})"));
  const auto tasks = call(take_tasks(kDefault));
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks[0].name, "resize");
  EXPECT_EQ(tasks[0].payload, R"({"args":["cat.png"],"kwargs":{"width":320}})");
  EXPECT_TRUE(call(progress(tasks[0].lease, 1, 2, "half")));
  EXPECT_FALSE(call(extend(tasks[0].lease, 1min)).cancelled);
  EXPECT_EQ(call(task(id)).state, "running");
  EXPECT_EQ(call(task(id)).progress_text, "half");
  std::thread worker([&] { call(done(tasks[0].lease, "[1,2]")); });
  const auto status = client_->call_waiting(task(id, 30s));
  worker.join();
  ASSERT_TRUE(status);
  EXPECT_TRUE(status->ended());
  EXPECT_EQ(status->result, "[1,2]");
}

TEST_F(ClientTest, BatchesAreSubmittedTakenAndDoneTogether) {
  const std::vector<std::string_view> args(300, "[7]");
  const auto ids = call(submit_many("t", args));
  ASSERT_EQ(ids.size(), 300u);
  const auto tasks = call(take_tasks(kDefault, {.max = 256}));
  ASSERT_EQ(tasks.size(), 256u);
  std::vector<Finished> finished;
  for (const auto& taken : tasks) finished.push_back({taken.lease, "true"});
  EXPECT_EQ(call(done_many(finished)), 256u);
  EXPECT_EQ(call(done_many(finished)), 0u) << "a second time nothing is there to end";
  EXPECT_EQ(call(task(ids[0])).state, "done");
}

TEST_F(ClientTest, ARefusalIsToldFromAnError) {
  call(declare("q", std::vector<OptionText>{{"max_length", "1"}}));
  call(send("q", "a"));
  const auto refused = client_->call(send("q", "b"));
  ASSERT_FALSE(refused);
  ASSERT_TRUE(refused.error().refusal);
  EXPECT_EQ(refused.error().refusal->reason, "max_length");
  EXPECT_EQ(refused.error().refusal->queue, "q");
  EXPECT_GT(refused.error().refusal->retry_after, 0ms);
  const auto wrong = client_->call(send("", "b"));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().error.code, ErrorCode::invalid);
  EXPECT_FALSE(wrong.error().refusal);
}

TEST_F(ClientTest, QueuesAreDeclaredListedShownAndRemoved) {
  call(declare("a"));
  call(declare("b", std::vector<OptionText>{{"max_wait", "2s"}, {"paused", "true"}}));
  EXPECT_EQ(call(queue_names()).size(), 2u);
  EXPECT_EQ(call(all_queue_statistics()).size(), 2u);
  const auto stats = call(queue_statistics("b"));
  EXPECT_TRUE(stats.paused);
  EXPECT_FALSE(stats.counters.empty());
  EXPECT_NE(std::ranges::find(stats.options, OptionText("max_wait", "2s")), stats.options.end());
  EXPECT_TRUE(call(resume("b")));
  call(send("b", "x"));
  ASSERT_EQ(call(browse("b")).size(), 1u);
  EXPECT_EQ(call(browse("b"))[0].message.body, "x");
  EXPECT_EQ(call(purge("b")), 1u);
  EXPECT_EQ(call(remove_queue("b")), 0u);
  const auto gone = client_->call(queue_statistics("b"));
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().error.code, ErrorCode::not_found);
  EXPECT_FALSE(call(server_status()).empty());
}

TEST_F(ClientTest, AWaitingCallHoldsUpNobodyAndGetsWhatComes) {
  auto waiting = std::async(std::launch::async,
                            [&] { return client_->call_waiting(receive("q", {.wait = 60s})); });
  until_waited_at("q");
  EXPECT_EQ(call(ping()), "PONG");
  call(send("q", "here"));
  const auto got = waiting.get();
  ASSERT_TRUE(got);
  ASSERT_EQ(got->size(), 1u);
  EXPECT_EQ((*got)[0].body, "here");
}

TEST_F(ClientTest, AStoppedWaitAnswersEmptyHandedAndKeepsTheLeasesOfItsLane) {
  const auto lane = client_->open_lane();
  call(send("q", "held"));
  const auto held = lane->call(receive("q"));
  ASSERT_TRUE(held && held->size() == 1);
  std::stop_source stop;
  auto waiting = std::async(std::launch::async, [&] {
    return lane->call(receive("q", {.wait = 60s}), stop.get_token());
  });
  until_waited_at("q");
  stop.request_stop();
  const auto got = waiting.get();
  ASSERT_TRUE(got) << got.error().error.message;
  EXPECT_TRUE(got->empty());
  EXPECT_EQ(call(ack((*held)[0].lease)), 1u) << "the lane's connection was not given up";
  EXPECT_EQ(lane->call(ping()).value(), "PONG");
  const auto stopped = lane->call(ping(), stop.get_token());
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().error.code, ErrorCode::closed);
}

TEST_F(ClientTest, TheEndOfALaneGivesItsLeasesBackAtOnce) {
  call(send("q", "x"));
  auto lane = client_->open_lane();
  ASSERT_EQ(lane->call(receive("q", {.lease = 1h}))->size(), 1u);
  lane.reset();
  const auto again = client_->call_waiting(receive("q", {.wait = 30s}));
  ASSERT_TRUE(again);
  ASSERT_EQ(again->size(), 1u);
  EXPECT_EQ((*again)[0].attempts, 2u);
}

TEST_F(ClientTest, ARestartedServerIsFoundAgainAndHasKeptWhatItPromised) {
  const auto id = call(send("q", "kept", {.key = "once"}));
  auto waiting = std::async(std::launch::async,
                            [&] { return client_->call_waiting(receive("other", {.wait = 60s})); });
  until_waited_at("other");
  stop_server();
  const auto cut_short = waiting.get();
  EXPECT_TRUE(!cut_short || cut_short->empty());
  while (client_->connected()) std::this_thread::yield();
  const auto down = client_->call(ping());
  ASSERT_FALSE(down);
  EXPECT_EQ(down.error().error.code, ErrorCode::closed);
  start_server();
  ASSERT_TRUE(client_->wait_until_connected(30s));
  EXPECT_EQ(call(send("q", "kept", {.key = "once"})), id);
  EXPECT_EQ(call(receive("q", {.max = 10})).size(), 1u);
}

TEST_F(ClientTest, ManyThreadsShareOneConnection) {
  constexpr int kThreads = 8, kCalls = 200;
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int n = 0; n < kThreads; ++n)
    threads.emplace_back([&, n] {
      for (int call = 0; call < kCalls; ++call)
        good += client_->call(send("q" + std::to_string(n), "x")).has_value();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, kThreads * kCalls);
}

TEST_F(ClientTest, PipelinedCallsAreAnsweredInOrderAndAllOfThem) {
  constexpr std::uint64_t kCalls = 30'000;
  std::uint64_t answered = 0, last = 0;
  std::promise<void> all;
  for (std::uint64_t n = 0; n < kCalls;) {
    const auto started = client_->start(send("q", "x"), [&](Answer<MessageId> id) {
      EXPECT_TRUE(id && id->value > last);
      if (id) last = id->value;
      if (++answered == kCalls) all.set_value();
    });
    ASSERT_NE(started, Started::closed);
    if (started == Started::taken)
      ++n;
    else
      std::this_thread::yield();
  }
  all.get_future().wait();
  EXPECT_EQ(call(queue_statistics("q")).ready, kCalls);
}

TEST_F(ClientTest, ALargeBodyArrivesAndOneTooLargeIsAnError) {
  const std::string large(10u << 20, 'x');
  call(send("q", large));
  const auto messages = call(receive("q"));
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].body.size(), large.size());
  const auto too_large = client_->call(send("q", std::string((16u << 20) + 1, 'x')));
  ASSERT_FALSE(too_large);
  EXPECT_EQ(call(ping()), "PONG");
}

}  // namespace
}  // namespace penstock::client
