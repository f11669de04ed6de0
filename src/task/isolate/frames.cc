#include "task/isolate/frames.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "base/cursor.h"
#include "base/text.h"
#include "engine/workflow.h"
#include "task/core.h"

namespace penstock::detail {
namespace {

constexpr std::string_view kArgsBegin = "{\"args\":[";
constexpr std::string_view kEachBegin = "{\"each\":[";

void put(Encoder& out, Time time) {
  out.integer(static_cast<std::uint64_t>(micros(time)));
}
Time time(Cursor& in) {
  return time_from_micros(static_cast<std::int64_t>(in.integer<std::uint64_t>()));
}
void put(Encoder& out, Duration duration) {
  out.integer(static_cast<std::uint64_t>(duration.count()));
}
// Longer ones are cut: sums with the time of day have to fit.
Duration duration(Cursor& in) {
  constexpr Duration kLongest = std::chrono::hours(24 * 365 * 100);
  const Duration told(static_cast<std::int64_t>(in.integer<std::uint64_t>()));
  return std::clamp(told, -kLongest, kLongest);
}
void put(Encoder& out, double value) {
  out.integer(std::bit_cast<std::uint64_t>(value));
}
double number(Cursor& in) {
  return std::bit_cast<double>(in.integer<std::uint64_t>());
}
void put(Encoder& out, const std::optional<Duration>& value) {
  out.integer(static_cast<std::uint8_t>(value.has_value()));
  put(out, value.value_or(Duration(0)));
}
std::optional<Duration> optional_duration(Cursor& in) {
  const bool there = in.integer<std::uint8_t>() != 0;
  const auto value = duration(in);
  return there ? std::optional(value) : std::nullopt;
}
std::string text(Cursor& in) {
  return std::string(in.text());
}

template <class Enum>
bool one_of(Cursor& in, Enum& value, Enum last) {
  const auto number = in.integer<std::uint8_t>();
  if (!in.ok() || number > static_cast<std::uint8_t>(last)) return false;
  value = static_cast<Enum>(number);
  return true;
}

void put_task(Encoder& out, const TaskOptions& task) {
  out.text(task.queue).integer(static_cast<std::uint8_t>(task.max_attempts.has_value()));
  out.varint(task.max_attempts.value_or(0));
  out.integer(static_cast<std::uint8_t>(task.backoff.has_value()));
  const auto backoff = task.backoff.value_or(Backoff{});
  out.integer(static_cast<std::uint8_t>(backoff.kind))
      .integer(static_cast<std::uint8_t>(backoff.jitter));
  put(out, backoff.base);
  put(out, backoff.cap);
  put(out, task.lease);
  put(out, task.result_ttl);
  out.integer(task.priority);
}
bool get_task(Cursor& in, TaskOptions& task) {
  task.queue = text(in);
  const bool limited = in.integer<std::uint8_t>() != 0;
  const auto most = in.varint_of<std::uint32_t>();
  if (limited) task.max_attempts = most;
  const bool has_backoff = in.integer<std::uint8_t>() != 0;
  Backoff backoff;
  if (!one_of(in, backoff.kind, Backoff::Kind::exponential)) return false;
  backoff.jitter = in.integer<std::uint8_t>() != 0;
  backoff.base = duration(in);
  backoff.cap = duration(in);
  if (has_backoff) task.backoff = backoff;
  task.lease = optional_duration(in);
  task.result_ttl = optional_duration(in);
  task.priority = in.integer<std::uint8_t>();
  return in.ok();
}

// ---- unique, debounced or throttled: whether it is, then what it is

void put(Encoder& out, const Unique& unique) {
  out.text(unique.key).integer(static_cast<std::uint8_t>(unique.until));
  put(out, unique.time);
  out.integer(static_cast<std::uint8_t>(unique.on_conflict));
}
bool get(Cursor& in, Unique& unique) {
  unique.key = text(in);
  if (!one_of(in, unique.until, Unique::Until::done)) return false;
  unique.time = duration(in);
  return one_of(in, unique.on_conflict, OnConflict::delay);
}
void put(Encoder& out, const Debounce& debounce) {
  out.text(debounce.key);
  put(out, debounce.delay);
  put(out, debounce.max_wait);
}
bool get(Cursor& in, Debounce& debounce) {
  debounce.key = text(in);
  debounce.delay = duration(in);
  debounce.max_wait = duration(in);
  return in.ok();
}
void put(Encoder& out, const Throttle& throttle) {
  out.text(throttle.key).varint(throttle.most);
  put(out, throttle.period);
  out.integer(static_cast<std::uint8_t>(throttle.on_conflict));
}
bool get(Cursor& in, Throttle& throttle) {
  throttle.key = text(in);
  throttle.most = in.varint_of<std::uint32_t>();
  throttle.period = duration(in);
  return one_of(in, throttle.on_conflict, OnConflict::delay);
}
template <class Limit>
void put_limit(Encoder& out, const std::optional<Limit>& limit) {
  out.integer(static_cast<std::uint8_t>(limit.has_value()));
  if (limit) put(out, *limit);
}
template <class Limit>
bool get_limit(Cursor& in, std::optional<Limit>& limit) {
  if (in.integer<std::uint8_t>() == 0) return in.ok();
  return get(in, limit.emplace());
}

void put_options(Encoder& out, const EnqueueOptions& options) {
  out.text(options.queue).text(options.key).text(options.group);
  put(out, options.delay);
  out.integer(static_cast<std::uint8_t>(options.at.has_value()));
  put(out, options.at ? to_time(*options.at) : Time{});
  out.integer(static_cast<std::uint8_t>(options.priority.has_value()))
      .integer(options.priority.value_or(0));
  put(out, options.expires);
  put(out, options.patience);
  out.varint(options.headers.size());
  for (const auto& [name, value] : options.headers) out.text(name).text(value);
  put_limit(out, options.unique);
  put_limit(out, options.debounce);
  put_limit(out, options.throttle);
  put(out, options.timeout);
  put(out, options.hard_timeout);
}
bool get_options(Cursor& in, EnqueueOptions& options, std::size_t& headers_left) {
  options.queue = text(in);
  options.key = text(in);
  options.group = text(in);
  options.delay = duration(in);
  const bool timed = in.integer<std::uint8_t>() != 0;
  const auto at = time(in);
  if (timed) options.at = to_time_point(at);
  const bool has_priority = in.integer<std::uint8_t>() != 0;
  const auto priority = in.integer<std::uint8_t>();
  if (has_priority) options.priority = priority;
  options.expires = optional_duration(in);
  options.patience = std::max(duration(in), Duration(0));
  auto count = in.varint();
  if (count > headers_left) return false;
  headers_left -= static_cast<std::size_t>(count);
  for (; count > 0 && in.ok(); --count) {
    auto name = text(in);
    options.headers.emplace_back(std::move(name), text(in));
  }
  if (!get_limit(in, options.unique) || !get_limit(in, options.debounce) ||
      !get_limit(in, options.throttle))
    return false;
  options.timeout = optional_duration(in);
  options.hard_timeout = optional_duration(in);
  return in.ok();
}

// What core.h's arguments_of() relies on.
bool is_payload(std::string_view payload, std::string_view begin) {
  return payload.starts_with(begin) && payload.ends_with("]}");
}

}  // namespace

Result<std::optional<Frame>> FrameReader::next() {
  const auto left = ByteView(buffer_).subspan(at_);
  if (left.size() < kFrameHeadBytes) return std::optional<Frame>();
  const auto kind = static_cast<std::uint8_t>(left[0]);
  std::uint32_t length = 0;
  for (unsigned n = 0; n < 4; ++n) length |= static_cast<std::uint32_t>(left[1 + n]) << (8 * n);
  if (kind < static_cast<std::uint8_t>(FrameKind::run) ||
      kind > static_cast<std::uint8_t>(FrameKind::replaced) || length > kFrameBytesMax)
    return fail(ErrorCode::corrupt, "not a frame");
  if (left.size() < kFrameHeadBytes + length) return std::optional<Frame>();
  const auto payload = left.subspan(kFrameHeadBytes, length);
  at_ += kFrameHeadBytes + length;
  return std::optional(Frame{static_cast<FrameKind>(kind), Bytes(payload.begin(), payload.end())});
}

void FrameReader::add(ByteView bytes) {
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
  at_ = 0;
  append(buffer_, bytes);
}

void encode(Bytes& bytes, const RunFrame& run) {
  Encoder out(bytes);
  const auto& delivery = run.delivery;
  out.varint(run.task).varint(delivery.id.value).varint(delivery.lease.delivery);
  out.text(delivery.queue).varint(delivery.attempts).text(delivery.group);
  for (const auto when : {delivery.enqueued_at, delivery.deadline, delivery.expires_at})
    put(out, when);
  out.prefixed(delivery.headers).prefixed(delivery.body).integer(run.memory_bytes);
  put(out, run.cpu_time);
}
bool decode(ByteView bytes, RunFrame& run) {
  Cursor in(bytes);
  auto& delivery = run.delivery;
  run.task = in.varint_of<std::uint32_t>();
  delivery.id = delivery.lease.id = MessageId(in.varint());
  delivery.lease.delivery = in.varint_of<std::uint32_t>();
  delivery.queue = in.text();
  delivery.attempts = in.varint_of<std::uint32_t>();
  delivery.group = in.text();
  delivery.enqueued_at = time(in);
  delivery.deadline = time(in);
  delivery.expires_at = time(in);
  delivery.headers = in.prefixed();
  delivery.body = in.prefixed();
  run.memory_bytes = in.integer<std::uint64_t>();
  run.cpu_time = duration(in);
  return in.ok();
}

void encode(Bytes& bytes, StopReason reason) {
  Encoder(bytes).integer(static_cast<std::uint8_t>(reason));
}
bool decode(ByteView bytes, StopReason& reason) {
  Cursor in(bytes);
  return one_of(in, reason, StopReason::shutdown);
}

void encode(Bytes& bytes, const Extension& extension, std::string_view error) {
  Encoder out(bytes);
  put(out, extension.deadline);
  out.integer(static_cast<std::uint8_t>(extension.lost))
      .integer(static_cast<std::uint8_t>(extension.cancelled))
      .text(error);
}
bool decode(ByteView bytes, Extension& extension, std::string& error) {
  Cursor in(bytes);
  extension.deadline = time(in);
  extension.lost = in.integer<std::uint8_t>() != 0;
  extension.cancelled = in.integer<std::uint8_t>() != 0;
  error = text(in);
  return in.ok();
}

void encode(Bytes& bytes, const EnqueueFrame& enqueue) {
  Encoder out(bytes);
  out.text(enqueue.name);
  put_task(out, enqueue.task);
  put_options(out, enqueue.options);
  out.text(enqueue.payload);
}
bool decode(ByteView bytes, EnqueueFrame& enqueue) {
  Cursor in(bytes);
  enqueue.name = text(in);
  if (!get_task(in, enqueue.task)) return false;
  std::size_t headers = kFrameHeadersMax;
  if (!get_options(in, enqueue.options, headers)) return false;
  enqueue.payload = text(in);
  return in.ok() && is_payload(enqueue.payload, kArgsBegin);
}

void encode(Bytes& bytes, const EnqueuedFrame& enqueued) {
  Encoder(bytes)
      .varint(enqueued.id)
      .integer(static_cast<std::uint8_t>(enqueued.code))
      .text(enqueued.error);
}
bool decode(ByteView bytes, EnqueuedFrame& enqueued) {
  Cursor in(bytes);
  enqueued.id = in.varint();
  if (!one_of(in, enqueued.code, ErrorCode::unsupported)) return false;
  enqueued.error = text(in);
  return in.ok();
}

void encode(Bytes& bytes, const engine::Progress& progress) {
  Encoder out(bytes);
  put(out, progress.value);
  put(out, progress.total);
  out.text(progress.text);
}
bool decode(ByteView bytes, engine::Progress& progress) {
  Cursor in(bytes);
  progress.value = number(in);
  progress.total = number(in);
  progress.text = text(in);
  return in.ok() && std::isfinite(progress.value) && std::isfinite(progress.total);
}

void encode(Bytes& bytes, Duration extend) {
  Encoder out(bytes);
  put(out, extend);
}
bool decode(ByteView bytes, Duration& extend) {
  Cursor in(bytes);
  extend = duration(in);
  return in.ok() && extend > Duration(0);
}

void encode(Bytes& bytes, const DoneFrame& done) {
  Encoder(bytes).integer(done.resident_bytes).text(done.result);
}
bool decode(ByteView bytes, DoneFrame& done) {
  Cursor in(bytes);
  done.resident_bytes = in.integer<std::uint64_t>();
  done.result = text(in);
  return in.ok();
}

// ---- a workflow: its tasks, then its nodes, each before what is below it

namespace {

class FlowWriter {
 public:
  explicit FlowWriter(Encoder& out) : out_(out) {}

