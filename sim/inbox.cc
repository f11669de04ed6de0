#include "sim/inbox.h"

#include "base/headers.h"
#include "engine/schedule.h"

namespace penstock::sim {
namespace {

Message message(const broker::Delivery& d) {
  Message m;
  m.id = d.id;
  m.lease = d.lease;
  m.body = as_text(d.body);
  m.queue = d.queue;
  m.group = d.group;
  m.attempts = d.attempts;
  m.priority = d.priority;
  m.task = d.task;
  m.deadline = d.deadline;
  m.expires_at = d.expires_at;
  m.due = find_header(d.headers, kDueHeader).value_or("");
  return m;
}

struct Keep {
  Answer& answer;

  void operator()(const broker::Published& p) const {
    answer.kind = Answer::Kind::published;
    answer.ids.assign(p.ids.begin(), p.ids.end());
    answer.duplicates = p.duplicates;
  }
  void operator()(const broker::Refused& r) const {
    answer.kind = Answer::Kind::refused;
    answer.reason = r.reason;
    answer.retry_after = r.retry_after;
  }
  void operator()(const Error& e) const {
    answer.kind = Answer::Kind::error;
    answer.reason = e.message;
    answer.code = e.code;
    answer.id = e.id;
  }
  void operator()(const broker::Delivered& d) const {
    answer.kind = Answer::Kind::delivered;
    for (const auto& one : d.messages) answer.messages.push_back(message(one));
  }
  void operator()(const broker::Settled& s) const {
    answer.kind = Answer::Kind::settled;
    answer.count = s.settled;
    answer.lost = s.lost;
  }
  void operator()(const broker::Browsed& b) const {
    answer.kind = Answer::Kind::browsed;
    for (const auto& one : b.messages)
      answer.messages.emplace_back(message(one.message)).state = one.state;
  }
  void operator()(const broker::TaskStatus& t) const {
    answer.kind = Answer::Kind::task;
    answer.task = t.state;
    answer.result = t.result;
  }
  void operator()(const broker::Tasks& t) const {
    answer.kind = Answer::Kind::tasks;
    for (const auto& one : t.tasks) {
      answer.ids.push_back(one.id);
      answer.names.emplace_back(one.name);
    }
  }
  void operator()(const broker::Queues& q) const {
    answer.kind = Answer::Kind::queues;
    answer.queues.assign(q.queues.begin(), q.queues.end());
  }
  void operator()(const broker::Done& d) const {
    answer.kind = Answer::Kind::done;
    answer.count = d.count;
  }
  void operator()(const engine::Redriven& r) const {
    answer.kind = Answer::Kind::done;
    answer.count = r.moved;
  }
  // Asked by others: `workers` has a session of its own.
  void operator()(const broker::TaskLog&) const {}
  void operator()(const engine::WorkerTold&) const {}
  void operator()(const engine::WorkersOrdered&) const {}
};

}  // namespace

void Inbox::on_reply(broker::Tag tag, const broker::Reply& reply) {
  Answer answer;
  std::visit(Keep{answer}, reply);
  answer.order = ++*arrivals_;
  if (!answers.emplace(tag, std::move(answer)).second) answered_twice = tag;
}

std::optional<Answer> Inbox::take(broker::Tag tag) {
  auto found = answers.extract(tag);
  if (found.empty()) return std::nullopt;
  return std::move(found.mapped());
}

}  // namespace penstock::sim
