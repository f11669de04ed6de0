// A broker on a disk in memory, and clients that talk AMQP to it without a socket.
//
// What a client sends is written with the codec; what it hears is told as lines:
//
//   "1 basic.deliver(tag,1,false,,q)"  "1 header 5 {}"  "1 body hello"  "0 heartbeat"
//
// where the fields of a method are in the order of the specification, and a body is one line
// however many frames it came in.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/broker.h"
#include "os/memory_directory.h"
#include "protocol/amqp/service.h"
#include "test/protocol/peer.h"
#include "wire/amqp/content.h"
#include "wire/amqp/method.h"
#include "wire/amqp/table_json.h"
#include "wire/amqp/table_writer.h"

namespace penstock::protocol::amqp {

namespace wa = wire::amqp;
using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

// ---- what a client says

template <class Method>
std::string method(std::uint16_t channel, const Method& one) {
  std::string bytes;
  wa::encode_method(bytes, channel, one);
  return bytes;
}

struct Publish {
  std::string_view key, body;
  std::string_view exchange{};
  bool mandatory = false;
  wa::Properties properties{};
};
inline std::string publish(const Publish& message, std::uint16_t channel = 1,
                           std::size_t frame_max = wa::kFrameBytesMin) {
  wa::BasicPublish one;
  one.exchange = message.exchange;
  one.routing_key = message.key;
  one.mandatory = message.mandatory;
  auto bytes = method(channel, one);
  wa::write_content_header(bytes, channel, message.body.size(), message.properties);
  wa::write_body(bytes, channel, as_bytes(message.body), frame_max);
  return bytes;
}

inline std::string declare(std::string_view queue, std::string_view arguments = {},
                           bool durable = true) {
  wa::QueueDeclare one;
  one.queue = queue;
  one.durable = durable;
  one.arguments = wa::TableView::trusted(as_bytes(arguments));
  return method(1, one);
}
inline std::string consume(std::string_view queue, bool no_ack = false) {
  wa::BasicConsume one;
  one.queue = queue;
  one.consumer_tag = "t";
  one.no_ack = no_ack;
  return method(1, one);
}
inline std::string get(std::string_view queue, bool no_ack = false) {
  wa::BasicGet one;
  one.queue = queue;
  one.no_ack = no_ack;
  return method(1, one);
}
inline std::string ack(std::uint64_t tag, bool multiple = false) {
  wa::BasicAck one;
  one.delivery_tag = tag;
  one.multiple = multiple;
  return method(1, one);
}
inline std::string qos(std::uint16_t count, bool global = false) {
  wa::BasicQos one;
  one.prefetch_count = count;
  one.global = global;
  return method(1, one);
}
inline std::string confirms() {
  return method(1, wa::ConfirmSelect{});
}

struct Login {
  std::string_view user = "guest", password = "guest", vhost = "/";
  std::uint16_t heartbeat = 0;
  bool blocked = false;  // wants to be told
};
inline std::string start_ok(const Login& login = {}) {
  std::string table;
  wa::TableWriter properties(table);
  {
    auto capabilities = properties.table("capabilities");
    capabilities.add("authentication_failure_close", true);
    if (login.blocked) capabilities.add("connection.blocked", true);
  }
  const auto response = fmt::format("{0}{1}{0}{2}", '\0', login.user, login.password);
  wa::ConnectionStartOk one;
  one.client_properties = properties.view();
  one.mechanism = "PLAIN";
  one.response = std::string_view(response);
  one.locale = "en_US";
  return method(0, one);
}
inline std::string tune_ok(const Login& login = {}) {
  wa::ConnectionTuneOk one;
  one.channel_max = 100;
  one.frame_max = 131'072;
  one.heartbeat = login.heartbeat;
  return method(0, one);
}
inline std::string open_host(const Login& login = {}) {
  wa::ConnectionOpen one;
  one.virtual_host = login.vhost;
  return method(0, one);
}
// All of it at once, and channel 1.
inline std::string hello(const Login& login = {}) {
  return std::string(wa::kProtocolHeader) + start_ok(login) + tune_ok(login) + open_host(login) +
         method(1, wa::ChannelOpen{});
}

// ---- what it hears

inline std::string shown(std::string_view text) {
  return std::string(text);
}
inline std::string shown(bool value) {
  return value ? "true" : "false";
}
inline std::string shown(const wa::TableView& table) {
  return wa::to_json(table);
}
inline std::string shown(const wa::LongString& text) {
  return std::string(static_cast<std::string_view>(text));
}
template <class Number>
requires(std::integral<Number> || std::is_enum_v<Number>) std::string shown(Number number) {
  return std::to_string(static_cast<std::uint64_t>(number));
}

inline std::string line_of(const wa::Method& method) {
  return std::visit(
      [](const auto& one) {
        std::string line = std::string(one.kName) + "(";
        std::apply(
            [&](const auto&... field) {
              std::size_t number = 0;
              ((line += (number++ == 0 ? "" : ",") + shown(field)), ...);
            },
            one.fields());
        return line + ")";
      },
      method);
}

inline std::string line_of(const wa::ContentHeader& header) {
  const auto& properties = header.properties;
  std::string line = fmt::format("header {}", header.body_bytes);
  if (properties.headers) line += " " + wa::to_json(*properties.headers);
  if (properties.message_id) line += fmt::format(" message_id={}", *properties.message_id);
  if (properties.reply_to) line += fmt::format(" reply_to={}", *properties.reply_to);
  return line;
}

// Bytes that are no whole frames fail the test.
inline Lines lines_of(std::string_view bytes) {
  Lines lines;
  auto rest = as_bytes(bytes);
  std::string body;  // the beginning of the line that bodies are added to
  while (!rest.empty()) {
    const auto read = wa::read_frame(rest, 0);
    if (read.status != wa::ReadFrame::Status::frame) {
      ADD_FAILURE() << "no frame: " << as_text(rest).substr(0, 100);
      break;
    }
    rest = rest.subspan(read.consumed);
    const auto& frame = read.frame;
    const auto at = std::to_string(frame.channel) + " ";
    if (frame.type == wa::FrameType::body) {
      if (body.empty()) lines.push_back(body = at + "body ");
      lines.back().append(as_text(frame.payload));
      continue;
    }
    body.clear();
    if (frame.type == wa::FrameType::heartbeat) {
      lines.push_back(at + "heartbeat");
    } else if (frame.type == wa::FrameType::header) {
      const auto header = wa::decode_content_header(frame.payload);
      lines.push_back(at + (header ? line_of(*header) : header.error().text));
    } else {
      const auto method = wa::decode_method(frame.payload);
      lines.push_back(at + (method ? line_of(*method) : method.error().text));
    }
  }
  return lines;
}
inline std::size_t count_of(const Lines& lines, std::string_view part) {
  return static_cast<std::size_t>(std::ranges::count_if(
      lines, [&](const auto& line) { return line.find(part) != std::string::npos; }));
}
inline Lines only(const Lines& lines, std::string_view part) {
  Lines some;
  for (const auto& line : lines)
    if (line.find(part) != std::string::npos) some.push_back(line);
  return some;
}

// ---- the world

struct World {
  explicit World(Settings of_service = {}) : settings(std::move(of_service)) {
    options.journal.segment_bytes = 1u << 20;
    options.journal.spare_segments = 0;
    options.journal.reserve_bytes = 0;
    options.journal.clock = &clock;
    options.max_message_bytes = 256u << 10;
    options.fields = &field_reader();
    open();
  }
  // A disk of so many bytes, with what is kept back for settles.
  explicit World(std::uint64_t capacity_bytes) : World() {
    close();
    directory.restore({});
    directory.set_capacity(capacity_bytes);
    options.journal.segment_bytes = options.journal.reserve_bytes = 64u << 10;
    open();
    prepare();
  }
  void open() {
    auto opened = broker::Broker::open(directory, clock, random, options);
    if (!opened) throw std::runtime_error(opened.error().message);
    broker = std::move(*opened);
    service = std::make_unique<Service>(*broker, random, settings);
  }
  // No client may be there any more.
  void close() {
    service.reset();
    broker.reset();
  }
  // As the thread that has nothing else to do.
  void prepare() {
    while (broker->prepare().value()) {
    }
  }

