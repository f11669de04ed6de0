// A broker on a disk in memory, and peers that talk RESP to it without a socket.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/broker.h"
#include "os/memory_directory.h"
#include "protocol/resp/service.h"
#include "test/protocol/peer.h"
#include "wire/resp/reply_reader.h"
#include "wire/resp/reply_writer.h"

namespace penstock::protocol::resp {

using wire::resp::Reply;
using wire::resp::ReplyType;

class RespTest : public testing::Test {
 protected:
  void SetUp() override { open({}); }
  void open(Settings settings) {
    service_.reset();
    broker_.reset();
    random_ = {};
    directory_ = std::make_unique<MemoryDirectory>();
    broker::Options options;
    options.journal.segment_bytes = 1u << 20;
    options.journal.reserve_bytes = 0;
    options.journal.clock = &clock_;
    auto broker = broker::Broker::open(*directory_, clock_, random_, options);
    ASSERT_TRUE(broker) << broker.error().message;
    broker_ = std::move(*broker);
    service_ = std::make_unique<Service>(*broker_, std::move(settings));
  }

  // Lets the broker do all that it can do now.
  void settle() { broker_->settle_down(); }
  void pass(Duration time) {
    clock_.pass(time);
    settle();
  }

  ManualClock clock_;
  CountingRandom random_;
  std::unique_ptr<MemoryDirectory> directory_;
  std::unique_ptr<broker::Broker> broker_;
  std::unique_ptr<Service> service_;
};

inline std::string encoded(std::initializer_list<std::string_view> words) {
  std::string command;
  wire::resp::write_command(command, words);
  return command;
}

// All replies in `bytes`; a rest that is no reply fails the test.
inline std::vector<Reply> decoded(std::string_view bytes) {
  std::vector<Reply> replies;
  wire::resp::ReplyReader reader;
  while (!bytes.empty()) {
    const auto outcome = reader.parse(as_bytes(bytes));
    bytes.remove_prefix(outcome.consumed);
    if (outcome.status != wire::resp::ReplyReader::Status::reply) {
      ADD_FAILURE() << "not a reply: " << bytes;
      break;
    }
    replies.push_back(std::move(reader.reply()));
  }
  return replies;
}

// The field of a map, as RESP3 has it or as RESP2's flat array; null when it is not there.
inline const Reply& at(const Reply& map, std::string_view name) {
  static const Reply nothing;
  for (std::size_t n = 0; n + 1 < map.items.size(); n += 2)
    if (map.items[n].text == name) return map.items[n + 1];
  return nothing;
}

// A peer whose commands are answered at once.
class Talker : public Peer {
 public:
  Talker(Service& service, broker::Broker& broker) : Peer(service), broker_(broker) {}

  std::string raw(std::string_view bytes) {
    give(bytes);
    broker_.settle_down();
    return take_output();
  }
  // Exactly one reply, or the test fails.
  Reply say(std::initializer_list<std::string_view> words) {
    auto replies = decoded(raw(encoded(words)));
    EXPECT_EQ(replies.size(), 1u) << *words.begin();
    return replies.empty() ? Reply{} : std::move(replies.front());
  }
  std::string text(std::initializer_list<std::string_view> words) { return say(words).text; }

 private:
  broker::Broker& broker_;
};

}  // namespace penstock::protocol::resp