  void write(const FlowNode& root) {
    find_tasks(root, 1);
    out_.varint(tasks_.size());
    for (const auto* task : tasks_) {
      out_.text(task->name);
      put_task(out_, task->options);
    }
    write_node(root);
  }

 private:
  void find_tasks(const FlowNode& node, std::uint32_t depth) {
    headers_ += node.options.headers.size();
    if (++nodes_ > kFrameNodesMax || headers_ > kFrameHeadersMax ||
        depth > engine::kDeepestWorkflow)
      throw InvalidInput("the workflow in the task's place is too large for isolation");
    if (node.task != nullptr && numbers_.try_emplace(node.task.get(), tasks_.size()).second)
      tasks_.push_back(node.task.get());
    if (tasks_.size() > kFrameTasksMax)
      throw InvalidInput("the workflow in the task's place has too many tasks for isolation");
    for (const auto* list : {&node.members, &node.on_success, &node.on_error})
      for (const auto& child : *list) find_tasks(*child, depth + 1);
  }

  void write_node(const FlowNode& node) {
    out_.integer(static_cast<std::uint8_t>(node.kind));
    if (node.task != nullptr) {
      out_.varint(numbers_.at(node.task.get()));
      out_.integer(static_cast<std::uint8_t>(node.takes_input));
      put_options(out_, node.options);
      out_.varint(node.payloads.size());
      for (const auto& payload : node.payloads) out_.text(payload);
    }
    for (const auto* list : {&node.members, &node.on_success, &node.on_error}) {
      out_.varint(list->size());
      for (const auto& child : *list) write_node(*child);
    }
  }

