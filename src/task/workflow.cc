#include "task/workflow.h"

#include <fmt/format.h>

#include "base/headers.h"
#include "task/core.h"
#include "task/failure.h"
#include "task/trace.h"
#include "wire/json/json.h"

namespace penstock::detail {
namespace {

engine::FailurePolicy to_policy(OnFailure policy) {
  switch (policy) {
    case OnFailure::stop:
      return engine::FailurePolicy::stop;
    case OnFailure::go_on:
      return engine::FailurePolicy::go_on;
    case OnFailure::collect:
      return engine::FailurePolicy::collect;
  }
  return engine::FailurePolicy::stop;
}

std::string in_milliseconds(Duration duration) {
  return fmt::format("\"{}us\"", duration.count());
}

}  // namespace

// ---- made in C++

FlowPart compose(FlowNode::Kind kind, std::vector<FlowPart> members) {
  FlowNode node;
  node.kind = kind;
  node.members = std::move(members);
  return std::make_shared<const FlowNode>(std::move(node));
}

FlowPart with_callbacks(const FlowPart& part, std::vector<FlowPart> on_success,
                        std::vector<FlowPart> on_error) {
  FlowNode node = *part;
  node.on_success.insert(node.on_success.end(), on_success.begin(), on_success.end());
  node.on_error.insert(node.on_error.end(), on_error.begin(), on_error.end());
  return std::make_shared<const FlowNode>(std::move(node));
}

namespace {

bool ends_in_list(const FlowNode& part) {
  if (part.kind == FlowNode::Kind::chain) return ends_in_list(*part.members.back());
  return part.kind == FlowNode::Kind::group || part.kind == FlowNode::Kind::map;
}

// The steps that are given what comes before `part`.
void check_first_steps(const FlowNode& part) {
  switch (part.kind) {
    case FlowNode::Kind::step:
      if (part.takes_input && !part.takes_errors)
        throw InvalidInput(fmt::format(
            "workflow: with OnFailure::collect the list that task {} is given may have an error in "
            "the place of a value, and its first parameter cannot hold that: let it be a "
            "boost::json::array",
            part.task->name));
      return;
    case FlowNode::Kind::chain:
      return check_first_steps(*part.members.front());
    case FlowNode::Kind::group:
      for (const auto& member : part.members) check_first_steps(*member);
      return;
    case FlowNode::Kind::map:
      return;
  }
}

// Else they would be declined for ever.
void check_takers_of_errors(const FlowNode& part) {
  if (part.kind == FlowNode::Kind::chain)
    for (std::size_t n = 1; n < part.members.size(); ++n)
      if (ends_in_list(*part.members[n - 1])) check_first_steps(*part.members[n]);
  if (ends_in_list(part))
    for (const auto& then : part.on_success) check_first_steps(*then);
  for (const auto* list : {&part.members, &part.on_success, &part.on_error})
    for (const auto& one : *list) check_takers_of_errors(*one);
}

}  // namespace

FlatWorkflow::FlatWorkflow(FlowPart root, const WorkflowOptions& options, Time now,
                           const Chain& middleware)
    : root_(std::move(root)), now_(now) {
  input_.name = options.name;
  input_.key = options.key;
  input_.policy = to_policy(options.on_failure);
  input_.ttl = options.ttl;
  input_.failed_ttl = options.failed_ttl;
  add(*root_, engine::NodeRole::member, 1, middleware);
  if (options.on_failure == OnFailure::collect) check_takers_of_errors(*root_);
  input_.nodes = nodes_;
}

void FlatWorkflow::add(const FlowNode& node, engine::NodeRole role, std::uint32_t depth,
                       const Chain& middleware) {
  if (depth > engine::kDeepestWorkflow)
    throw InvalidInput(fmt::format("the workflow is deeper than {}", engine::kDeepestWorkflow));
  const auto at = nodes_.size();
  std::size_t children = node.on_success.size() + node.on_error.size();
  if (node.kind == FlowNode::Kind::step) {
    add_steps(node, role, middleware);
  } else {
    auto& one = nodes_.emplace_back().node;
    one.kind =
        node.kind == FlowNode::Kind::chain ? engine::NodeKind::chain : engine::NodeKind::group;
    one.role = role;
    children += node.members.size() + node.payloads.size();
    for (const auto& member : node.members)
      add(*member, engine::NodeRole::member, depth + 1, middleware);
    if (!node.payloads.empty()) add_steps(node, engine::NodeRole::member, middleware);
  }
  for (const auto& then : node.on_success)
    add(*then, engine::NodeRole::on_success, depth + 1, middleware);
  for (const auto& then : node.on_error)
    add(*then, engine::NodeRole::on_error, depth + 1, middleware);
  nodes_[at].node.children = static_cast<std::uint32_t>(children);
}

namespace {

// As the last of them calls next() with them.
EnqueueOptions options_behind(const Chain& middleware, const FlowNode& node) {
  std::vector<std::string_view> arguments;
  arguments.reserve(node.payloads.size());
  for (const auto& payload : node.payloads) arguments.push_back(arguments_of(payload));
  EnqueueCall call{.task = node.task->name, .arguments = arguments, .options = node.options};
  call.is_step = true;
  std::optional<EnqueueOptions> asked;
  const auto rest = [&] { asked = call.options; };
  run_inside(middleware, 0, &Middleware::enqueue, call, rest);
  if (!asked)
    throw Conflict(fmt::format("a step {}: a middleware did not call next()", node.task->name));
  return *std::move(asked);
}

}  // namespace

void FlatWorkflow::add_steps(const FlowNode& node, engine::NodeRole role, const Chain& middleware) {
  auto one = has_enqueue(middleware) ? step_of(node, options_behind(middleware, node))
                                     : step_of(node, node.options);
  one.node.role = role;
  for (const auto& payload : node.payloads) {
    one.message.body = as_bytes(payload);
    nodes_.push_back(one);
  }
}

engine::WorkflowNodeInput FlatWorkflow::step_of(const FlowNode& node,
                                                const EnqueueOptions& options) {
  const Publishing publishing = to_publishing(*node.task, options);
  if (!publishing.key.empty() || publishing.at != Time{})
    throw InvalidInput(
        "a step of a workflow has neither a key nor a time of its own: give the workflow a key "
        "(WorkflowOptions), and the step a delay");
  if (publishing.limit.rule != engine::KeyRule::none)
    throw InvalidInput(
        "a step of a workflow is not unique, debounced or throttled: enqueue such a task from "
        "within the step, or limit the task that starts the workflow");
  HeaderWriter headers;
  const SentHeaders sent(options);
  for (const auto& [name, value] : sent.view()) headers.add(name, value);
  headers.add(kTaskHeader, node.task->name);
  engine::WorkflowNodeInput one;
  one.node.takes_input = node.takes_input;
  one.node.delay = std::chrono::floor<std::chrono::milliseconds>(publishing.delay);
  one.queue = keep(publishing.queue);
  one.message.task = true;
  one.message.headers = as_bytes(keep(as_text(headers.view())));
  one.message.priority = publishing.priority;
  one.message.group = keep(publishing.group);
  one.message.policy = publishing.policy;
  if (const auto expires = expires_with_task(publishing.expires, now_); expires.count() > 0)
    one.message.expires_at = now_ + expires;
  return one;
}

std::string_view FlatWorkflow::keep(std::string_view text) {
  const auto known = texts_.find(text);
  return known == texts_.end() ? std::string_view(*texts_.emplace(text).first) : *known;
}

// ---- as JSON

namespace {

constexpr std::string_view kArguments = "{\"args\":";

class Writer {
 public:
  Writer(const engine::WorkflowInput& workflow, Time now) : workflow_(workflow), now_(now) {}

