#include "task/attempt.h"

#include <algorithm>

#include "base/headers.h"
#include "task/core.h"
#include "task/failure.h"
#include "task/trace.h"

namespace penstock::detail {
namespace {

// For a lease whose end cannot be believed, because the server's clock differs from ours.
constexpr Duration kLeaseAssumed = std::chrono::seconds(30);

}  // namespace

void Attempt::begin(const broker::Delivery& delivery, std::string_view name,
                    const Timeouts& timeouts, Time now) {
  const std::lock_guard lock(mutex_);
  delivery_ = &delivery;
  name_ = name;
  ++serial_;
  running_ = true;
  token_ = delivery.lease;
  started_at_ = now;
  deadline_ = delivery.deadline;
  lease_ = deadline_ > now ? deadline_ - now : kLeaseAssumed;
  extended_until_ = Time{};
  heartbeat_at_ = now + std::min(kHeartbeat, lease_ / 3);
  timeout_at_ = timeouts.soft > Duration(0) ? now + timeouts.soft : Time::max();
  hard_at_ = timeouts.hard > Duration(0) ? now + timeouts.hard : Time::max();
  // One that does not end although its time is up has failed of that, a lease later at the latest.
  const Time patience_ends = timeouts.soft > Duration(0) ? timeout_at_ + lease_ : Time::max();
  give_up_at_ = timeouts.kills ? Time::max() : std::min(hard_at_, patience_ends);
  given_up_ = false;
  progress_.reset();
  progress_at_ = log_at_ = Time{};
  (void)log_.take();
  spoke_ = false;
  replacement_.reset();
  stop_reason_ = StopReason::none;
  stop_source_.reset();
  host_.look_by(std::min({heartbeat_at_, timeout_at_, give_up_at_}));
}

StopReason Attempt::end() {
  const std::lock_guard lock(mutex_);
  running_ = false;
  return given_up_ ? StopReason::lease_lost : stop_reason_;
}

Attempt::LastWords Attempt::last_words() {
  const std::lock_guard lock(mutex_);
  return {log_.take(), spoke_, log_.take_dropped()};
}

Time Attempt::deadline() const {
  const std::lock_guard lock(mutex_);
  return std::min({deadline_, timeout_at_, hard_at_});
}

std::stop_token Attempt::stop_token() {
  const std::lock_guard lock(mutex_);
  if (!stop_source_) {
    stop_source_.emplace();
    if (stop_reason_ != StopReason::none) stop_source_->request_stop();
  }
  return stop_source_->get_token();
}

StopReason Attempt::stop_reason() const {
  const std::lock_guard lock(mutex_);
  return stop_reason_;
}

bool Attempt::progress(engine::Progress progress) {
  const Time now = host_.now();
  const std::lock_guard lock(mutex_);
  progress_ = std::move(progress);
  host_.look_by(std::max(now, progress_at_ + kProgressEvery));
  return stop_reason_ == StopReason::none;
}

// A thread that the task left behind speaks for nobody.
void Attempt::log(std::string_view text) {
  const Time now = host_.now();
  const std::lock_guard lock(mutex_);
  if (!running_) return;
  spoke_ = true;
  log_.add(text);
  host_.look_by(std::max(now, log_at_ + kLogEvery));
}

void Attempt::count_dropped(std::uint64_t lines) {
  const std::lock_guard lock(mutex_);
  log_.count_dropped(lines);
}

Result<Extension> Attempt::extend(Duration time) {
  Extension extension;
  {
    const std::lock_guard lock(mutex_);
    extension.lease = token_;
    extension.duration = time;
    // Before the answer: meanwhile the keeper must not shorten it again.
    extended_until_ = std::max(extended_until_, host_.now() + time);
  }
  if (auto sent = host_.extend_now(extension); !sent) return fail(std::move(sent.error()));
  const std::lock_guard lock(mutex_);
  if (extension.lost)
    request_stop(StopReason::lease_lost);
  else
    deadline_ = extension.deadline;
  if (extension.cancelled) request_stop(StopReason::cancelled);
  return extension;
}

std::optional<Attempt::Word> Attempt::word(Time now, Time* due) {
  const std::lock_guard lock(mutex_);
  if (!running_ || given_up_) return {};
  if (now >= give_up_at_) {
    request_stop(StopReason::timeout);
    given_up_ = true;
    return Word{.serial = serial_, .given_up = true, .hard = now >= hard_at_, .token = token_};
  }
  if (now >= timeout_at_) request_stop(StopReason::timeout);
  const bool progress_due = progress_ && now >= progress_at_ + kProgressEvery;
  const bool heartbeat_due = now >= heartbeat_at_;
  const bool log_due = !log_.empty() && now >= log_at_ + kLogEvery;
  if (!progress_due && !heartbeat_due && !log_due) {
    *due = std::min(*due, next_due());
    return {};
  }
  Word word{.serial = serial_, .token = token_};
  if (progress_due) {
    word.progress = std::move(progress_);
    progress_.reset();
    progress_at_ = now;
  }
  if (log_due) {
    word.log = log_.take();
    log_at_ = now;
  }
  if (heartbeat_due) {
    heartbeat_at_ = now + std::min(kHeartbeat, lease_ / 3);
    // A process that does not end although its time is up loses its lease, and is killed.
    word.extends = timeout_at_ == Time::max() || now < timeout_at_ + lease_;
    word.lease = std::max(lease_, extended_until_ - now);
  }
  *due = std::min(*due, next_due());
  return word;
}

Time Attempt::next_due() const {
  Time due = heartbeat_at_;
  if (stop_reason_ == StopReason::none) due = std::min(due, timeout_at_);
  due = std::min(due, give_up_at_);
  if (progress_) due = std::min(due, progress_at_ + kProgressEvery);
  if (!log_.empty()) due = std::min(due, log_at_ + kLogEvery);
  return due;
}

void Attempt::answered(std::uint64_t serial, const Extension& extension) {
  const std::lock_guard lock(mutex_);
  if (!running_ || serial != serial_) return;
  if (extension.lost) request_stop(StopReason::lease_lost);
  if (extension.cancelled) request_stop(StopReason::cancelled);
  const bool extended = extension.progress == nullptr && extension.log == nullptr;
  if (!extension.lost && extended) deadline_ = extension.deadline;
}

void Attempt::stop(StopReason reason) {
  const std::lock_guard lock(mutex_);
  if (running_) request_stop(reason);
}

void Attempt::stop_if(MessageId id, StopReason reason) {
  const std::lock_guard lock(mutex_);
  if (running_ && token_.id == id) request_stop(reason);
}

std::optional<Time> Attempt::running_since() const {
  const std::lock_guard lock(mutex_);
  if (!running_) return {};
  return started_at_;
}

std::optional<engine::RunningTask> Attempt::running() const {
  const std::lock_guard lock(mutex_);
  if (!running_) return {};
  return engine::RunningTask{token_.id, std::string(name_), started_at_};
}

void Attempt::request_stop(StopReason reason) {
  // The first reason stands, but that a lost lease leaves nothing to settle.
  if (stop_reason_ != StopReason::none && reason != StopReason::lease_lost) return;
  stop_reason_ = reason;
  if (stop_source_) host_.deliver_stop(*stop_source_);
}

}  // namespace penstock::detail

