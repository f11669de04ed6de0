#include "protocol/workflow_spec.h"

#include <algorithm>

#include "base/headers.h"
#include "base/text.h"
#include "wire/json/json.h"

namespace penstock::protocol {
namespace {

using engine::NodeKind;
using engine::NodeRole;
using wire::json::ObjectReader;

constexpr std::string_view kDefaultQueue = "default";
constexpr std::size_t kDepthMax = 3 * engine::kDeepestWorkflow + 32;
constexpr std::int64_t kAttemptsMax = 1'000'000;
constexpr std::int64_t kChunkMax = 100'000;

// What a task may have and a step may not, and what to do instead.
constexpr std::pair<std::string_view, std::string_view> kNotOfSteps[] = {
    {"key", "give the workflow a \"key\": its steps come in with it, once"},
    {"unique", "submit a unique task from within the step, or keep tasks apart by \"group\""},
    {"debounce", "debounce the task that submits the workflow"},
    {"throttle", "throttle the task that submits the workflow, or give the queue a rate"},
    {"at", "use \"delay\": it begins when the step's turn has come"},
    {"result_ttl", "a step's result is kept with its workflow: set the workflow's \"ttl\""},
};

struct StepOptions {
  std::string_view queue;
  engine::MessageInput message;
  Duration delay{0};
  HeaderWriter headers;
};

std::string element(std::string_view place, std::string_view field, std::size_t index) {
  return std::string(place).append(".").append(field).append("[").append(
      std::to_string(index).append("]"));
}

}  // namespace

class WorkflowSpec::Reader {
 public:
  Reader(WorkflowSpec& into, Time now) : into_(into), now_(now) {}

  Result<void> read(const boost::json::value& value) {
    ObjectReader in(value, "workflow: ");
    auto& input = into_.input_;
    if (const auto name = in.text("name")) input.name = keep(*name);
    if (const auto key = in.text("key")) {
      if (key->empty()) in.refuse("key", "not be empty");
      input.key = keep(*key);
    }
    if (const auto policy = in.text("on_failure")) {
      if (*policy == "continue") {
        input.policy = engine::FailurePolicy::go_on;
      } else if (*policy == "collect") {
        input.policy = engine::FailurePolicy::collect;
      } else if (*policy != "stop") {
        in.refuse("on_failure", "be stop, continue or collect");
      }
    }
    input.ttl = in.duration("ttl").value_or(Duration(0));
    input.failed_ttl = in.duration("failed_ttl").value_or(Duration(0));
    if (const auto queue = in.text("queue")) {
      if (auto valid = valid_name(*queue, "queue name"); !valid) return valid;
      queue_ = keep(*queue);
    }
    if (const auto* headers = in.object("headers"))
      if (auto read = read_headers(*headers, headers_); !read) return read;
    const auto* run = in.any("run");
    if (auto good = in.finish(); !good) return good;
    if (run == nullptr) return fail(ErrorCode::invalid, "workflow: field \"run\" is missing");
    return node(*run, "run", NodeRole::member, 1);
  }

 private:
  static Result<void> read_headers(const boost::json::object& object, HeaderWriter& into) {
    for (const auto& [name, text] : object) {
      if (auto valid = valid_name(name, "header name"); !valid) return valid;
      if (!wire::json::is_text(text) || name == kTaskHeader)
        return fail(ErrorCode::invalid,
                    "header " + quoted(name) + " must be text, and none of Penstock's own");
      if (auto valid = valid_header_value(name, text.get_string()); !valid) return valid;
      into.add(name, text.get_string());
    }
    return {};
  }

