#include "protocol/resp/session.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "protocol/resp/command_table.h"
#include "protocol/resp/encode.h"

namespace penstock::protocol::resp {
namespace {

// What a quiet connection may keep of the memory that its largest command used.
constexpr std::size_t kScratchItemsKept = 256;
constexpr std::size_t kScratchBytesKept = 64u << 10;

bool arity_fits(const Command& command, std::size_t words) {
  const auto count = static_cast<std::size_t>(std::abs(command.arity));
  return command.arity < 0 ? words >= count : words == count;
}

}  // namespace

Service::Service(broker::Broker& broker, Settings settings)
    : broker_(broker), settings_(std::move(settings)), started_(broker.now()) {}

Service::~Service() = default;

std::unique_ptr<Conversation> Service::converse(Host& host) {
  return std::make_unique<Session>(*this, host);
}

Session::Session(Service& service, Host& host)
    : service_(service),
      host_(host),
      session_(service.broker_.open_session(*this, broker::Broker::Trust::guest)),
      parser_(service.settings_.limits) {
  identity.client_id = ++service_.last_client_id_;
  identity.connected_at = broker().now();
  service_.sessions_.push_back(this);
  ++service_.statistics_.connections;
  ++service_.statistics_.connections_total;
}

Session::~Session() {
  broker().close_session(session_);
  std::erase(service_.sessions_, this);
  --service_.statistics_.connections;
}

bool Session::wants_input() const {
  return !closing_ && login_ == nullptr && replies_.unanswered() < settings().max_unanswered &&
         replies_.held_bytes() < settings().max_output_bytes;
}

std::size_t Session::receive(ByteView input) {
  using wire::resp::CommandStatus;
  std::size_t consumed = 0;
  while (wants_input()) {
    // What may be refused anyway is not taken in first.
    parser_.set_limits(may_speak() ? settings().limits : wire::resp::Limits::before_login());
    const auto outcome = parser_.parse(input.subspan(consumed));
    if (outcome.status == CommandStatus::error) {
      ++service_.statistics_.protocol_errors;
      answer_error("ERR " + parser_.error());
      close_after_answers();
      break;
    }
    if (outcome.status == CommandStatus::command) execute(parser_.args());
    consumed += outcome.consumed;
    if (outcome.status == CommandStatus::need_more) break;
  }
  // Nothing that comes after the end of the conversation is looked at.
  return closing_ ? input.size() : consumed;
}

void Session::execute(Args args) {
  ++service_.statistics_.commands;
  ++identity.commands;
  const Command* command = find_command(args[0]);
  if (command == nullptr)
    return answer_error("ERR unknown command " + quoted(args[0]) + "; COMMAND LIST names all");
  if (!command->for_everybody && !may_speak())
    return answer_error("NOAUTH Authentication required: AUTH user password");
  identity.last_command = command->name;
  if (!arity_fits(*command, args.size()))
    return answer_error("ERR wrong number of arguments: " + std::string(command->name) + " " +
                        std::string(command->syntax));
  if (const auto done = command->handler(*this, args); !done)
    answer_error(error_text(done.error()));
}

void Session::answer_error(std::string_view text) {
  ++service_.statistics_.errors;
  answer([text](wire::resp::ReplyWriter to) { to.error(text); });
}

broker::Tag Session::ask(Encode encode, std::uint32_t parts) {
  const auto tag = replies_.open();
  Slot* slot = replies_.find(tag);
  slot->encode = encode;
  slot->parts = parts;
  slot->version = version;
  return tag;
}

broker::Tag Session::ask_take(Encode encode) {
  const auto tag = ask(encode);
  replies_.find(tag)->waiting = Waiting::take;
  return tag;
}

broker::Tag Session::ask_task(Encode encode, MessageId task) {
  const auto tag = ask(encode);
  replies_.find(tag)->waiting = Waiting::task;
  replies_.find(tag)->task = task;
  return tag;
}

void Session::on_reply(broker::Tag tag, const broker::Reply& reply) {
  // A TASK.GET whose wait was ended is answered twice by the broker; the first answer counts.
  Slot* slot = replies_.find(tag);
  if (slot == nullptr) return;
  if (const auto* settled = std::get_if<broker::Settled>(&reply)) slot->settled += settled->settled;
  if (--slot->parts > 0) return;
  auto& out = replies_.buffer(tag);
  const auto from = out.size();
  wire::resp::ReplyWriter to(out, slot->version);
  if (const auto* error = std::get_if<Error>(&reply)) {
    to.error(error_text(*error));
  } else if (const auto* refused = std::get_if<broker::Refused>(&reply)) {
    ++service_.statistics_.refusals;
    to.error(refusal_text(*refused));
  } else if (slot->encode == nullptr) {
    out.append(std::exchange(slot->prepared, {}));
  } else {
    slot->encode(to, reply, *slot);
  }
  if (out[from] == '-') ++service_.statistics_.errors;
  replies_.finish(tag);
  host_.wake();
}

bool Session::wants_more(broker::Tag tag) {
  const bool room = replies_.has_room_for(tag, settings().max_output_bytes);
  put_off_ = put_off_ || !room;
  return room;
}

void Session::sent(std::size_t count) {
  replies_.sent(count);
  if (!put_off_ || replies_.output().size() >= settings().max_output_bytes) return;
  put_off_ = false;
  broker().resume(session_);
}

std::size_t Session::release_waits() {
  std::size_t released = 0;
  replies_.for_each([&](broker::Tag tag, Slot& slot) {
    const auto waiting = std::exchange(slot.waiting, Waiting::no);
    if (waiting == Waiting::take) broker().cancel_take(session_, tag);
    if (waiting == Waiting::task) broker().task(session_, tag, slot.task, Time{});
    released += waiting != Waiting::no;
  });
  return released;
}

void Session::close_after_answers() {
  if (closing_) return;
  closing_ = true;
  release_waits();
  host_.wake();
}

Session::Scratch& Session::scratch() {
  if (scratch_.leases.capacity() > kScratchItemsKept ||
      scratch_.messages.capacity() > kScratchItemsKept ||
      scratch_.headers.view().size() > kScratchBytesKept ||
      scratch_.text.capacity() > kScratchBytesKept ||
      scratch_.keys.capacity() > kScratchBytesKept) {
    scratch_ = Scratch{};
  }
  scratch_.leases.clear();
  scratch_.messages.clear();
  scratch_.headers.clear();
  scratch_.text.clear();
  scratch_.keys.clear();
  return scratch_;
}

}  // namespace penstock::protocol::resp
