// Workflows: room for all their steps at once, what steps are given, and how far they are, as JSON.
#include <fmt/format.h>

#include "base/headers.h"
#include "broker/broker_impl.h"
#include "engine/json_text.h"

namespace penstock::broker {
namespace {

constexpr std::uint32_t kMembersShown = 100;  // of one node
constexpr std::uint32_t kNodesShown = 1000;   // of a workflow
constexpr std::uint64_t kStepOverhead = 160;  // its heads
constexpr std::size_t kLongestName = 255;
constexpr std::string_view kPayloadBegin = "{\"args\":[";

using Tree = engine::WorkflowTree;

}  // namespace

std::optional<PendingReply> Broker::Impl::no_room_for(const engine::WorkflowInput& workflow) {
  std::uint64_t bytes = workflow.name.size();
  std::uint32_t records = 1;
  for (const auto& one : workflow.nodes) {
    bytes += one.message.body.size() + one.message.headers.size() + one.message.group.size() +
             kStepOverhead;
    ++records;
  }
  return no_room(bytes, records, workflow.queue());
}

void Broker::Impl::submit(SessionId session, Tag tag, const engine::WorkflowInput& workflow) {
  if (auto full = no_room_for(workflow); full && !engine_.known(workflow))
    return answer(session, tag, std::move(*full));
  auto submitted = engine_.submit(clock_.now(), workflow);
  if (const auto* taken = std::get_if<engine::Engine::Submitted>(&submitted)) {
    OwnedPublished reply;
    reply.first = taken->id;
    reply.duplicates = taken->duplicate ? 1 : 0;
    return answer(session, tag, std::move(reply));
  }
  if (auto* error = std::get_if<Error>(&submitted)) return answer(session, tag, std::move(*error));
  answer(session, tag, refused(std::move(std::get<engine::Refusal>(submitted))));
}

// Of a record {"args":[...]} in the arena, from `begin` on: what the steps before gave goes first.
// False: it cannot be had, and the step has failed because of that; or its lease is over already,
// and what it would be given may be gone, as its workflow was resumed or forgotten.
bool Broker::Impl::give_input(const engine::Leased& leased, std::size_t begin) {
  const auto& state = engine_.state();
  const auto slot = state.find(leased.id);
  if (slot == 0) return false;
  const auto& message = state.messages[slot];
  const bool over =
      message.state != engine::MessageState::leased || message.deliveries != leased.lease.delivery;
  if (over && state.workflows.find_step(leased.id) != 0) return false;
  input_.clear();
  auto given = engine_.append_input(leased.id, input_);
  if (!given) {
    engine::Settle settle;
    settle.leases = {&leased.lease, 1};
    settle.outcome = engine::Outcome::reject;
    settle.error = given.error().message;
    (void)engine_.settle(clock_.now(), settle).index();
    return false;
  }
  if (!*given) return true;
  Cursor in(ByteView(arena_).subspan(begin));
  (void)in.prefixed();
  const auto at = arena_.size() - in.left() + kPayloadBegin.size();
  if (static_cast<char>(arena_[at]) != ']') input_.push_back(std::byte{','});
  arena_.insert(arena_.begin() + static_cast<std::ptrdiff_t>(at), input_.begin(), input_.end());
  return true;
}

// ---- how far it is

namespace {

// Writes a tree as JSON, as much of it as may be shown.
class TreeText {
 public:
  TreeText(const engine::Engine& engine, JournalStorage& storage, Bytes& out)
      : engine_(engine), storage_(storage), out_(out) {}

  void write(std::uint32_t number) {
    const auto& tree = engine_.state().workflows;
    const auto& node = tree.node(number);
    ++shown_;
    if (node.kind == engine::NodeKind::step) {
      write_step(number);
    } else {
      put(fmt::format(
          R"({{"kind":"{}","state":"{}")", node.kind == engine::NodeKind::chain ? "chain" : "group",
          tree.workflow(node.workflow).ended_at != Time{} && node.state == engine::NodeState::active
              ? "stopped"  // before all below it had come to an end
              : engine::name_of(node.state)));
      write_children(number, engine::NodeRole::member, "members");
    }
    write_children(number, engine::NodeRole::on_success, "on_success");
    write_children(number, engine::NodeRole::on_error, "on_error");
    put("}");
  }

 private:
  void put(std::string_view text) { append(out_, as_bytes(text)); }