  // Adds the node and what is below it.
  Result<void> node(const boost::json::value& value, const std::string& place, NodeRole role,
                    std::uint32_t depth) {
    if (depth > engine::kDeepestWorkflow)
      return fail(ErrorCode::invalid, place + ": a workflow is at most " +
                                          std::to_string(engine::kDeepestWorkflow) + " deep");
    ObjectReader in(value, place + ": ");
    const auto* members = in.array("chain");
    const bool is_chain = members != nullptr;
    const auto* group = in.array("group");
    const auto* chord = in.object("chord");
    const auto* map = in.object("map");
    const auto* chunks = in.object("chunks");
    const auto task = in.text("task");
    const auto kinds = (is_chain ? 1 : 0) + (group != nullptr) + (chord != nullptr) +
                       (map != nullptr) + (chunks != nullptr) + (task.has_value() ? 1 : 0);
    const auto at = into_.nodes_.size();
    into_.nodes_.emplace_back().node.role = role;
    if (kinds != 1)
      return fail(ErrorCode::invalid,
                  place + ": a node is one of task, chain, group, chord, map, chunks");
    Result<void> done;
    if (task) {
      done = step(in, *task, at);
      if (!done) return fail(std::move(done.error()).at(place));
    } else if (is_chain || group != nullptr) {
      set_kind(at, is_chain ? NodeKind::chain : NodeKind::group);
      done = children(is_chain ? *members : *group, place, is_chain ? "chain" : "group",
                      NodeRole::member, at, depth);
    } else if (chord != nullptr) {
      done = chord_of(value.get_object().at("chord"), place + ".chord", at, depth);
    } else {
      done = map_of(value.get_object().at(map != nullptr ? "map" : "chunks"),
                    place + (map != nullptr ? ".map" : ".chunks"), at, chunks != nullptr);
    }
    if (!done) return done;
    const auto* on_success = in.array("on_success");
    const auto* on_error = in.array("on_error");
    if (auto good = in.finish(); !good) return good;
    if (on_success != nullptr)
      if (done = children(*on_success, place, "on_success", NodeRole::on_success, at, depth); !done)
        return done;
    if (on_error != nullptr)
      return children(*on_error, place, "on_error", NodeRole::on_error, at, depth);
    return {};
  }

  void set_kind(std::size_t at, NodeKind kind) { into_.nodes_[at].node.kind = kind; }

  Result<void> children(const boost::json::array& values, const std::string& place,
                        std::string_view field, NodeRole role, std::size_t parent,
                        std::uint32_t depth) {
    into_.nodes_[parent].node.children += static_cast<std::uint32_t>(values.size());
    for (std::size_t n = 0; n < values.size(); ++n)
      if (auto done = node(values[n], element(place, field, n), role, depth + 1); !done)
        return done;
    return {};
  }

  // A chain of a group and what gets the list of its values.
  Result<void> chord_of(const boost::json::value& value, const std::string& place, std::size_t at,
                        std::uint32_t depth) {
    ObjectReader in(value, place + ": ");
    const auto* group = in.array("group");
    const auto* body = in.any("body");
    if (auto good = in.finish(); !good) return good;
    if (group == nullptr || body == nullptr)
      return fail(ErrorCode::invalid, place + ": a chord has a group and a body");
    set_kind(at, NodeKind::chain);
    into_.nodes_[at].node.children = 2;
    const auto first = into_.nodes_.size();
    into_.nodes_.emplace_back().node.kind = NodeKind::group;
    if (auto done = children(*group, place, "group", NodeRole::member, first, depth + 1); !done)
      return done;
    return node(*body, place + ".body", NodeRole::member, depth + 1);
  }

  // A group of steps of one task: one for each of the arguments, or for so many of them.
  Result<void> map_of(const boost::json::value& value, const std::string& place, std::size_t at,
                      bool in_chunks) {
    ObjectReader in(value, place + ": ");
    const auto task = in.required_text("task");
    const auto* all = in.array("args");
    const auto size = in_chunks ? in.required_integer("size", 1, kChunkMax) : 1;
    StepOptions options;
    if (auto read = read_options(in, options); !read)
      return fail(std::move(read.error()).at(place));
    if (auto good = in.finish(); !good) return good;
    if (all == nullptr) return fail(ErrorCode::invalid, place + ": field \"args\" is missing");
    if (auto valid = valid_name(task, "task name"); !valid)
      return fail(std::move(valid.error()).at(place));
    for (const auto& arguments : *all)
      if (!arguments.is_array())
        return fail(ErrorCode::invalid, place + ": args is an array of arrays");
    set_kind(at, NodeKind::group);
    for (std::size_t n = 0; n < all->size();) {
      std::string& payload = into_.texts_.emplace_back();
      if (!in_chunks) {
        payload = "{\"args\":" + wire::json::to_text((*all)[n++]) + "}";
      } else {
        payload = "{\"each\":[";
        for (std::int64_t in_chunk = 0; in_chunk < size && n < all->size(); ++in_chunk)
          payload.append(in_chunk > 0 ? "," : "").append(wire::json::to_text((*all)[n++]));
        payload += "]}";
      }
      ++into_.nodes_[at].node.children;
      into_.nodes_.emplace_back();
      fill(into_.nodes_.size() - 1, task, payload, options);
    }
    return {};
  }

