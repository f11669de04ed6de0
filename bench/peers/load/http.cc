// Penstock over HTTP, as curl would speak to it: a request, its answer, the next request.
#include <algorithm>

#include "bench/peers/load/dialect.h"

namespace penstock::peers {
namespace {

class Http final : public Dialect {
 public:
  explicit Http(std::string queue) : queue_(std::move(queue)) {}

  Ask hello(std::string& out) override {
    out += "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    return {.kind = Kind::hello};
  }
  Ask publish(std::string& out, unsigned messages) override {
    std::string body;
    for (unsigned n = 0; n < messages; ++n) {
      if (messages > 1) body += "{\"body\":\"";
      append_body(body);
      if (messages > 1) body += "\"}\n";
    }
    post(out, "queues/" + queue_ + "/messages",
         messages > 1 ? "application/x-ndjson" : "application/octet-stream", body);
    return {.kind = Kind::publish, .messages = messages};
  }
  Ask take(std::string& out, unsigned most, bool wait) override {
    post(out, "queues/" + queue_ + "/lease", "application/json",
         "{\"max\":" + std::to_string(most) + (wait ? ",\"wait\":\"10s\"}" : "}"));
    return {.kind = Kind::take, .messages = most};
  }
  Ask settle(std::string& out, std::span<const std::string> taken) override {
    for (const auto& lease : taken) post(out, "leases/" + lease + "/ack", "application/json", "{}");
    const auto count = static_cast<unsigned>(taken.size());
    return {.kind = Kind::settle, .messages = count, .answers = count};
  }

  Answer read(std::string_view in, std::deque<Ask>& asks, std::string&) override {
    const auto end = in.find("\r\n\r\n");
    if (end == std::string_view::npos) return {};
    const auto head = in.substr(0, end);
    constexpr std::string_view kLength = "Content-Length: ";
    const auto length = head.find(kLength);
    const auto bytes = length == std::string_view::npos
                           ? 0
                           : std::stoul(std::string(head.substr(length + kLength.size(), 12)));
    if (in.size() < end + 4 + bytes) return {};
    Answer answer{.consumed = end + 4 + bytes};
    auto& ask = asks.front();
    --ask.answers;
    auto text = in.substr(end + 4, bytes);
    if (head.substr(9, 3) != (ask.kind == Kind::publish ? "202" : "200")) {
      answer.refused = in.substr(0, std::min<std::size_t>(answer.consumed, 300));
    } else if (ask.kind == Kind::take) {
      constexpr std::string_view kLease = "\"lease\":\"";
      for (auto at = text.find(kLease); at != std::string_view::npos; at = text.find(kLease)) {
        text.remove_prefix(at + kLease.size());
        ask.taken.emplace_back(text.substr(0, text.find('"')));
      }
    }
    return answer;
  }

 private:
  static void post(std::string& out, std::string_view path, std::string_view type,
                   std::string_view body) {
    out.append("POST /v1/").append(path).append(" HTTP/1.1\r\nHost: localhost\r\nContent-Type: ");
    out.append(type).append("\r\nContent-Length: ").append(std::to_string(body.size()));
    out.append("\r\n\r\n").append(body);
  }

  std::string queue_;
};

}  // namespace

std::unique_ptr<Dialect> make_http(const std::string& queue) {
  return std::make_unique<Http>(queue);
}

}  // namespace penstock::peers