  Settings settings;
  broker::Options options;
  ManualClock clock;
  CountingRandom random;
  MemoryDirectory directory;
  std::unique_ptr<broker::Broker> broker;
  std::unique_ptr<Service> service;
};

class Client : public Peer {
 public:
  explicit Client(World& world) : Peer(*world.service), world_(world) {}

  // What comes back for these bytes now.
  Lines say(std::string_view bytes = {}) {
    give(bytes);
    return hear();
  }
  // Everybody does what they can do now; the output is read.
  Lines hear() {
    const auto begin = heard_.size();
    for (int before = -1; before != wakes;) {
      before = wakes;
      world_.broker->settle_down();
      feed();
      heard_ += take_output();
    }
    return lines_of(std::string_view(heard_).substr(begin));
  }
  // All that came out up to now, ever.
  [[nodiscard]] Lines heard() {
    heard_ += take_output();
    return lines_of(heard_);
  }
  Lines log_in(const Login& login = {}) { return say(hello(login)); }

 private:
  World& world_;
  std::string heard_;
};

class AmqpTest : public testing::Test {
 protected:
  void open(Settings settings = {}) { world_ = std::make_unique<World>(std::move(settings)); }
  // Time goes by, and each of them is told when it wished to be.
  void pass(Duration time, std::initializer_list<Client*> clients) {
    world_->clock.pass(time);
    for (auto* client : clients) client->on_time(world_->clock.now());
    world_->broker->settle_down();
  }
  [[nodiscard]] std::uint64_t messages() const { return world_->broker->statistics().messages; }

  std::unique_ptr<World> world_ = std::make_unique<World>();
};

// Arguments of a declaration.
template <class... Pairs>
std::string table(const Pairs&... pairs) {
  std::string bytes;
  wa::TableWriter writer(bytes);
  (writer.add(pairs.first, pairs.second), ...);
  return bytes;
}
inline std::pair<std::string_view, wa::Value> with(std::string_view name, std::int64_t value) {
  return {name, value};
}
inline std::pair<std::string_view, wa::Value> with(std::string_view name, std::string_view value) {
  return {name, value};
}

}  // namespace penstock::protocol::amqp