  Encoder& out_;
  std::vector<const TaskDefinition*> tasks_;
  std::map<const TaskDefinition*, std::size_t> numbers_;
  std::size_t nodes_ = 0, headers_ = 0;
};

// Nothing, where it is no workflow that FlowWriter wrote.
class FlowReader {
 public:
  explicit FlowReader(Cursor& in) : in_(in) {}

  [[nodiscard]] FlowPart read() {
    auto count = in_.varint();
    if (count > kFrameTasksMax) return nullptr;
    for (; count > 0; --count) {
      TaskDefinition task;
      task.name = text(in_);
      if (!get_task(in_, task.options) || !valid_name(task.name, "task name") ||
          !valid_name(task.options.queue, "queue name"))
        return nullptr;
      tasks_.push_back(std::make_shared<const TaskDefinition>(std::move(task)));
    }
    return read_node(1);
  }

 private:
  [[nodiscard]] FlowPart read_node(std::uint32_t depth) {
    if (depth > engine::kDeepestWorkflow || ++nodes_ > kFrameNodesMax) return nullptr;
    FlowNode node;
    if (!one_of(in_, node.kind, FlowNode::Kind::map)) return nullptr;
    const bool has_task = node.kind == FlowNode::Kind::step || node.kind == FlowNode::Kind::map;
    if (has_task && !read_task(node)) return nullptr;
    for (auto* list : {&node.members, &node.on_success, &node.on_error})
      for (auto count = in_.varint(); count > 0; --count) {
        auto child = read_node(depth + 1);
        if (child == nullptr) return nullptr;
        list->push_back(std::move(child));
      }
    if (!in_.ok() || (has_task && !node.members.empty())) return nullptr;
    return std::make_shared<const FlowNode>(std::move(node));
  }

