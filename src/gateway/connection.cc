#include "gateway/connection.h"

#include <algorithm>

#include "base/check.h"

namespace penstock::gateway {
namespace {

using State = net::Transfer::State;

}  // namespace

Connection::Connection(Hall& hall, std::unique_ptr<net::Stream> stream)
    : hall_(hall), stream_(std::move(stream)) {
  stream_->watch(*this);
  input_limit_ = hall_.clock.now() + hall_.options.sniff_timeout;
  schedule();
  read_on();
}

Connection::~Connection() {
  // The conversation first: its end may still ask its host something.
  conversation_.reset();
  drop_held(held_.size() - held_begin_);
  account_output();
}

// ---- protocol::Host

void Connection::wake() {
  if (!ReadyHook::is_linked()) hall_.ready.push_back(*this);
}

void Connection::wake_at(Time when) {
  wish_ = when == Time::max() ? when : std::min(wish_, when);
  schedule();
}

bool Connection::peer_is_loopback() const {
  return net::is_loopback(stream_->peer());
}

std::string Connection::peer() const {
  return net::to_text(stream_->peer());
}

// ---- events

void Connection::on_readable() {
  read_armed_ = false;
  if (phase_ == Phase::lingering) {
    discard();
  } else {
    read_some();
  }
  if (!ReadyHook::is_linked()) hall_.heard.push_back(*this);
}

void Connection::on_writable() {
  write_armed_ = false;
  wake();
}

void Connection::on_deadline(Time now) {
  if (now >= std::min(input_limit_, write_limit_)) {
    if (now >= write_limit_)
      ++hall_.statistics.write_timeouts, stream_->forget_unsent();
    else if (phase_ == Phase::sniffing)
      ++hall_.statistics.sniff_timeouts;
    else if (phase_ == Phase::talking)
      ++hall_.statistics.input_timeouts;
    return kill();
  }
  if (now >= starved_until_) evict_others(now);
  if (dead()) return;
  if (now >= wish_) {
    wish_ = Time::max();
    if (conversation_) {
      hall_.worked = true;
      conversation_->on_time(now);
      wake();
    }
  }
  schedule();
}

void Connection::drain() {
  if (phase_ == Phase::sniffing) return kill();
  if (phase_ == Phase::talking) {
    hall_.worked = true;
    conversation_->drain();
  }
  if (phase_ == Phase::lingering) {
    input_limit_ = std::min(input_limit_, hall_.clock.now() + hall_.options.linger_draining);
    schedule();
  }
  wake();
}

void Connection::kill() {
  phase_ = Phase::dead;
  wake();
}

void Connection::schedule() {
  hall_.deadlines.set(*this, std::min({wish_, input_limit_, write_limit_, starved_until_}));
}

// ---- input

bool Connection::wants_bytes() const {
  if (peer_ended_ || dead()) return false;
  if (phase_ != Phase::talking) return true;
  return conversation_->wants_input() && !conversation_->finished() && !waits_for_reader();
}

// Who does not read has a share of half the budget; beyond it, or when that half is used up, they
// are to read before they ask for more. The other half is for the answers that are on their way.
bool Connection::waits_for_reader() const {
  if (stuck_charged_ == 0) return false;
  const auto half = hall_.options.output_budget_bytes / 2;
  return hall_.stuck_bytes > half || stuck_charged_ > half / hall_.stuck_count;
}

void Connection::read_some() {
  if (handshaking_ && !passed_handshake()) return;
  for (int reads = 0; reads < kReadsPerTurn && wants_bytes(); ++reads) {
    if (!hall_.budget.may_read(this, held_charged_, kReadBytes)) return starve();
    starved_until_ = Time::max();
    const net::Transfer got = stream_->read(hall_.read_buffer);
    if (got.state == State::would_block) return;
    if (got.state == State::broken) {
      ++hall_.statistics.broken;
      return kill();
    }
    if (got.state == State::end) {
      peer_ended_ = true;
      return;
    }
    hall_.statistics.received_bytes += got.count;
    take_in(hall_.read_buffer.first(got.count));
    if (got.count < hall_.read_buffer.size()) return;  // that was all
  }
}

void Connection::take_in(ByteView fresh) {
  if (held_.empty()) {
    const std::size_t taken = converse(fresh);
    if (taken < fresh.size() && !dead()) hold(fresh.subspan(taken));
    account_held();
  } else {
    hold(fresh);
    feed_held();
  }
}

void Connection::feed_held() {
  if (held_.empty() || dead()) return;
  drop_held(converse(ByteView(held_).subspan(held_begin_)));
}

std::size_t Connection::converse(ByteView input) {
  if (phase_ == Phase::sniffing) {
    if (wire::sniff(input) == wire::Protocol::tls) return begin_tls(input);
    if (!begin_conversation(input)) return 0;
  }
  hall_.worked = true;
  std::size_t taken = 0;
  while (taken < input.size() && conversation_->wants_input() && !conversation_->finished() &&
         !waits_for_reader()) {
    const std::size_t count = conversation_->receive(input.subspan(taken));
    CHECK(count <= input.size() - taken);
    if (count == 0) break;
    taken += count;
  }
  if (taken != 0) message_since_ = Time::max();  // what is left, if anything, is another message
  if (conversation_->finished()) return input.size();
  input_waits_ = taken < input.size() && (!conversation_->wants_input() || waits_for_reader());
  return taken;
}

bool Connection::begin_conversation(ByteView input) {
  const wire::Protocol protocol = wire::sniff(input);
  if (protocol == wire::Protocol::need_more) return false;
  const ProtocolRow* row = hall_.protocols.find(protocol);
  if (row == nullptr) {
    ++hall_.statistics.unknown_protocol;
    kill();
    return false;
  }
  conversation_ = row->converse(*this);
  watch_input_ = !row->watches_input;
  input_limit_ = Time::max();
  phase_ = Phase::talking;
  if (hall_.draining) conversation_->drain();
  return true;
}

void Connection::hold(ByteView bytes) {
  if (held_begin_ != 0) {
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(held_begin_));
    held_begin_ = 0;
  }
  append(held_, bytes);
  if (held_.size() > hall_.options.max_input_bytes) {
    ++hall_.statistics.input_overflows;
    kill();
  }
  account_held();
}

