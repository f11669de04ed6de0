// Over HTTP, with a plain socket and no code of ours but the JSON reader.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/text.h"
#include "test/crash/front.h"
#include "test/crash/socket.h"
#include "wire/json/json.h"

namespace penstock::crash {
namespace {

using std::chrono::milliseconds;
namespace json = boost::json;

struct Response {
  int status = 0;  // 0 = the connection broke
  std::string body;
};

// One connection, made when it is needed and dropped when it breaks.
class Connection {
 public:
  explicit Connection(std::uint16_t port) : port_(port) {}

  [[nodiscard]] Response post(std::string_view path, std::string_view fields,
                              std::string_view body) {
    const std::string request =
        fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: {}\r\n\r\n{}", path,
                    fields, body.size(), body);
    Response response;
    if ((!socket_.is_open() && !socket_.connect(port_)) || !socket_.send(request) ||
        !read(response)) {
      socket_.close();
      return {};
    }
    return response;
  }

 private:
  bool read(Response& response) {
    std::string& received = socket_.received;
    std::size_t end = 0;
    while ((end = received.find("\r\n\r\n")) == std::string::npos)
      if (!socket_.receive()) return false;
    const std::string head = ascii_lowered(received.substr(0, end));
    constexpr std::string_view kLength = "content-length: ";
    const auto at = head.find(kLength);
    const std::size_t length =
        at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + kLength.size(), nullptr, 10);
    while (received.size() < end + 4 + length)
      if (!socket_.receive()) return false;
    response.status = static_cast<int>(std::strtol(head.c_str() + 9, nullptr, 10));
    response.body = received.substr(end + 4, length);
    received.erase(0, end + 4 + length);
    return true;
  }

  std::uint16_t port_;
  Socket socket_;
};

std::uint64_t number_of(const json::value& text) {
  return std::strtoull(text.as_string().c_str(), nullptr, 10);
}

class HttpFront : public Front {
 public:
  HttpFront(std::uint16_t port, Lives& lives)
      : lives_(lives), life_(lives.current()), connection_(port) {}

  [[nodiscard]] std::size_t largest_batch(bool task) const override { return task ? 1 : 50; }

  [[nodiscard]] Answer publish(const Offer& offer) override {
    std::string fields = fmt::format("Penstock-Priority: {}\r\n", offer.priority);
    if (!offer.key.empty()) fields += fmt::format("Idempotency-Key: {}\r\n", offer.key);
    if (offer.delay.count() > 0)
      fields += fmt::format("Penstock-Delay: {}ms\r\n", offer.delay.count());
    if (offer.task) {
      const auto body = fmt::format(R"({{"args":{},"options":{{"queue":"{}","result_ttl":"1h"}}}})",
                                    arguments_of(offer.bodies[0]), kTasks);
      return published(post("/v1/tasks/work", fields, body));
    }
    const auto path = fmt::format("/v1/queues/{}/messages", kMessages);
    if (offer.bodies.size() == 1) return published(post(path, fields, offer.bodies[0]));
    std::string lines;
    for (const auto& body : offer.bodies) lines += fmt::format("{{\"body\":\"{}\"}}\n", body);
    return published(post(path, fields + "Content-Type: application/x-ndjson\r\n", lines));
  }

  [[nodiscard]] Haul take(bool task, std::uint32_t max, milliseconds wait) override {
    const auto response = post(fmt::format("/v1/queues/{}/lease", task ? kTasks : kMessages), "",
                               fmt::format(R"({{"max":{},"wait":"{}ms"}})", max, wait.count()));
    if (response.status == 0) return {};
    const auto value = wire::json::parse(response.body, {.max_bytes = 64u << 20});
    if (response.status != 200 || !value) return {Outcome::no, {}, unexpected(response).trouble};
    Haul haul{Outcome::yes};
    for (const auto& message : value->at("messages").as_array()) {
      const std::string body(message.at("body").as_string());
      haul.taken.push_back({number_of(message.at("id")),
                            std::string(message.at("lease").as_string()),
                            task ? body_in(body) : body});
    }
    return haul;
  }

  [[nodiscard]] std::size_t largest_ack() const override { return 1; }
  [[nodiscard]] Answer ack(const std::vector<std::string_view>& leases) override {
    return settle(leases[0], "ack", "");
  }
  [[nodiscard]] Answer done(std::string_view lease, std::string_view result) override {
    return settle(lease, "ack", fmt::format(R"({{"result":{}}})", result));
  }
  [[nodiscard]] Answer retry(bool, std::string_view lease, milliseconds delay) override {
    return settle(lease, "nack", fmt::format(R"({{"delay":"{}ms"}})", delay.count()));
  }

  void recover() override {
    lives_.wait_for_other_than(life_);
    life_ = lives_.current();
  }

 private:
  [[nodiscard]] Response post(std::string_view path, std::string_view fields,
                              std::string_view body) {
    life_ = lives_.current();
    return connection_.post(path, fields, body);
  }
  [[nodiscard]] Answer settle(std::string_view lease, std::string_view how, std::string_view body) {
    const auto response = post(fmt::format("/v1/leases/{}/{}", lease, how), "", body);
    if (response.status == 0) return {Outcome::unknown};
    if (response.status == 200) return {Outcome::yes};
    if (response.status == 410) return {Outcome::no};
    return unexpected(response);
  }
  static Answer unexpected(const Response& response) {
    return {Outcome::no, {}, fmt::format("HTTP answered {}: {}", response.status, response.body)};
  }
  static Answer published(const Response& response) {
    if (response.status == 0) return {Outcome::unknown};
    if (response.status == 503) return {Outcome::no, {}, {}, "503 " + response.body};
    const auto value = wire::json::parse(response.body);
    if (response.status != 202 || !value) return unexpected(response);
    Answer answer{Outcome::yes};
    const auto& fields = value->as_object();
    if (const auto* id = fields.if_contains("id")) answer.ids.push_back(number_of(*id));
    if (const auto* ids = fields.if_contains("ids"))
      for (const auto& id : ids->as_array()) answer.ids.push_back(number_of(id));
    return answer;
  }

  Lives& lives_;
  std::uint64_t life_;
  Connection connection_;
};

}  // namespace

std::unique_ptr<Front> http_front(std::uint16_t port, Lives& lives) {
  return std::make_unique<HttpFront>(port, lives);
}

std::string arguments_of(std::string_view body) {
  return fmt::format("[\"{}\"]", body);
}

std::string body_in(std::string_view payload) {
  const auto value = wire::json::parse(payload);
  if (!value || !value->is_object()) return "no JSON: " + std::string(payload.substr(0, 60));
  const auto* args = value->as_object().if_contains("args");
  if (args == nullptr || !args->is_array() || args->as_array().size() != 1 ||
      !args->as_array()[0].is_string())
    return "no arguments: " + std::string(payload.substr(0, 60));
  return std::string(args->as_array()[0].as_string());
}

}  // namespace penstock::crash
