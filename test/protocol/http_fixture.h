// A broker on a disk in memory, and peers that talk HTTP to it without a socket.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "broker/broker.h"
#include "os/memory_directory.h"
#include "protocol/http/service.h"
#include "test/protocol/peer.h"
#include "wire/http/response_parser.h"

namespace penstock::protocol::http {

using namespace std::chrono_literals;

struct Response {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;

  [[nodiscard]] std::string field(std::string_view name) const {
    for (const auto& [known, value] : fields) {
      if (ascii_iequals(known, name)) return value;
    }
    return {};
  }
  [[nodiscard]] boost::json::value json() const {
    boost::json::error_code error;
    auto value = boost::json::parse(body, error);
    EXPECT_FALSE(error) << body;
    return value;
  }
  [[nodiscard]] std::string text(std::string_view pointer) const {
    const auto value = json();
    boost::json::error_code error;
    const auto* found = value.find_pointer({pointer.data(), pointer.size()}, error);
    if (found == nullptr) return "(nothing)";
    if (found->is_string()) return {found->get_string().data(), found->get_string().size()};
    return boost::json::serialize(*found);
  }
  [[nodiscard]] std::string code() const { return text("/error/code"); }
};

// All responses in `bytes`; a rest that is no response fails the test. None of them answers a HEAD.
inline std::vector<Response> responses(std::string_view bytes) {
  std::vector<Response> all;
  wire::http::ResponseParser parser;
  while (!bytes.empty()) {
    const auto fed = parser.feed(as_bytes(bytes));
    bytes.remove_prefix(fed.consumed);
    if (fed.state != wire::http::ResponseParser::State::complete) {
      ADD_FAILURE() << "no response: " << bytes;
      break;
    }
    Response one{.status = parser.status(), .fields = {}, .body = std::string(parser.body())};
    for (const auto& [name, value] : parser.fields().all()) one.fields.emplace_back(name, value);
    all.push_back(std::move(one));
    parser.next();
  }
  return all;
}

// "POST /path" and what belongs to it, as bytes.
inline std::string request(std::string_view start, std::string_view body = {},
                           std::string_view fields = {}) {
  std::string text(start);
  text.append(" HTTP/1.1\r\nHost: localhost:7411\r\n").append(fields);
  if (!body.empty())
    text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  return text.append("\r\n").append(body);
}

class HttpTest : public testing::Test {
 protected:
  HttpTest() { open({}); }

  void open(Settings settings) {
    peer_.reset();
    service_.reset();
    broker_.reset();
    random_ = {};
    directory_ = std::make_unique<MemoryDirectory>();
    broker::Options options;
    options.journal.segment_bytes = 4u << 20;
    options.journal.reserve_bytes = 0;
    options.journal.clock = &clock_;
    auto broker = broker::Broker::open(*directory_, clock_, random_, options);
    if (!broker) throw std::runtime_error(broker.error().message);
    broker_ = std::move(*broker);
    service_ = std::make_unique<Service>(*broker_, std::move(settings));
  }

  // Lets the broker, and the peer's conversation, do all that they can do now.
  void settle() {
    broker_->settle_down();
    if (!peer_ || !peer_->open()) return;
    for (int before = -1; before != peer_->wakes;) {
      before = peer_->wakes;
      peer_->feed();
      broker_->settle_down();
    }
  }
  void pass(Duration time) {
    clock_.pass(time);
    if (peer_ && peer_->open()) peer_->on_time(clock_.now());
    settle();
  }

  Peer& peer() {
    if (!peer_ || !peer_->open() || peer_->conversation().finished()) {
      peer_ = std::make_unique<Peer>(*service_);
    }
    return *peer_;
  }
  // What comes back for these bytes now.
  std::string raw(std::string_view bytes, std::size_t chunk = SIZE_MAX) {
    peer().give(bytes, chunk);
    settle();
    return peer_->take_output();
  }
  // Exactly one response, or the test fails.
  Response ask(std::string_view start, std::string_view body = {}, std::string_view fields = {}) {
    auto all = responses(raw(request(start, body, fields)));
    EXPECT_EQ(all.size(), 1u) << start;
    return all.empty() ? Response{} : std::move(all.front());
  }
  std::string lease_of(std::string_view queue) {
    return ask("POST /v1/queues/" + std::string(queue) + "/lease", "{}").text("/messages/0/lease");
  }

  ManualClock clock_;
  CountingRandom random_;
  std::unique_ptr<MemoryDirectory> directory_;
  std::unique_ptr<broker::Broker> broker_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<Peer> peer_;
};

}  // namespace penstock::protocol::http