  std::string write() {
    put("{");
    if (!workflow_.name.empty()) put("\"name\":"), text(workflow_.name), put(",");
    if (!workflow_.key.empty()) put("\"key\":"), text(workflow_.key), put(",");
    if (workflow_.ttl.count() > 0) put("\"ttl\":" + in_milliseconds(workflow_.ttl) + ",");
    if (workflow_.failed_ttl.count() > 0)
      put("\"failed_ttl\":" + in_milliseconds(workflow_.failed_ttl) + ",");
    put("\"on_failure\":");
    text(engine::name_of(workflow_.policy));
    put(",\"run\":");
    node();
    put("}");
    return std::move(out_);
  }

 private:
  void put(std::string_view some) { out_.append(some); }
  void text(std::string_view some) { wire::json::append_string(out_, some); }

  // The next node and what is below it.
  void node() {
    const auto& one = workflow_.nodes[next_++];
    bool open = one.node.kind != engine::NodeKind::step;
    std::uint32_t child = 0;
    if (!open) {
      step(one);
    } else if (const auto members = steps_of_a_map(one); members > 0) {
      map(members);
      child = members;
      open = false;
    } else {
      put(one.node.kind == engine::NodeKind::chain ? "{\"chain\":[" : "{\"group\":[");
    }
    auto role = engine::NodeRole::member;
    bool first = true;
    for (; child < one.node.children; ++child) {
      const auto its = workflow_.nodes[next_].node.role;
      if (its != role) {
        if (open) put("]");
        put(its == engine::NodeRole::on_success ? ",\"on_success\":[" : ",\"on_error\":[");
        role = its;
        open = first = true;
      }
      if (!first) put(",");
      first = false;
      node();
    }
    if (open) put("]");
    put("}");
  }

  void step(const engine::WorkflowNodeInput& one) {
    put("{\"task\":");
    text(task_of(one));
    if (!one.node.takes_input) put(",\"input\":false");
    // {"args":[...]} or {"each":[...]}: as it is, without its braces.
    const auto payload = as_text(one.message.body);
    put(",");
    put(payload.substr(1, payload.size() - 2));
    put(",\"options\":" + options_of(one));
  }