void Connection::drop_held(std::size_t count) {
  held_begin_ += count;
  if (held_begin_ == held_.size()) {
    held_ = Bytes();  // and not {}, which would keep the memory
    held_begin_ = 0;
  }
  account_held();
}

void Connection::account_held() {
  const std::size_t now = held_.capacity() + (conversation_ ? conversation_->held_bytes() : 0);
  if (now == held_charged_) return;
  if (held_charged_ == 0) {
    held_since_ = hall_.clock.now();
    hall_.holding.push_back(*this);
  } else if (now == 0) {
    HoldingHook::unlink();
  }
  const bool less = now < held_charged_;
  hall_.budget.change(this, held_charged_, now);
  held_charged_ = now;
  if (!less) return;
  // As many as there is room for, and one more, which may be the one to go beyond the budget.
  for (auto reads = hall_.budget.left() / kReadBytes + 1; reads > 0; --reads) {
    if (hall_.starved.empty()) return;
    Connection& next = hall_.starved.front();
    next.StarvedHook::unlink();
    next.wake();
  }
}

// Those that hold half a message come first: they give memory back.
void Connection::starve() {
  ++hall_.statistics.budget_pauses;
  if (held_charged_ == 0) {
    hall_.starved.push_back(*this);
  } else {
    hall_.starved.push_front(*this);
  }
  if (starved_until_ != Time::max()) return;
  starved_until_ = hall_.clock.now() + hall_.options.starve_timeout;
  schedule();
}

// Memory that does not come free by itself is taken from those who have had it for longest, in one
// go until there is room for all who wait, or half of it is free. Whoever waits for the server, and
// not for its peer, is left alone.
void Connection::evict_others(Time now) {
  starved_until_ = Time::max();
  if (!StarvedHook::is_linked()) return;
  starved_until_ = now + hall_.options.starve_timeout;
  if (now < hall_.next_eviction) return;  // what was given up a moment ago is for this one, too
  hall_.next_eviction = now + hall_.options.starve_timeout / 2;
  const auto wanted = hall_.starved.size() * kReadBytes;
  std::uint64_t left = hall_.budget.used();
  for (Connection& holder : hall_.holding) {
    if (holder.held_since_ + hall_.options.starve_timeout > now) break;
    if (hall_.budget.has_room_at(left, wanted)) break;
    if (holder.input_waits_ || holder.dead()) continue;
    ++hall_.statistics.input_evictions;
    left -= holder.held_charged_;
    holder.kill();
  }
}