  Result<void> step(ObjectReader& in, std::string_view task, std::size_t at) {
    if (auto valid = valid_name(task, "task name"); !valid) return valid;
    const auto* args = in.array("args");
    const auto* each = in.array("each");
    const auto* kwargs = in.object("kwargs");
    const bool takes_input = in.boolean("input", each == nullptr);
    if (each != nullptr && (takes_input || args != nullptr || kwargs != nullptr))
      in.refuse("each", "stand in the place of args, kwargs and input");
    StepOptions options;
    if (auto read = read_options(in, options); !read) return read;
    std::string& payload = into_.texts_.emplace_back(each != nullptr ? "{\"each\":" : "{\"args\":");
    const auto* lists = each != nullptr ? each : args;
    payload += lists == nullptr ? "[]" : wire::json::to_text(*lists);
    if (kwargs != nullptr) payload.append(",\"kwargs\":").append(wire::json::to_text(*kwargs));
    payload += "}";
    into_.nodes_[at].node.takes_input = takes_input;
    fill(at, task, payload, options);
    return {};
  }

  void fill(std::size_t at, std::string_view task, std::string_view payload,
            const StepOptions& options) {
    const auto own = options.headers.view();
    const auto key = std::string(task).append(1, '\0').append(as_text(own));
    auto found = into_.headers_.find(key);
    if (found == into_.headers_.end()) {
      Bytes bytes(headers_.view().begin(), headers_.view().end());
      append(bytes, own);
      HeaderWriter last;
      last.add(kTaskHeader, task);
      append(bytes, last.view());
      found = into_.headers_.emplace(key, std::move(bytes)).first;
    }
    auto& one = into_.nodes_[at];
    one.queue = options.queue;
    one.message = options.message;
    one.message.task = true;
    one.message.headers = found->second;
    one.message.body = as_bytes(payload);
    one.node.delay = std::chrono::floor<std::chrono::milliseconds>(options.delay);
  }

  Result<void> read_options(ObjectReader& of, StepOptions& options) {
    options.queue = queue_;
    const auto* value = of.object("options");
    if (value == nullptr) return {};
    const boost::json::value copy(*value);
    ObjectReader in(copy, "options: ");
    for (const auto& [name, why] : kNotOfSteps)
      if (in.any(name) != nullptr)
        return fail(ErrorCode::invalid, "options: a step of a workflow has no " + quoted(name),
                    std::string(why));
    if (const auto queue = in.text("queue")) {
      if (auto valid = valid_name(*queue, "queue name"); !valid) return valid;
      options.queue = keep(*queue);
    }
    if (const auto priority = in.integer("priority", 0, 9))
      options.message.priority = static_cast<std::uint8_t>(*priority);
    if (const auto group = in.text("group")) options.message.group = keep(*group);
    if (const auto* headers = in.object("headers"))
      if (auto read = read_headers(*headers, options.headers); !read) return read;
    if (const auto delay = in.duration("delay")) options.delay = *delay;
    if (const auto expires = in.duration("expires")) options.message.expires_at = now_ + *expires;
    if (const auto attempts = in.integer("max_attempts", 0, kAttemptsMax))
      options.message.policy.max_attempts = static_cast<std::uint32_t>(*attempts);
    if (const auto text = in.text("backoff")) {
      auto backoff = engine::parse_backoff(*text);
      if (!backoff) return fail(std::move(backoff.error()).at("backoff"));
      options.message.policy.backoff = *backoff;
    }
    options.message.policy.lease = in.duration("lease");
    return in.finish();
  }

  std::string_view keep(std::string_view text) { return into_.texts_.emplace_back(text); }

  WorkflowSpec& into_;
  const Time now_;
  std::string_view queue_ = kDefaultQueue;
  HeaderWriter headers_;
};

Result<void> WorkflowSpec::read(std::string_view json, Time now, std::string_view key) {
  input_.key = key;
  const auto value = wire::json::parse(
      json, {.max_bytes = kBytesMax, .max_depth = kDepthMax, .keep_numbers = true});
  if (!value) return fail(value.error());
  if (auto done = Reader(*this, now).read(*value); !done) return done;
  input_.nodes = nodes_;
  return {};
}

}  // namespace penstock::protocol