  void write_children(std::uint32_t number, engine::NodeRole role, std::string_view name) {
    const auto& tree = engine_.state().workflows;
    std::uint32_t count = 0, succeeded = 0, failed = 0, written = 0;
    for (auto at = tree.node(number).first; at != 0; at = tree.node(at).next) {
      if (tree.node(at).role != role) continue;
      ++count;
      succeeded += tree.node(at).state == engine::NodeState::succeeded;
      failed += tree.node(at).state == engine::NodeState::failed;
    }
    if (count == 0 && role != engine::NodeRole::member) return;
    if (role == engine::NodeRole::member)
      put(fmt::format(R"(,"total":{},"succeeded":{},"failed":{})", count, succeeded, failed));
    put(fmt::format(",\"{}\":[", name));
    for (auto at = tree.node(number).first; at != 0; at = tree.node(at).next) {
      if (tree.node(at).role != role) continue;
      if (written == kMembersShown || shown_ >= kNodesShown) break;
      if (written++ > 0) put(",");
      write(at);
    }
    put("]");
    if (written < count) put(fmt::format(",\"left_out\":{}", count - written));
  }

  void write_step(std::uint32_t number) {
    const auto& state = engine_.state();
    const auto id = state.workflows.node(number).step;
    std::string name(state.workflows.task_of(number));
    std::uint32_t attempts = 0;
    std::string error;
    if (const auto result = state.find_result(id); result != 0) {
      attempts = state.results[result].attempts;
      if (auto body = storage_.read_body(state.results[result].position)) {
        Cursor in(*body);
        if (const auto task = in.text(); name.empty()) name = task;
        (void)in.prefixed();
        error = in.text();
      }
    } else if (const auto slot = state.find(id); slot != 0) {
      attempts = state.attempts_of(state.messages[slot]);
      if (name.empty()) name = task_in(state.messages[slot].position);
    }
    put(fmt::format(R"({{"kind":"step","id":"{}","state":"{}","attempts":{},"task":")", id.value,
                    engine::name_of(engine_.task_state(id)), attempts));
    engine::append_json(out_, name, kLongestName);
    put("\"");
    if (error.empty()) return;
    put(",\"error\":\"");
    engine::append_json(out_, error, kLongestName);
    put("\"");
  }

  // The name in a message's record; empty: it cannot be read.
  std::string task_in(LogPosition position) {
    const auto body = storage_.read_body(position);
    if (!body) return {};
    Cursor in(*body);
    return std::string(find_header(in.prefixed(), kTaskHeader).value_or(""));
  }

  const engine::Engine& engine_;
  JournalStorage& storage_;
  Bytes& out_;
  std::uint32_t shown_ = 0;
};

}  // namespace

bool Broker::Impl::workflow_status(MessageId id, bool whole, OwnedTask& task) {
  const auto& state = engine_.state();
  const auto number = state.workflows.find(id);
  if (number == 0) return false;
  const auto& workflow = state.workflows.workflow(number);
  task.status.id = id;
  task.status.state = engine_.task_state(id);
  task.status.enqueued_at = workflow.at;
  task.status.finished_at = workflow.ended_at;
  task.status.cancel_requested = workflow.state == engine::WorkflowState::cancelled;
  task.status.progress.value = workflow.done;
  task.status.progress.total = workflow.steps;
  task.name = workflow.name;
  if (const auto found = state.queue_slot(workflow.queue); found != 0)
    task.queue = state.queues[found]->name;
  Bytes text;
  append(text,
         as_bytes(fmt::format(
             R"({{"state":"{}","on_failure":"{}","steps":{},"done":{},"failed":{},"active":{})",
             engine::name_of(workflow.ended_at == Time{} && !workflow.stopping
                                 ? engine::WorkflowState::running
                                 : workflow.state),
             engine::name_of(workflow.policy), workflow.steps, workflow.done, workflow.failed,
             workflow.active)));
  if (whole) {
    append(text, as_bytes(",\"tree\":"));
    TreeText(engine_, *storage_, text).write(workflow.root);
  }
  text.push_back(std::byte{'}'});
  task.workflow = as_text(text);
  if (!whole || workflow.ended_at == Time{}) return true;
  text.clear();
  if (workflow.state == engine::WorkflowState::succeeded) {
    if (auto value = engine_.append_value(workflow.root, text))
      task.result = as_text(text);
    else
      task.error = value.error().message;
  } else if (workflow.state == engine::WorkflowState::failed) {
    engine_.append_error(workflow.root, text);
    task.result = as_text(text);
    task.error = engine_.error_of(workflow.root);
  }
  return true;
}

OwnedTasks Broker::Impl::workflows(MessageId after, std::uint32_t limit) {
  const auto& tree = engine_.state().workflows;
  std::vector<MessageId> ids;
  for (std::uint32_t number = 1; number < tree.workflows_end(); ++number) {
    const auto& workflow = tree.workflow(number);
    if (!workflow.id || workflow.id.value <= after.value) continue;
    if (engine_.may_see_task(workflow.id)) ids.push_back(workflow.id);
  }
  std::ranges::sort(ids);
  if (ids.size() > limit) ids.resize(limit);
  OwnedTasks reply;
  for (const auto id : ids) (void)workflow_status(id, false, reply.tasks.emplace_back());
  return reply;
}

}  // namespace penstock::broker
