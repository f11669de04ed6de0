// What the server tells about itself: health, status, metrics, events; and that the docs list it
// all.
#include <fstream>
#include <sstream>

#include "protocol/http/event_stream.h"
#include "protocol/http/metrics.h"
#include "test/protocol/http_fixture.h"

namespace penstock::protocol::http {
namespace {

TEST_F(HttpTest, HealthAndReadinessDifferWhileTheServerStops) {
  EXPECT_EQ(ask("GET /healthz").body, R"({"status":"ok"})");
  EXPECT_EQ(ask("GET /readyz").body, R"({"status":"ready"})");
  service_->stop_accepting();
  EXPECT_EQ(ask("GET /healthz").status, 200);
  EXPECT_EQ(ask("GET /readyz").status, 503);
}

TEST_F(HttpTest, TheRootSaysWhatThisIs) {
  open({.version = "1.2.3"});
  const auto root = ask("GET /");
  EXPECT_EQ(root.text("/name"), "penstock");
  EXPECT_EQ(root.text("/version"), "1.2.3");
}

TEST_F(HttpTest, TheStatusCounts) {
  ask("POST /v1/queues/q/messages", "x");
  pass(1500ms);
  const auto status = ask("GET /v1/status");
  EXPECT_EQ(status.text("/messages"), "1");
  EXPECT_EQ(status.text("/uptime_ms"), "1500");
  EXPECT_EQ(status.text("/http/connections"), "1");
  EXPECT_GT(std::stoi(status.text("/journal/records")), 0);
}

TEST_F(HttpTest, MetricsHaveHelpAndTypeAndEscapedNames) {
  ask("PUT /v1/queues/a%22b%5Cc");
  ask("POST /v1/queues/q/messages", "x");
  const auto metrics = ask("GET /metrics");
  EXPECT_EQ(metrics.field("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  for (const auto line :
       {"# HELP penstock_queue_ready messages waiting to be taken\n# TYPE penstock_queue_ready "
        "gauge\n",
        "\npenstock_queue_ready{queue=\"q\"} 1\n",
        "\npenstock_queue_ready{queue=\"a\\\"b\\\\c\"} 0\n",
        "\npenstock_queue_published_total{queue=\"q\"} 1\n", "\npenstock_messages 1\n",
        "\npenstock_http_requests_total{route=\"POST /v1/queues/{q}/messages\"} 1\n",
        "\npenstock_http_responses_total{class=\"2xx\"} 2\n"}) {
    EXPECT_NE(metrics.body.find(line), std::string::npos) << line << metrics.body;
  }
}

TEST_F(HttpTest, TheServersOwnCountersAreToldToo) {
  Settings settings;
  settings.status = [] {
    return std::vector<std::pair<std::string, std::string>>{{"accepted", "3"}};
  };
  open(std::move(settings));
  EXPECT_EQ(ask("GET /v1/status").text("/server/accepted"), "3");
  EXPECT_NE(ask("GET /metrics").body.find("\npenstock_server_accepted 3\n"), std::string::npos);
}

TEST_F(HttpTest, EveryMetricIsDescribedOnceBeforeItsSamples) {
  ask("POST /v1/queues/q/messages", "x");
  std::istringstream lines(ask("GET /metrics").body);
  std::vector<std::string> described;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      const auto name = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_EQ(std::ranges::count(described, name), 0) << name;
      described.push_back(name);
    } else if (!line.starts_with("#")) {
      ASSERT_FALSE(described.empty());
      EXPECT_EQ(line.substr(0, line.find_first_of("{ ")), described.back());
    }
  }
  EXPECT_GT(described.size(), 40u);
}

TEST_F(HttpTest, EventsAreStreamedAsTheyHappen) {
  const auto head = raw(request("GET /v1/events"));
  EXPECT_NE(head.find("Content-Type: text/event-stream\r\n"), std::string::npos);
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  Peer other(*service_);
  other.give(request("PUT /v1/queues/q"));
  settle();
  const auto text = peer_->take_output();
  EXPECT_NE(text.find("event: queue_created\ndata: {\"queue\":\"q\","), std::string::npos) << text;
  peer_->conversation().on_end_of_input();
  EXPECT_TRUE(peer_->conversation().finished());
  EXPECT_TRUE(peer_->take_output().ends_with("0\r\n\r\n"));
  EXPECT_EQ(service_->hub().subscribers(), 0u);
}

TEST_F(HttpTest, EventsOfOneQueueCanBeAskedFor) {
  raw(request("GET /v1/events?queue=b"));
  Peer other(*service_);
  other.give(request("PUT /v1/queues/a") + request("PUT /v1/queues/b"));
  settle();
  other.feed();
  settle();
  const auto text = peer_->take_output();
  EXPECT_EQ(text.find("\"a\""), std::string::npos);
  EXPECT_NE(text.find("\"b\""), std::string::npos);
}

TEST_F(HttpTest, AQuietEventStreamHasAHeartbeatAndEndsWithTheServer) {
  raw(request("GET /v1/events"));
  pass(15s);
  EXPECT_EQ(peer_->take_output(), "3\r\n:\n\n\r\n");
  pass(15s);
  EXPECT_EQ(peer_->take_output(), "3\r\n:\n\n\r\n");
  peer_->conversation().drain();
  EXPECT_EQ(peer_->take_output(), "0\r\n\r\n");
  EXPECT_TRUE(peer_->conversation().finished());
}

TEST_F(HttpTest, AWatcherThatIsDestroyedIsForgotten) {
  raw(request("GET /v1/events"));
  EXPECT_EQ(service_->hub().subscribers(), 1u);
  peer_->close();
  EXPECT_EQ(service_->hub().subscribers(), 0u);
  ask("PUT /v1/queues/q");
}

TEST_F(HttpTest, ASlowWatcherLosesEventsAndIsToldHowMany) {
  open({.event_buffer_bytes = 2000});
  raw(request("GET /v1/events"));
  Peer other(*service_);
  for (int i = 0; i < 100; ++i) {
    other.give(request("PUT /v1/queues/q" + std::to_string(i)));
    broker_->settle_down();
    other.take_output();
  }
  EXPECT_LE(peer_->conversation().output().size(), 2100u);
  const auto lost = service_->counters().events_lost;
  EXPECT_GT(lost, 50u);
  const auto text = peer_->take_output();
  EXPECT_NE(text.find("event: lost\ndata: {\"count\":" + std::to_string(lost) + "}"),
            std::string::npos);
  other.give(request("PUT /v1/queues/after"));
  settle();
  EXPECT_NE(peer_->take_output().find("\"after\""), std::string::npos);
}

std::string documentation() {
  std::ifstream file(std::string(PENSTOCK_SOURCE_DIR) + "/docs/protocols/http.md");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(HttpDocumentation, ListsTheRoutesAsTheTableHasThem) {
  EXPECT_NE(documentation().find(routes_as_markdown(native_routes())), std::string::npos)
      << "docs/protocols/http.md must contain:\n"
      << routes_as_markdown(native_routes());
}

TEST(HttpDocumentation, ListsTheMetricsAsTheTablesHaveThem) {
  EXPECT_NE(documentation().find(metrics_as_markdown()), std::string::npos)
      << "docs/protocols/http.md must contain:\n"
      << metrics_as_markdown();
}

TEST(HttpDocumentation, NamesEachParameterOfARoute) {
  for (const auto& route : native_routes().routes) {
    if (route.query == kAnyQuery) continue;
    std::stringstream names{std::string(route.query)};
    for (std::string name; names >> name;)
      EXPECT_NE(route.meaning.find("`?" + name + "="), std::string_view::npos) << route.pattern;
  }
}

TEST(HttpRoutes, EveryRouteIsFoundByItsOwnPattern) {
  std::size_t number = 0;
  for_each_route([&](const Route& route) {
    std::string path(route.pattern);
    for (auto open = path.find('{'); open != std::string::npos; open = path.find('{')) {
      path.replace(open, path.find('}') - open + 1, "name");
    }
    const auto match = match_route(route.method, path);
    EXPECT_EQ(match.route, &route) << path;
    EXPECT_EQ(match.number, number++) << path;
  });
  EXPECT_LE(number, kRoutesMax);
}

}  // namespace
}  // namespace penstock::protocol::http
