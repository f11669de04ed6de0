// Conversations in AMQP with a whole broker behind them.
//
// An input that begins as a connection does is given as it is. Any other is what is said on an open
// connection: it is split where frames end, and each part is made a frame again, so that a byte
// more or less in one does not end the conversation. After each heartbeat everybody does what they
// can: so an answer can be reacted to.
#include <fmt/format.h>

#include <vector>

#include "fuzz/support/dialogue.h"
#include "protocol/amqp/service.h"
#include "wire/amqp/content.h"
#include "wire/amqp/method.h"

namespace penstock::fuzz {
namespace {

namespace wa = wire::amqp;
using protocol::amqp::Service;
using protocol::amqp::Settings;
using Amqp = Server<Service, Settings>;

constexpr char kFrameEnd = '\xce';
constexpr std::size_t kHeadBytes = 7;
constexpr std::uint16_t kChannels = 3;

std::string hello() {
  std::string out(wa::kProtocolHeader);
  wa::ConnectionStartOk start;
  start.mechanism = "PLAIN";
  start.response = std::string_view("\0guest\0guest", 12);
  start.locale = "en_US";
  wa::encode_method(out, 0, start);
  wa::ConnectionTuneOk tune;
  tune.heartbeat = 60;
  wa::encode_method(out, 0, tune);
  wa::ConnectionOpen open;
  open.virtual_host = "/";
  wa::encode_method(out, 0, open);
  wa::encode_method(out, 1, wa::ChannelOpen{});
  return out;
}

// Type and channel of each part are taken from where a frame has them.
std::string reframed(std::string_view text) {
  std::string out = hello();
  while (!text.empty()) {
    const auto end = text.find(kFrameEnd);
    const auto part = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (part.size() < kHeadBytes) continue;
    const auto payload = part.substr(kHeadBytes);
    out.push_back(part[0]);
    out.push_back('\0');
    out.push_back(static_cast<char>(static_cast<unsigned char>(part[2]) % kChannels));
    for (const unsigned shift : {24u, 16u, 8u, 0u})
      out.push_back(static_cast<char>(payload.size() >> shift));
    out.append(payload).push_back(kFrameEnd);
  }
  return out;
}

std::vector<ByteView> steps_of(std::string_view text) {
  std::string heartbeat;
  wa::write_heartbeat(heartbeat);
  std::vector<ByteView> steps;
  while (!text.empty()) {
    const auto found = text.find(heartbeat);
    const auto size = found == std::string_view::npos ? text.size() : found + heartbeat.size();
    steps.push_back(as_bytes(text.substr(0, size)));
    text.remove_prefix(size);
  }
  return steps;
}

// What the server says is whole frames of methods that it may send, and contents as long as they
// are announced. How many methods of one name there are.
std::size_t check_frames(std::string_view said, std::string_view name = {}) {
  std::size_t count = 0;
  std::uint64_t body_left = 0;
  for (auto rest = as_bytes(said); !rest.empty();) {
    if (as_text(rest) == wa::kProtocolHeader) break;  // to who speaks another protocol
    const auto read = wa::read_frame(rest, 0);
    CHECK(read.status == wa::ReadFrame::Status::frame);
    rest = rest.subspan(read.consumed);
    const auto& frame = read.frame;
    CHECK((body_left > 0) == (frame.type == wa::FrameType::body));
    if (frame.type == wa::FrameType::body) {
      CHECK(frame.payload.size() <= body_left);
      body_left -= frame.payload.size();
    } else if (frame.type == wa::FrameType::header) {
      const auto header = wa::decode_content_header(frame.payload);
      CHECK(header);
      body_left = header->body_bytes;
    } else if (frame.type == wa::FrameType::method) {
      const auto method = wa::decode_method(frame.payload);
      CHECK(method);
      if (wa::method_name(*wa::read_method_id(frame.payload)) == name) ++count;
      if (const auto* close = std::get_if<wa::ConnectionClose>(&*method))
        check_line(close->reply_text);
      if (const auto* close = std::get_if<wa::ChannelClose>(&*method))
        check_line(close->reply_text);
    }
  }
  CHECK(body_left == 0);
  return count;
}

// Whatever one client did, nothing of it is left, and the next one is served.
void check_aftermath(Amqp& server) {
  server.broker->settle_down();
  const auto left = server.broker->statistics();
  CHECK(left.sessions == 0 && left.waiting_takes == 0 && left.replies_waiting == 0);
  CHECK(server.service->statistics().connections == 0);
  CHECK(server.service->statistics().channels == 0);
  std::string all = hello();
  wa::QueueDeclare own;
  own.exclusive = true;
  wa::encode_method(all, 1, own);
  wa::encode_method(all, 1, wa::ConfirmSelect{});
  wa::encode_method(all, 1, wa::BasicPublish{});  // to no queue
  wa::write_content_header(all, 1, 0, wa::Properties{});
  wa::encode_method(all, 1, wa::BasicGet{});
  const auto input = as_bytes(all);
  const auto said = converse(server, input, nullptr);
  CHECK(check_frames(said, "queue.declare-ok") == 1);
  CHECK(check_frames(said, "basic.ack") == 1);
  CHECK(check_frames(said, "basic.get-empty") == 1);
}

std::string run(std::string_view text, Cuts* cuts) {
  Settings settings;
  settings.max_message_bytes = 4u << 10;
  settings.max_transaction_bytes = 4u << 10;
  settings.max_held_bytes = 8u << 10;
  settings.max_output_bytes = 16u << 10;
  settings.max_unanswered = 16;
  settings.max_consumers_per_channel = 4;
  broker::Options options;
  options.fields = &protocol::amqp::field_reader();
  options.max_transient_bytes = 16u << 10;
  Amqp server(settings, options);
  auto said = converse(server, steps_of(text), cuts);
  check_frames(said);
  check_aftermath(server);
  server.broker->close();
  return said;
}

}  // namespace

void fuzz_one(ByteView input) {
  const auto text =
      as_text(input).starts_with("AMQP") ? std::string(as_text(input)) : reframed(as_text(input));
  const auto whole = run(text, nullptr);
  Cuts cuts(input);
  CHECK(run(text, &cuts) == whole);
}

}  // namespace penstock::fuzz
