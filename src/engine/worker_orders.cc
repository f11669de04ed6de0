#include "engine/worker_orders.h"

#include <algorithm>

#include "base/canary.h"
#include "base/check.h"
#include "base/text.h"
#include "engine/event.h"

namespace penstock::engine {
namespace {

constexpr std::string_view kStateNames[] = {"working", "quiet", "stopping"};
constexpr std::string_view kOrderNames[] = {"quiet", "resume", "stop", "resize"};

template <class Enum>
Result<Enum> parse_name(std::span<const std::string_view> names, std::string_view text,
                        std::string_view what) {
  const auto found = std::ranges::find(names, text);
  if (found != names.end()) return static_cast<Enum>(found - names.begin());
  std::string all;
  for (const auto name : names) all.append(all.empty() ? "" : ", ").append(name);
  return fail(ErrorCode::invalid, std::string(what) + " " + quoted(text) + " is none of " + all);
}

// Quiet and resume undo each other; a resize undoes a resize.
bool same_sort(OrderKind a, OrderKind b) {
  const auto sort = [](OrderKind kind) {
    return kind == OrderKind::resume ? OrderKind::quiet : kind;
  };
  return sort(a) == sort(b);
}

// What `newer` leaves nothing of.
bool is_needless(const WorkerOrder& older, OrderKind kind, const WorkerSelector& who, Time now) {
  if (WorkerOrders::has_ended(older, now)) return true;
  if (kind == OrderKind::stop || !same_sort(older.kind, kind)) return false;
  return who.fits_all() || older.who == who;
}

}  // namespace

std::string_view name_of(WorkerState state) {
  return kStateNames[static_cast<std::size_t>(state)];
}
Result<WorkerState> parse_worker_state(std::string_view text) {
  return parse_name<WorkerState>(kStateNames, text, "state");
}
std::string_view name_of(OrderKind kind) {
  return kOrderNames[static_cast<std::size_t>(kind)];
}
Result<OrderKind> parse_order_kind(std::string_view text) {
  return parse_name<OrderKind>(kOrderNames, text, "order");
}

bool fits_pattern(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, star_at = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_at = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;  // the star takes one more
      t = ++star_at;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool WorkerSelector::fits(const WorkerSpec& worker) const {
  const auto fits_one = [](const std::string& pattern, const std::string& text) {
    return pattern.empty() || fits_pattern(pattern, text);
  };
  return fits_one(name, worker.name) &&
         (queue.empty() ||
          std::ranges::any_of(worker.queues,
                              [&](const auto& one) { return fits_pattern(queue, one); })) &&
         (fits_one(version, worker.program) || fits_one(version, worker.library));
}

bool Worker::knows(std::string_view task) const {
  return spec.any_task || std::ranges::find(spec.tasks, task) != spec.tasks.end();
}
bool Worker::serves(std::string_view queue) const {
  return std::ranges::find(spec.queues, queue) != spec.queues.end();
}

void WorkerOrders::add(const WorkerOrderedEvent& event) {
  const WorkerSelector who{std::string(event.name), std::string(event.queue),
                           std::string(event.version)};
  std::erase_if(
      all_, [&](const auto& one) { return is_needless(one.second, event.kind, who, event.at); });
  next_ = std::max(next_, event.number + 1);
  if (event.kind == OrderKind::resume && who.fits_all()) return;
  all_[event.number] = {event.number, event.kind, event.slots,
                        who,          event.at,   {event.targets.begin(), event.targets.end()}};
}

WorkerTold WorkerOrders::told(const WorkerSpec& worker, Time now) const {
  WorkerTold told;
  for (const auto& [number, order] : all_) {
    if (order.kind == OrderKind::stop) {
      told.stop |= !has_ended(order, now) &&
                   std::ranges::find(order.targets, worker.id) != order.targets.end();
      continue;
    }
    if (!order.who.fits(worker)) continue;
    if (order.kind == OrderKind::resize)
      told.slots = order.slots;
    else
      told.quiet = order.kind == OrderKind::quiet;
  }
  return told;
}

std::size_t WorkerOrders::count_beside(const WorkerOrderSpec& order, Time now) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      all_, [&](const auto& one) { return !is_needless(one.second, order.kind, order.who, now); }));
}

// ---- checkpoint: each order as the head of its event

void WorkerOrders::encode(Encoder& out) const {
  out.varint(next_).varint(all_.size());
  Bytes head;
  for (const auto& [number, order] : all_) {
    head.clear();
    WorkerOrderedEvent event;
    event.number = number;
    event.at = order.at;
    event.kind = order.kind;
    event.slots = CANARY(forget_resize) && order.slots != 0 ? 1 : order.slots;
    event.name = order.who.name;
    event.queue = order.who.queue;
    event.version = order.who.version;
    event.targets = order.targets;
    engine::encode(head, event);
    out.prefixed(head);
  }
}

bool WorkerOrders::restore(Cursor& in) {
  IdList ids;
  const auto next = in.varint();
  const auto count = in.varint();
  if (!in.ok() || next == 0 || count > kWorkerOrdersMax) return false;
  Bytes again;
  for (std::uint64_t n = 0; n < count; ++n) {
    const auto head = in.prefixed();
    WorkerOrderedEvent event;
    if (!in.ok() || !decode(head, event, ids)) return false;
    again.clear();
    engine::encode(again, event);
    if (!std::ranges::equal(again, head)) return false;
    if (event.number == 0 || event.number >= next) return false;
    if (!all_.empty() && all_.rbegin()->first >= event.number) return false;
    add(event);
    if (all_.size() != n + 1) return false;  // it made another needless, which would be gone
  }
  next_ = next;
  return true;
}

void WorkerOrders::check() const {
  for (const auto& [number, order] : all_) {
    CHECK(number == order.number && number != 0 && number < next_);
    CHECK((order.kind == OrderKind::stop) == !order.targets.empty());
    CHECK((order.kind == OrderKind::resize) == (order.slots != 0));
  }
}

}  // namespace penstock::engine
