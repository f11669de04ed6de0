// Over AMQP: confirms for single messages, transactions for batches, and settles that are
// committed, because an ack on its own is not answered.
#include <fmt/format.h>

#include <charconv>
#include <deque>
#include <optional>
#include <utility>

#include "base/check.h"
#include "test/crash/front.h"
#include "test/crash/socket.h"
#include "wire/amqp/content.h"
#include "wire/amqp/method.h"
#include "wire/amqp/table_writer.h"

namespace penstock::crash {
namespace {

using std::chrono::milliseconds;
namespace wa = wire::amqp;

constexpr std::size_t kFrameMax = 131'072;
// Of the two channels of a connection: one publishes with confirms, one has transactions.
constexpr std::uint16_t kConfirms = 1;
constexpr std::uint16_t kTransactions = 2;

// What the server says: a method, and the body that belongs to it.
struct Event {
  wa::Method method;
  std::string body;
};

class Connection {
 public:
  explicit Connection(std::uint16_t port) : port_(port) {}

  // True when there is a connection, new or old. Each one has a number.
  [[nodiscard]] bool ready() {
    if (socket_.is_open()) return true;
    ++number_;
    return socket_.connect(port_) && shake_hands();
  }
  [[nodiscard]] std::uint64_t number() const { return number_; }
  void drop() { socket_.close(); }

  template <class Method>
  Connection& add(std::uint16_t channel, const Method& method) {
    wa::encode_method(out_, channel, method);
    return *this;
  }
  void add_content(std::uint16_t channel, const wa::Properties& properties, std::string_view body) {
    wa::write_content_header(out_, channel, body.size(), properties);
    wa::write_body(out_, channel, as_bytes(body), kFrameMax);
  }
  // Sends what was added, and gives the next thing that the server says; nothing when the
  // connection broke.
  [[nodiscard]] std::optional<Event> next() {
    if (!socket_.send(std::exchange(out_, {}))) return std::nullopt;
    held_.clear();
    auto event = read();
    // What was handed out before is not needed any more: views into it end here.
    return event;
  }
  // The same, if it is this method: anything else is `trouble`, and the end of the connection.
  template <class Method>
  [[nodiscard]] bool expect(std::string& trouble) {
    const auto event = next();
    if (!event) return false;
    if (std::holds_alternative<Method>(event->method)) return true;
    trouble = "AMQP answered " + named(*event);
    drop();
    return false;
  }
  [[nodiscard]] static std::string named(const Event& event) {
    return std::visit(
        []<class Method>(const Method& method) {
          if constexpr (std::is_same_v<Method, wa::ChannelClose> ||
                        std::is_same_v<Method, wa::ConnectionClose>)
            return fmt::format("{} {}", Method::kName, method.reply_text);
          return std::string(Method::kName);
        },
        event.method);
  }

 private:
  bool shake_hands() {
    std::string trouble;
    out_ = wa::kProtocolHeader;
    if (!expect<wa::ConnectionStart>(trouble)) return false;
    wa::ConnectionStartOk login;
    login.mechanism = "PLAIN";
    login.response = std::string_view("\0guest\0guest", 12);
    login.locale = "en_US";
    if (!add(0, login).expect<wa::ConnectionTune>(trouble)) return false;
    add(0, wa::ConnectionTuneOk{0, kFrameMax, 0});
    wa::ConnectionOpen open;
    open.virtual_host = "/";
    if (!add(0, open).expect<wa::ConnectionOpenOk>(trouble)) return false;
    for (const auto channel : {kConfirms, kTransactions})
      if (!add(channel, wa::ChannelOpen{}).expect<wa::ChannelOpenOk>(trouble)) return false;
    return add(kConfirms, wa::ConfirmSelect{}).expect<wa::ConfirmSelectOk>(trouble) &&
           add(kTransactions, wa::TxSelect{}).expect<wa::TxSelectOk>(trouble);
  }

  // A frame's payload, kept until the next event.
  std::optional<wa::Frame> frame() {
    for (;;) {
      const auto read = wa::read_frame(as_bytes(socket_.received), kFrameMax);
      CHECK(read.status != wa::ReadFrame::Status::error);
      if (read.status == wa::ReadFrame::Status::frame) {
        auto frame = read.frame;
        frame.payload = as_bytes(held_.emplace_back(as_text(frame.payload)));
        socket_.received.erase(0, read.consumed);
        if (frame.type != wa::FrameType::heartbeat) return frame;
      } else if (!socket_.receive()) {
        return std::nullopt;
      }
    }
  }
  std::optional<Event> read() {
    const auto first = frame();
    if (!first) return std::nullopt;
    auto method = wa::decode_method(first->payload);
    CHECK(method.has_value());
    Event event{*method, {}};
    const bool has_content = std::holds_alternative<wa::BasicGetOk>(event.method) ||
                             std::holds_alternative<wa::BasicReturn>(event.method);
    if (!has_content) return event;
    const auto header = frame();
    if (!header) return std::nullopt;
    const auto content = wa::decode_content_header(header->payload);
    CHECK(content.has_value());
    while (event.body.size() < content->body_bytes) {
      const auto body = frame();
      if (!body) return std::nullopt;
      event.body += as_text(body->payload);
    }
    return event;
  }

