// Those who speak RESP: Penstock's own commands, Redis lists with a list of work in hand for each
// consumer, Redis streams with a consumer group.
#include "bench/peers/load/dialect.h"
#include "bench/peers/load/resp.h"

namespace penstock::peers {
namespace {

class Resp : public Dialect {
 public:
  explicit Resp(std::string queue) : queue_(std::move(queue)) {}

  Ask hello(std::string& out) override {
    append_command(out, {"PING"});
    return {.kind = Kind::hello};
  }

  Answer read(std::string_view in, std::deque<Ask>& asks, std::string&) override {
    const auto consumed = scan_resp(in, tokens_);
    if (consumed == 0) return {};
    auto& ask = asks.front();
    --ask.answers;
    Answer answer{.consumed = consumed};
    const bool fine = tokens_.front().type != '-' &&
                      (ask.kind == Kind::hello || (ask.kind == Kind::take && take_answer(ask)) ||
                       (ask.kind != Kind::take && expected(ask)));
    if (!fine) answer.refused = in.substr(0, std::min<std::size_t>(consumed, 200));
    return answer;
  }

 protected:
  // Whether the answer to a publish or a settle says what was hoped for.
  virtual bool expected(const Ask& ask) = 0;
  virtual bool take_answer(Ask& ask) = 0;

  std::string queue_;
  std::vector<Token> tokens_;
};

class Penstock final : public Resp {
 public:
  using Resp::Resp;

  Ask publish(std::string& out, unsigned messages) override {
    if (messages == 1) {
      append_array(out, 3);
      append_word(out, "SEND");
      append_word(out, queue_);
      append_body_word(out);
    } else {
      append_array(out, 4 + messages);
      for (const std::string_view word : {"SENDMANY", queue_.c_str(), "BODIES"})
        append_word(out, word);
      append_word(out, std::to_string(messages));
      for (unsigned n = 0; n < messages; ++n) append_body_word(out);
    }
    return {.kind = Kind::publish, .messages = messages};
  }
  Ask take(std::string& out, unsigned most, bool wait) override {
    append_array(out, wait ? 6 : 4);
    for (const std::string_view word : {"RECEIVE", queue_.c_str(), "MAX"}) append_word(out, word);
    append_word(out, std::to_string(most));
    if (wait) append_word(out, "WAIT"), append_word(out, "10s");
    return {.kind = Kind::take, .messages = most};
  }
  Ask settle(std::string& out, std::span<const std::string> taken) override {
    append_array(out, 1 + taken.size());
    append_word(out, "ACK");
    for (const auto& lease : taken) append_word(out, lease);
    return {.kind = Kind::settle, .messages = static_cast<unsigned>(taken.size())};
  }

 private:
  bool expected(const Ask& ask) override {
    const auto& head = tokens_.front();
    if (ask.kind == Kind::settle) return head.type == ':' && head.number == ask.messages;
    return ask.messages == 1 ? head.type == '$' : head.type == '*' && head.number == ask.messages;
  }
  bool take_answer(Ask& ask) override {
    for (std::size_t n = 0; n + 1 < tokens_.size(); ++n)
      if (tokens_[n].text == "lease") ask.taken.emplace_back(tokens_[n + 1].text);
    return tokens_.front().type == '*';
  }
};

// LMOVE to a list of the consumer's own, LREM from it when done: the pattern that loses nothing.
class RedisList final : public Resp {
 public:
  RedisList(std::string queue, unsigned connection)
      : Resp(std::move(queue)), in_hand_(queue_ + ":" + std::to_string(connection)) {}

  Ask publish(std::string& out, unsigned messages) override {
    append_array(out, 2 + messages);
    append_word(out, "LPUSH");
    append_word(out, queue_);
    for (unsigned n = 0; n < messages; ++n) append_body_word(out);
    return {.kind = Kind::publish, .messages = messages};
  }
  // What was taken first lies at the left end, where LREM looks first.
  Ask take(std::string& out, unsigned most, bool wait) override {
    if (wait) {
      append_command(out, {"BLMOVE", queue_, in_hand_, "RIGHT", "RIGHT", "10"});
      most = 1;
    } else {
      for (unsigned n = 0; n < most; ++n)
        append_command(out, {"LMOVE", queue_, in_hand_, "RIGHT", "RIGHT"});
    }
    return {.kind = Kind::take, .messages = most, .answers = most};
  }
  Ask settle(std::string& out, std::span<const std::string> taken) override {
    for (const auto& body : taken) append_command(out, {"LREM", in_hand_, "1", body});
    const auto count = static_cast<unsigned>(taken.size());
    return {.kind = Kind::settle, .messages = count, .answers = count};
  }

 private:
  bool expected(const Ask& ask) override {
    const auto& head = tokens_.front();
    return head.type == ':' && (ask.kind == Kind::publish || head.number == 1);
  }
  bool take_answer(Ask& ask) override {
    const auto& head = tokens_.front();
    if (head.type == '$' && head.number >= 0) ask.taken.emplace_back(head.text);
    return head.type == '$' || head.type == '*';
  }

  std::string in_hand_;
};

// XACK marks an entry as done for the group; the stream itself keeps it until it is trimmed.
class RedisStream final : public Resp {
 public:
  RedisStream(std::string queue, unsigned connection)
      : Resp(std::move(queue)), consumer_("c" + std::to_string(connection)) {}

  Ask publish(std::string& out, unsigned messages) override {
    for (unsigned n = 0; n < messages; ++n) {
      append_array(out, 5);
      for (const std::string_view word : {"XADD", queue_.c_str(), "*", "b"}) append_word(out, word);
      append_body_word(out);
    }
    return {.kind = Kind::publish, .messages = messages, .answers = messages};
  }
  Ask take(std::string& out, unsigned most, bool wait) override {
    append_array(out, wait ? 11 : 9);
    for (const std::string_view word : {"XREADGROUP", "GROUP", "g", consumer_.c_str(), "COUNT"})
      append_word(out, word);
    append_word(out, std::to_string(most));
    if (wait) append_word(out, "BLOCK"), append_word(out, "10000");
    for (const std::string_view word : {"STREAMS", queue_.c_str(), ">"}) append_word(out, word);
    return {.kind = Kind::take, .messages = most};
  }
  Ask settle(std::string& out, std::span<const std::string> taken) override {
    append_array(out, 3 + taken.size());
    for (const std::string_view word : {"XACK", queue_.c_str(), "g"}) append_word(out, word);
    for (const auto& id : taken) append_word(out, id);
    return {.kind = Kind::settle, .messages = static_cast<unsigned>(taken.size())};
  }

 private:
  bool expected(const Ask& ask) override {
    const auto& head = tokens_.front();
    if (ask.kind == Kind::publish) return head.type == '$' && head.number > 0;
    return head.type == ':' && head.number == ask.messages;
  }
  // *1 *2 stream *n, then for each entry: *2 id *2 field value.
  bool take_answer(Ask& ask) override {
    for (std::size_t n = 5; n < tokens_.size(); n += 5) ask.taken.emplace_back(tokens_[n].text);
    return tokens_.front().type == '*';
  }

  std::string consumer_;
};

}  // namespace

std::unique_ptr<Dialect> make_penstock(const std::string& queue) {
  return std::make_unique<Penstock>(queue);
}
std::unique_ptr<Dialect> make_redis_list(const std::string& queue, unsigned connection) {
  return std::make_unique<RedisList>(queue, connection);
}
std::unique_ptr<Dialect> make_redis_stream(const std::string& queue, unsigned connection) {
  return std::make_unique<RedisStream>(queue, connection);
}

}  // namespace penstock::peers