// ---- what the task sees of it

namespace penstock {

std::uint64_t Context::id() const {
  return attempt_.delivery().id.value;
}
std::string_view Context::name() const {
  return attempt_.name();
}
std::string_view Context::queue() const {
  return attempt_.delivery().queue;
}
std::uint32_t Context::attempt() const {
  return attempt_.delivery().attempts;
}
Headers Context::headers() const {
  return detail::headers_of(attempt_.delivery().headers);
}

std::optional<std::string> Context::header(std::string_view name) const {
  const auto found = find_header(attempt_.delivery().headers, name);
  if (!found) return {};
  return std::string(*found);
}

std::optional<Trace> Context::trace() const {
  return detail::trace_of(attempt_.delivery());
}

TimePoint Context::deadline() const {
  return detail::to_time_point(attempt_.deadline());
}
std::stop_token Context::stop_token() const {
  return attempt_.stop_token();
}
bool Context::stop_requested() const {
  return attempt_.stop_requested();
}

Stop Context::stop_reason() const {
  switch (attempt_.stop_reason()) {
    case detail::StopReason::none:
      return Stop::none;
    case detail::StopReason::cancelled:
      return Stop::cancelled;
    case detail::StopReason::timeout:
      return Stop::timed_out;
    case detail::StopReason::lease_lost:
      return Stop::lease_lost;
    case detail::StopReason::shutdown:
      return Stop::shutdown;
  }
  return Stop::none;
}
void Context::check() const {
  if (const auto why = stop_reason(); why != Stop::none) throw Stopped(why);
}

std::uint64_t Context::enqueue_payload(const detail::TaskDefinition& task,
                                       const EnqueueOptions& options, std::string payload) {
  return attempt_.enqueue(task, options, std::move(payload));
}

bool Context::progress(double value, double total, std::string_view text) {
  return attempt_.progress({.value = value, .total = total, .text = std::string(text)});
}

void Context::log(std::string_view text) {
  attempt_.log(text);
}

void Context::replace_with(std::shared_ptr<const detail::FlowNode> part) {
  // Of several, each would have to be another's place.
  if (as_text(attempt_.delivery().body).starts_with("{\"each\":"))
    throw Permanent(
        "a task that ends with a workflow cannot run in chunks: use map, which makes a step of "
        "each list of arguments");
  attempt_.replace_with(std::move(part));
}

void Context::extend(Duration time) {
  const auto extension = detail::value_or_throw(attempt_.extend(time));
  if (extension.lost) throw LeaseLost("the task's lease is lost: it belongs to someone else now");
}

}  // namespace penstock