  // How many members a group has, if all of them are steps that differ in their arguments only: the
  // task and the options of a hundred thousand are written once. 0: it is no such group.
  [[nodiscard]] std::uint32_t steps_of_a_map(const engine::WorkflowNodeInput& group) const {
    if (group.node.kind != engine::NodeKind::group) return 0;
    std::uint32_t members = 0;
    std::string options;
    const auto nodes = std::span(workflow_.nodes).subspan(next_);
    for (; members < group.node.children; ++members) {
      const auto& one = nodes[members];
      if (one.node.role != engine::NodeRole::member) break;
      if (one.node.kind != engine::NodeKind::step || one.node.children > 0 ||
          one.node.takes_input || !as_text(one.message.body).starts_with(kArguments) ||
          !as_text(one.message.body).ends_with("]}"))
        return 0;
      if (members == 0)
        options = options_of(one);
      else if (task_of(one) != task_of(nodes[0]) || options_of(one) != options)
        return 0;
    }
    return members;
  }

  void map(std::uint32_t members) {
    const auto& any = workflow_.nodes[next_];
    put("{\"map\":{\"task\":");
    text(task_of(any));
    put(",\"options\":" + options_of(any) + ",\"args\":[");
    for (std::uint32_t member = 0; member < members; ++member) {
      const auto payload = as_text(workflow_.nodes[next_++].message.body);
      if (member > 0) put(",");
      put(payload.substr(kArguments.size(), payload.size() - kArguments.size() - 1));
    }
    put("]}");
  }

  static std::string_view task_of(const engine::WorkflowNodeInput& one) {
    return find_header(one.message.headers, kTaskHeader).value_or("");
  }

  [[nodiscard]] std::string options_of(const engine::WorkflowNodeInput& one) const {
    std::string out = "{\"queue\":";
    const auto put_text = [&out](std::string_view some) { wire::json::append_string(out, some); };
    put_text(one.queue);
    const auto& message = one.message;
    if (message.priority > 0) out += fmt::format(",\"priority\":{}", message.priority);
    if (!message.group.empty()) out += ",\"group\":", put_text(message.group);
    if (one.node.delay.count() > 0) out += ",\"delay\":" + in_milliseconds(one.node.delay);
    if (message.expires_at != Time{})
      out += ",\"expires\":" + in_milliseconds(message.expires_at - now_);
    if (message.policy.max_attempts)
      out += fmt::format(",\"max_attempts\":{}", *message.policy.max_attempts);
    if (message.policy.backoff) {
      out += ",\"backoff\":";
      put_text(engine::format_backoff(*message.policy.backoff));
    }
    if (message.policy.lease) out += ",\"lease\":" + in_milliseconds(*message.policy.lease);
    bool any = false;
    for_each_header(message.headers, [&](std::string_view name, std::string_view value) {
      if (name == kTaskHeader) return;
      out += any ? "," : ",\"headers\":{";
      any = true;
      put_text(name);
      out += ":";
      put_text(value);
    });
    out += any ? "}}" : "}";
    return out;
  }

  const engine::WorkflowInput& workflow_;
  const Time now_;
  std::size_t next_ = 0;
  std::string out_;
};

}  // namespace

std::string to_json(const engine::WorkflowInput& workflow, Time now) {
  return Writer(workflow, now).write();
}

// ---- on its way

std::uint64_t start_workflow(Core& core, const FlowPart& root, const WorkflowOptions& options) {
  const auto registry = core.registry();
  const FlatWorkflow flat(root, options, core.backend().now(), registry->middleware);
  return core.submit(flat.input(), options.patience);
}

WorkflowStatus workflow_status(Core& core, std::uint64_t id, Duration wait) {
  const OwnedStatus owned = value_or_throw(core.backend().task(MessageId(id), wait));
  WorkflowStatus status;
  status.id = id;
  status.state = to_job_state(owned.status.state);
  status.name = owned.name;
  status.error = owned.error;
  if (owned.workflow.empty()) return status;
  const auto value = wire::json::parse(owned.workflow, {.max_bytes = owned.workflow.size() + 1,
                                                        .max_depth = 4 * engine::kDeepestWorkflow});
  if (!value || !value->is_object()) throw StorageError("the workflow's status is no JSON");
  const auto& object = value->get_object();
  const auto number = [&](std::string_view name) {
    const auto* found = object.if_contains(name);
    return found == nullptr ? 0u : static_cast<std::uint32_t>(found->to_number<std::int64_t>());
  };
  status.steps = number("steps");
  status.done = number("done");
  status.failed = number("failed");
  status.active = number("active");
  if (const auto* tree = object.if_contains("tree")) status.tree = wire::json::to_text(*tree);
  return status;
}

bool resume_workflow(Core& core, std::uint64_t id) {
  const auto resumed = core.backend().resume_workflow(MessageId(id));
  if (resumed) return true;
  const auto code = resumed.error().code;
  if (code == ErrorCode::not_found || code == ErrorCode::conflict) return false;
  return value_or_throw(resumed), false;
}

}  // namespace penstock::detail
