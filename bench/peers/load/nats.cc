// NATS JetStream: a stream and a pull consumer "c" with explicit acks. Publishes and acks carry an
// inbox of their own kind to which the server answers, so answers of different kinds may cross.
#include <unistd.h>

#include <algorithm>

#include "bench/peers/load/dialect.h"

namespace penstock::peers {
namespace {

// The words of a line.
std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const auto end = std::min(line.find(' '), line.size());
    if (end > 0) words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

class Nats final : public Dialect {
 public:
  Nats(std::string queue, unsigned connection)
      : queue_(std::move(queue)),
        inbox_("_INBOX." + std::to_string(::getpid()) + "-" + std::to_string(connection) + ".") {}

  Ask hello(std::string& out) override {
    out +=
        "CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1,\"headers\":true,"
        "\"no_responders\":true,\"lang\":\"load\",\"version\":\"1\"}\r\nSUB " +
        inbox_ + "* 1\r\nPING\r\n";
    return {.kind = Kind::hello};
  }
  Ask first(std::string& out) override {
    send(out, "$JS.API.STREAM.CREATE." + queue_, 'p',
         "{\"name\":\"" + queue_ + "\",\"subjects\":[\"" + queue_ + "\"],\"storage\":\"file\"}");
    return {.kind = Kind::publish, .messages = 1};
  }
  Ask publish(std::string& out, unsigned messages) override {
    for (unsigned n = 0; n < messages; ++n) {
      out.append("PUB ").append(queue_).append(" ").append(inbox_).append("p 1024\r\n");
      append_body(out);
      out += "\r\n";
    }
    return {.kind = Kind::publish, .messages = messages, .answers = messages};
  }
  Ask take(std::string& out, unsigned most, bool wait) override {
    send(out, "$JS.API.CONSUMER.MSG.NEXT." + queue_ + ".c", 't',
         "{\"batch\":" + std::to_string(most) +
             (wait ? ",\"expires\":10000000000}" : ",\"no_wait\":true}"));
    return {.kind = Kind::take, .messages = most, .answers = most};
  }
  // With an answer to each ack: what clients call a double ack, or ack-sync.
  Ask settle(std::string& out, std::span<const std::string> taken) override {
    for (const auto& subject : taken) send(out, subject, 's', "+ACK");
    const auto count = static_cast<unsigned>(taken.size());
    return {.kind = Kind::settle, .messages = count, .answers = count};
  }

  Answer read(std::string_view in, std::deque<Ask>& asks, std::string& out) override {
    const auto end = in.find("\r\n");
    if (end == std::string_view::npos) return {};
    const auto line = in.substr(0, end);
    if (line.starts_with("MSG ") || line.starts_with("HMSG ")) return message(in, end, asks);
    Answer answer{.consumed = end + 2};
    if (line == "PING")
      out += "PONG\r\n";
    else if (line == "PONG")
      --asks.front().answers;
    else if (!line.starts_with("INFO "))
      answer.refused = line;
    return answer;
  }

 private:
  void send(std::string& out, std::string_view subject, char kind, std::string_view text) {
    out.append("PUB ").append(subject).append(" ").append(inbox_).append(1, kind).append(" ");
    out.append(std::to_string(text.size())).append("\r\n").append(text).append("\r\n");
  }

  // MSG subject sid [reply] bytes; HMSG has the bytes of its head before those of the whole.
  static Answer message(std::string_view in, std::size_t end, std::deque<Ask>& asks) {
    const auto words = words_of(in.substr(0, end));
    const auto bytes = std::stoul(std::string(words.back()));
    if (in.size() < end + 2 + bytes + 2) return {};
    const auto text = in.substr(end + 2, bytes);
    Answer answer{.consumed = end + 2 + bytes + 2};
    const bool job = words.front() == "MSG" && words.size() == 5;
    const char letter = words[1].back();
    const auto kind = job || letter == 't' ? Kind::take
                      : letter == 'p'      ? Kind::publish
                                           : Kind::settle;
    const auto ask = std::ranges::find(asks, kind, &Ask::kind);
    answer.ask = static_cast<std::size_t>(ask - asks.begin());
    if (ask == asks.end()) {
      answer.refused = "an answer that nobody waits for: " + std::string(text);
    } else if (job) {
      ask->taken.emplace_back(words[3]);
      --ask->answers;
    } else if (kind == Kind::take) {  // a status: no more messages now
      ask->answers = 0;
      if (!text.starts_with("NATS/1.0 404") && !text.starts_with("NATS/1.0 408"))
        answer.refused = text;
    } else {
      --ask->answers;
      if (words.front() == "HMSG" || text.find("\"error\"") != std::string_view::npos)
        answer.refused = text;
    }
    return answer;
  }

  std::string queue_, inbox_;
};

}  // namespace

std::unique_ptr<Dialect> make_nats(const std::string& queue, unsigned connection) {
  return std::make_unique<Nats>(queue, connection);
}

}  // namespace penstock::peers
