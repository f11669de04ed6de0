#include "penstock/message.hpp"

#include "base/headers.h"
#include "task/failure.h"
#include "task/message_state.h"

namespace penstock {
namespace {

constexpr const char* kLost = "the message's lease is lost: it ran out, or was settled before";

}  // namespace

void detail::MessageState::settle(Settlement settlement) {
  if (settled) throw LeaseLost(kLost);
  settlement.lease = delivery->lease;
  settled = true;
  const auto late = value_or_throw(core->receiver().settle(std::span(&settlement, 1)));
  if (settlement.refused) {
    settled = false;
    throw_error(*settlement.refused);
  }
  if (late > 0) throw LeaseLost(kLost);
}

Message::Message(std::unique_ptr<detail::MessageState> state) : state_(std::move(state)) {}
Message::Message(Message&&) noexcept = default;

Message& Message::operator=(Message&& other) noexcept {
  std::swap(state_, other.state_);  // what we held is settled by the other's destructor
  return *this;
}

Message::~Message() {
  if (state_ == nullptr || state_->settled || state_->core->closed()) return;
  detail::Settlement settlement{.lease = state_->delivery->lease,
                                .outcome = engine::Outcome::give_back};
  // If that fails, the lease has run out or will: the message comes back in any case.
  (void)state_->core->receiver().settle(std::span(&settlement, 1));
}

std::uint64_t Message::id() const {
  return state_->delivery->id.value;
}
std::string_view Message::body() const {
  return as_text(state_->delivery->body);
}
std::string_view Message::queue() const {
  return state_->delivery->queue;
}
std::uint32_t Message::attempts() const {
  return state_->delivery->attempts;
}
std::uint8_t Message::priority() const {
  return state_->delivery->priority;
}
std::string_view Message::group() const {
  return state_->delivery->group;
}
TimePoint Message::enqueued_at() const {
  return detail::to_time_point(state_->delivery->enqueued_at);
}
TimePoint Message::deadline() const {
  return detail::to_time_point(state_->deadline);
}
Headers Message::headers() const {
  return detail::headers_of(state_->delivery->headers);
}
bool Message::settled() const {
  return state_->settled;
}

std::optional<std::string> Message::header(std::string_view name) const {
  const auto found = find_header(state_->delivery->headers, name);
  if (!found) return {};
  return std::string(*found);
}

void Message::ack() {
  state_->settle({.outcome = engine::Outcome::ack});
}

void Message::nack(std::string_view error, std::optional<Duration> delay) {
  state_->settle({.outcome = engine::Outcome::nack, .delay = delay, .error = error});
}

void Message::reject(std::string_view error) {
  state_->settle({.outcome = engine::Outcome::reject, .error = error});
}

void Message::give_back() {
  state_->settle({.outcome = engine::Outcome::give_back});
}

void Message::extend(Duration lease) {
  if (state_->settled) throw LeaseLost(kLost);
  detail::Extension extension{.lease = state_->delivery->lease, .duration = lease};
  detail::value_or_throw(state_->core->receiver().extend(std::span(&extension, 1)));
  if (extension.lost) throw LeaseLost(kLost);
  state_->deadline = extension.deadline;
}

}  // namespace penstock