// A peer may stop between messages, not within one; nor may it send one so slowly that it never
// ends.
void Connection::limit_input() {
  if (phase_ != Phase::talking || !watch_input_) return;
  if (held_.empty() || input_waits_ || StarvedHook::is_linked()) {
    message_since_ = Time::max();
    input_limit_ = Time::max();
    return;
  }
  if (message_since_ == Time::max()) message_since_ = hall_.clock.now();
  const std::uint64_t seconds = (held_.size() - held_begin_) / kInputBytesPerSecondMin;
  input_limit_ = message_since_ + hall_.options.input_timeout +
                 std::chrono::seconds(static_cast<std::int64_t>(seconds));
  schedule();
}

void Connection::tell_end_of_input() {
  if (!peer_ended_ || end_told_ || dead()) return;
  if (phase_ != Phase::talking) return kill();
  // What came before the end is heard before the end, also when it had to wait.
  if (input_waits_ && !conversation_->finished()) return;
  end_told_ = true;
  hall_.worked = true;
  conversation_->on_end_of_input();
}

// Reads on when the conversation wants more than it was given; otherwise TCP tells the sender.
void Connection::read_on() {
  if (read_armed_ || StarvedHook::is_linked()) return;
  if (!wants_bytes()) {
    if (!paused_ && phase_ == Phase::talking && !peer_ended_) ++hall_.statistics.input_pauses;
    paused_ = true;
    return;
  }
  paused_ = false;
  read_armed_ = true;
  stream_->wait_readable();
}

// ---- output and the end

void Connection::flush() {
  while (!write_armed_ && !dead()) {
    const ByteView output = conversation_->output();
    if (output.empty()) {
      write_since_ = Time::max();
      return;
    }
    const net::Transfer put = stream_->write(output);
    if (put.state == State::ready) {
      hall_.statistics.sent_bytes += put.count;
      written_ += put.count;
      write_limit_ = Time::max();
      conversation_->sent(put.count);
    } else if (put.state == State::would_block) {
      ++hall_.statistics.output_pauses;
      write_armed_ = true;
      stream_->wait_writable();
      if (write_since_ == Time::max()) {
        write_since_ = hall_.clock.now();
        written_ = 0;
        conversation_->trim_output();
      }
      write_limit_ = output_due(hall_.options, write_since_, written_);
      schedule();
    } else {
      ++hall_.statistics.broken;
      kill();
    }
  }
}

// What waits for a peer that does not read. The one that has been waited for longest goes when all
// of it together is too much.
void Connection::account_output() {
  const bool stuck = write_armed_ && conversation_ && !dead();
  const std::size_t now = stuck ? conversation_->output_memory() : 0;
  hall_.stuck_bytes = hall_.stuck_bytes - stuck_charged_ + now;
  if (stuck_charged_ == 0 && now != 0) ++hall_.stuck_count, hall_.stuck.push_back(*this);
  if (stuck_charged_ != 0 && now == 0) --hall_.stuck_count, StuckHook::unlink();
  stuck_charged_ = now;
  if (now == 0) return;
  while (hall_.stuck_bytes > hall_.options.output_budget_bytes) {
    Connection& longest = hall_.stuck.front();
    ++hall_.statistics.output_evictions;
    longest.stream_->forget_unsent();
    longest.kill();
    longest.account_output();
  }
}

void Connection::serve() {
  if (dead() || phase_ == Phase::lingering) return read_on();
  feed_held();
  limit_input();
  tell_end_of_input();
  if (phase_ == Phase::talking) {
    flush();
    account_output();
    if (!dead() && conversation_->finished() && conversation_->output().empty()) linger();
  }
  // Room for more was made by writing, so no event will come to say it.
  if (input_waits_ && phase_ == Phase::talking && conversation_->wants_input() &&
      !waits_for_reader())
    wake();
  read_on();
}

void Connection::linger() {
  // Its session ends here; what it held of the broker's is given back at once.
  conversation_.reset();
  hall_.worked = true;
  drop_held(held_.size() - held_begin_);
  input_waits_ = false;
  if (!peer_ended_ || encrypted()) stream_->end_writing();  // TLS has a goodbye of its own
  if (peer_ended_) return kill();
  phase_ = Phase::lingering;
  wish_ = Time::max();
  input_limit_ =
      hall_.clock.now() + (hall_.draining ? hall_.options.linger_draining : hall_.options.linger);
  schedule();
}

void Connection::discard() {
  for (int reads = 0; reads < kReadsPerTurn; ++reads) {
    const net::Transfer got = stream_->read(hall_.read_buffer);
    if (got.state == State::would_block) return;
    discarded_ += got.count;
    if (got.state != State::ready || discarded_ > kMaxDiscardedBytes) return kill();
    if (got.count < hall_.read_buffer.size()) return;
  }
}

}  // namespace penstock::gateway