  [[nodiscard]] bool read_task(FlowNode& node) {
    const auto number = in_.varint();
    if (number >= tasks_.size()) return false;
    node.task = tasks_[static_cast<std::size_t>(number)];
    node.takes_input = in_.integer<std::uint8_t>() != 0;
    if (!get_options(in_, node.options, headers_left_)) return false;
    const auto count = in_.varint();
    if (count > in_.left() / (kArgsBegin.size() + 2)) return false;
    if (node.kind == FlowNode::Kind::step && count != 1) return false;
    node.payloads.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t n = 0; n < count; ++n) {
      const auto payload = in_.text();
      const bool each = is_payload(payload, kEachBegin) && !node.takes_input;
      if (!each && !is_payload(payload, kArgsBegin)) return false;
      node.payloads.emplace_back(payload);
    }
    return in_.ok();
  }

  Cursor& in_;
  std::vector<std::shared_ptr<const TaskDefinition>> tasks_;
  std::size_t nodes_ = 0, headers_left_ = kFrameHeadersMax;
};

}  // namespace

void encode(Bytes& bytes, const ReplacedFrame& replaced) {
  Encoder out(bytes);
  out.integer(replaced.resident_bytes);
  FlowWriter(out).write(*replaced.part);
}
bool decode(ByteView bytes, ReplacedFrame& replaced) {
  Cursor in(bytes);
  replaced.resident_bytes = in.integer<std::uint64_t>();
  replaced.part = FlowReader(in).read();
  return in.ok() && replaced.part != nullptr;
}