  std::uint16_t port_;
  std::uint64_t number_ = 0;
  Socket socket_;
  std::string out_;
  std::deque<std::string> held_;
};

class AmqpFront : public Front {
 public:
  AmqpFront(std::uint16_t port, Lives& lives)
      : lives_(lives), life_(lives.current()), connection_(port) {}

  [[nodiscard]] std::size_t largest_batch(bool) const override { return 20; }

  [[nodiscard]] Answer publish(const Offer& offer) override {
    if (!begin()) return {};
    const bool batch = offer.bodies.size() > 1;
    const auto channel = batch ? kTransactions : kConfirms;
    for (std::size_t at = 0; at < offer.bodies.size(); ++at) add_publish(channel, offer, at);
    if (batch) connection_.add(channel, wa::TxCommit{});
    const auto event = connection_.next();
    if (!event) return {};
    if (std::holds_alternative<wa::BasicAck>(event->method) ||
        std::holds_alternative<wa::TxCommitOk>(event->method))
      return {Outcome::yes};
    if (std::holds_alternative<wa::BasicNack>(event->method))
      return {Outcome::no, {}, {}, "basic.nack"};
    const auto* close = std::get_if<wa::ChannelClose>(&event->method);
    Answer answer{Outcome::no};
    if (close != nullptr && close->reply_code == wa::ReplyCode::resource_error)
      answer.refusal = close->reply_text;
    else
      answer.trouble = "a publish was answered by " + Connection::named(*event);
    connection_.drop();
    return answer;
  }

  [[nodiscard]] Haul take(bool, std::uint32_t max, milliseconds) override {
    if (!begin()) return {};
    // What was forgotten goes to others, as a lease that ran out would.
    for (const auto tag : held_) connection_.add(kTransactions, wa::BasicNack{tag, false, true});
    held_.clear();
    Haul haul{Outcome::yes};
    if (!connection_.add(kTransactions, wa::TxCommit{}).expect<wa::TxCommitOk>(haul.trouble))
      return {Outcome::unknown, {}, haul.trouble};
    wa::BasicGet get;
    get.queue = kMessages;
    while (haul.taken.size() < max) {
      auto event = connection_.add(kTransactions, get).next();
      if (!event) return {};
      const auto* got = std::get_if<wa::BasicGetOk>(&event->method);
      if (got == nullptr) break;
      held_.push_back(got->delivery_tag);
      haul.taken.push_back(
          {0, fmt::format("{}/{}", connection_.number(), got->delivery_tag), event->body});
    }
    return haul;
  }

  [[nodiscard]] std::size_t largest_ack() const override { return 20; }
  [[nodiscard]] Answer ack(const std::vector<std::string_view>& leases) override {
    return settle(leases, [](std::uint64_t tag) { return wa::BasicAck{tag, false}; });
  }
  [[nodiscard]] Answer done(std::string_view, std::string_view) override {
    return {Outcome::no, {}, "AMQP knows no tasks"};
  }
  [[nodiscard]] Answer retry(bool, std::string_view lease, milliseconds) override {
    return settle({lease}, [](std::uint64_t tag) { return wa::BasicNack{tag, false, true}; });
  }

  void recover() override {
    lives_.wait_for_other_than(life_);
    life_ = lives_.current();
  }

 private:
  bool begin() {
    life_ = lives_.current();
    const auto before = connection_.number();
    if (!connection_.ready()) return connection_.drop(), false;
    if (connection_.number() != before) held_.clear();
    return true;
  }

  void add_publish(std::uint16_t channel, const Offer& offer, std::size_t at) {
    wa::BasicPublish method;
    method.routing_key = kMessages;
    method.mandatory = true;
    std::string bytes;
    wa::TableWriter headers(bytes);
    wa::Properties properties;
    if (offer.delay.count() > 0) headers.add("x-delay", std::int64_t{offer.delay.count()});
    properties.headers = headers.view();
    properties.delivery_mode = std::uint8_t{2};
    properties.priority = static_cast<std::uint8_t>(offer.priority);
    const auto key = fmt::format("{}/{}", offer.key, at);
    if (!offer.key.empty()) properties.message_id = key;
    connection_.add(channel, method).add_content(channel, properties, offer.bodies[at]);
  }

  template <class Make>
  Answer settle(const std::vector<std::string_view>& leases, Make make) {
    if (!begin()) return {};
    for (const auto lease : leases) {
      std::uint64_t connection = 0, tag = 0;
      const auto* end = lease.data() + lease.size();
      const auto [slash, error] = std::from_chars(lease.data(), end, connection);
      std::from_chars(slash + 1, end, tag);
      // Its connection is gone, and the delivery somebody else's.
      if (connection != connection_.number()) return {Outcome::no};
      std::erase(held_, tag);
      connection_.add(kTransactions, make(tag));
    }
    Answer answer{Outcome::yes};
    if (!connection_.add(kTransactions, wa::TxCommit{}).expect<wa::TxCommitOk>(answer.trouble))
      answer.outcome = Outcome::unknown;
    return answer;
  }

  Lives& lives_;
  std::uint64_t life_;
  Connection connection_;
  std::vector<std::uint64_t> held_;  // taken and not settled, of this connection
};

}  // namespace

std::unique_ptr<Front> amqp_front(std::uint16_t port, Lives& lives) {
  return std::make_unique<AmqpFront>(port, lives);
}

}  // namespace penstock::crash