void encode(Bytes& bytes, const FailedFrame& failed) {
  Encoder out(bytes);
  const auto& failure = failed.failure;
  out.integer(failed.resident_bytes)
      .integer(static_cast<std::uint8_t>(failure.retry))
      .integer(static_cast<std::uint8_t>(failure.declined));
  put(out, failure.delay);
  out.integer(static_cast<std::uint8_t>(failure.cause)).text(failure.text);
}
bool decode(ByteView bytes, FailedFrame& failed) {
  Cursor in(bytes);
  auto& failure = failed.failure;
  failed.resident_bytes = in.integer<std::uint64_t>();
  failure.retry = in.integer<std::uint8_t>() != 0;
  failure.declined = in.integer<std::uint8_t>() != 0;
  failure.delay = optional_duration(in);
  if (!one_of(in, failure.cause, engine::Cause::out_of_memory)) return false;
  failure.text = text(in);
  return in.ok() && failure.text.size() <= kErrorBytesMax;
}

void encode(Bytes& bytes, const Attempt::LastWords& log) {
  Encoder out(bytes);
  out.varint(log.dropped).varint(log.lines.size());
  for (const auto& line : log.lines) out.text(line);
}
bool decode(ByteView bytes, Attempt::LastWords& log) {
  Cursor in(bytes);
  log.dropped = in.varint();
  const auto count = in.varint();
  if (count > engine::kLogLinesMax) return false;
  for (auto left = count; left > 0 && in.ok(); --left) log.lines.push_back(text(in));
  return in.ok();
}

}  // namespace penstock::detail
