// Workflows: tasks that follow from each other. The server keeps them and hands on their values, so
// they outlive every worker and every restart.
//
//   auto flow = penstock::chain(
//       penstock::group(penstock::step(resize, "cat.png", 64), penstock::step(resize, "cat.png",
//       320)), penstock::step(publish_all));         // is given both results:
//       std::vector<std::string>
//   auto job = app.start(flow, {.name = "thumbnails"});
//   std::string url = job.get(1min);
//
// What a step is given by the one before it is its first parameter; types are checked when this is
// compiled.
#pragma once

#include <memory>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "penstock/job.hpp"
#include "penstock/options.hpp"
#include "penstock/task.hpp"

namespace penstock {

// What becomes of the rest when a step has failed for good.
enum class OnFailure : std::uint8_t {
  stop,     // nothing more begins; what runs has its stop token set
  go_on,    // what does not need the failed step's value goes on
  collect,  // as go_on, and a group's list has {"error":{...}} in its place
};

struct WorkflowOptions {
  std::string name = {};
  OnFailure on_failure = OnFailure::stop;
  // Idempotency key: a repeat within the dedup window of its first step's queue gives the workflow
  // that came in first.
  std::string key = {};
  Duration ttl{0};         // how long it is remembered when it ended; 0 = as results
  Duration failed_ttl{0};  // when it failed, and can be resumed; 0 = a week
  Duration patience = std::chrono::seconds(30);  // while a queue refuses it
};

struct WorkflowStatus {
  std::uint64_t id = 0;
  JobState state = JobState::unknown;
  std::string name;
  std::uint32_t steps = 0, done = 0, failed = 0;
  std::uint32_t active = 0;  // running or queued
  std::string error;         // of the step because of which it failed
  std::string tree;          // JSON, as docs/concepts/workflows.md has it
};

namespace detail {

// One node. `payloads` are of a step one, of a map one for each member.
struct FlowNode {
  enum class Kind : std::uint8_t { step, chain, group, map };
  Kind kind = Kind::step;
  std::shared_ptr<const TaskDefinition> task;  // of a step or map
  EnqueueOptions options;
  std::vector<std::string> payloads;
  bool takes_input = false;
  bool takes_errors = true;  // its input may be a list with {"error":{...}} among its values
  std::vector<std::shared_ptr<const FlowNode>> members, on_success, on_error;
};
using FlowPart = std::shared_ptr<const FlowNode>;

struct NoInput {};

template <class T>
using ValueOf = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

// `Given` may become the first parameter of what takes `Wanted`.
template <class Given, class Wanted>
inline constexpr bool hands_on = std::same_as<Wanted, NoInput> ||
                                 std::is_convertible_v<ValueOf<Given>, Wanted> ||
                                 (json_kind<ValueOf<Given>>() != JsonKind::none &&
                                  json_kind<Wanted>() == JsonKind::dom);

// Whether a JSON object can be read as a T.
template <class T>
consteval bool may_be_object() {
  constexpr auto kind = json_kind<T>();
  if constexpr (kind == JsonKind::optional) return may_be_object<typename T::value_type>();
  return kind == JsonKind::user || kind == JsonKind::object || kind == JsonKind::structure ||
         std::same_as<T, boost::json::value> || std::same_as<T, boost::json::object>;
}
// Whether it stays one when any of a list's values is an error instead.
template <class List>
consteval bool may_hold_errors() {
  constexpr auto kind = json_kind<List>();
  if constexpr (kind == JsonKind::array)
    return may_be_object<std::ranges::range_value_t<List>>();
  else if constexpr (kind == JsonKind::tuple)
    return []<class... T>(std::type_identity<std::tuple<T...>>) {
      return (may_be_object<T>() && ...);
    }(std::type_identity<decltype(std::tuple_cat(std::declval<List>()))>{});
  else
    return true;
}

[[nodiscard]] FlowPart compose(FlowNode::Kind kind, std::vector<FlowPart> members);
[[nodiscard]] FlowPart with_callbacks(const FlowPart& part, std::vector<FlowPart> on_success,
                                      std::vector<FlowPart> on_error);
[[nodiscard]] std::uint64_t start_workflow(Core& core, const FlowPart& root,
                                           const WorkflowOptions& options);
[[nodiscard]] WorkflowStatus workflow_status(Core& core, std::uint64_t id, Duration wait);
[[nodiscard]] bool resume_workflow(Core& core, std::uint64_t id);

}  // namespace detail

// What the error of a failed step is, as what runs on_error is given it.
struct StepError {
  std::string id, state, task, message;
};
BOOST_DESCRIBE_STRUCT(StepError, (), (id, state, task, message))
struct StepFailure {
  StepError error;
};
BOOST_DESCRIBE_STRUCT(StepFailure, (), (error))

// A part of a workflow: its value is an R, and what begins it is given an In (NoInput: nothing).
// Copies are cheap and mean the same part. Threads: any.
template <class R, class In>
class Flow {
 public:
  using Result = R;
  using Input = In;

  explicit Flow(detail::FlowPart part) : part_(std::move(part)) {}

  // Beside the rest: begun with this part's value, or with a StepFailure. Nobody waits for their
  // value, and their failure is nobody's.
  template <class R2, class In2>
  [[nodiscard]] Flow on_success(const Flow<R2, In2>& then) const {
    static_assert(detail::hands_on<R, In2>,
                  "penstock: what runs on success cannot take this part's value.");
    return Flow(detail::with_callbacks(part_, {then.part()}, {}));
  }
  template <class R2, class In2>
  [[nodiscard]] Flow on_error(const Flow<R2, In2>& then) const {
    static_assert(detail::hands_on<StepFailure, In2>,
                  "penstock: what runs on an error is given a penstock::StepFailure.");
    return Flow(detail::with_callbacks(part_, {}, {then.part()}));
  }

  // For App.
  [[nodiscard]] const detail::FlowPart& part() const { return part_; }

 private:
  detail::FlowPart part_;
};

namespace detail {

template <class... Args>
struct FirstOf {
  using type = NoInput;
};
template <class First, class... Rest>
struct FirstOf<First, Rest...> {
  using type = First;
};

template <class R, class... Args, std::size_t... I, class... Given>
FlowPart bound_step(const Call<R(Args...)>& call, bool takes_input, std::index_sequence<I...>,
                    Given&&... given) {
  FlowNode node;
  node.task = call.task.definition();
  node.options = call.options;
  node.takes_input = takes_input;
  using Bound = std::tuple<Args...>;
  if constexpr (sizeof...(Args) > 0)
    node.takes_errors = may_hold_errors<std::tuple_element_t<0, Bound>>();
  constexpr std::size_t skipped = sizeof...(Args) - sizeof...(Given);
  Task<R(std::tuple_element_t<I + skipped, Bound>...)>::write_payload(
      node.payloads.emplace_back(), std::forward<Given>(given)...);
  return std::make_shared<const FlowNode>(std::move(node));
}

}  // namespace detail

// A task with all of its arguments: it takes nothing from the step before. With all but the first:
// that is the value of what comes before it.
template <class R, class... Args, class... Given>
[[nodiscard]] auto step(const Call<R(Args...)>& call, Given&&... given) {
  constexpr bool all = sizeof...(Given) == sizeof...(Args);
  constexpr bool counted = all || sizeof...(Given) + 1 == sizeof...(Args);
  static_assert(counted,
                "penstock: give a step all arguments of its task, or all but the first one, which "
                "is then the value of the step before.");
  using In = std::conditional_t<all, detail::NoInput, typename detail::FirstOf<Args...>::type>;
  detail::FlowPart part;
  if constexpr (counted)
    part = detail::bound_step(call, !all, std::make_index_sequence<sizeof...(Given)>(),
                              std::forward<Given>(given)...);
  return Flow<R, In>(std::move(part));
}
template <class R, class... Args, class... Given>
[[nodiscard]] auto step(const Task<R(Args...)>& task, Given&&... given) {
  return step(Call<R(Args...)>{task, {}}, std::forward<Given>(given)...);
}

// One after the other, each with the value of the one before; the value is that of the last.
template <class R, class In>
[[nodiscard]] Flow<R, In> chain(const Flow<R, In>& only) {
  return only;
}
template <class R1, class In1, class R2, class In2, class... More>
[[nodiscard]] auto chain(const Flow<R1, In1>& first, const Flow<R2, In2>& second,
                         const More&... more) {
  static_assert(detail::hands_on<R1, In2>,
                "penstock: a step of the chain cannot take the value of the one before it.");
  if constexpr (sizeof...(More) == 0) {
    return Flow<R2, In1>(
        detail::compose(detail::FlowNode::Kind::chain, {first.part(), second.part()}));
  } else {
    const auto rest = chain(second, more...);
    using R = typename std::remove_cvref_t<decltype(rest)>::Result;
    return Flow<R, In1>(detail::compose(detail::FlowNode::Kind::chain,
                                        {first.part(), second.part(), more.part()...}));
  }
}

// At once; the value is the list of theirs, in order. All of them are given what comes before the
// group.
template <class R, class In>
[[nodiscard]] auto group(const std::vector<Flow<R, In>>& members) {
  std::vector<detail::FlowPart> parts;
  parts.reserve(members.size());
  for (const auto& member : members) parts.push_back(member.part());
  return Flow<std::vector<detail::ValueOf<R>>, In>(
      detail::compose(detail::FlowNode::Kind::group, std::move(parts)));
}
template <class R, class In, class... Rs, class... Ins>
[[nodiscard]] auto group(const Flow<R, In>& first, const Flow<Rs, Ins>&... more) {
  static_assert((std::same_as<In, Ins> && ...),
                "penstock: all members of a group are given the same value.");
  constexpr bool same = (std::same_as<R, Rs> && ...);
  using Value = std::conditional_t<same, std::vector<detail::ValueOf<R>>,
                                   std::tuple<detail::ValueOf<R>, detail::ValueOf<Rs>...>>;
  return Flow<Value, In>(
      detail::compose(detail::FlowNode::Kind::group, {first.part(), more.part()...}));
}

// A group, and what is given the list of its values.
template <class R1, class In1, class R2, class In2>
[[nodiscard]] Flow<R2, In1> chord(const Flow<R1, In1>& members, const Flow<R2, In2>& body) {
  return chain(members, body);
}

// A group of one task: one step for each tuple of arguments (of a task of one parameter, or value).
template <class R, class... Args, std::ranges::input_range Tuples>
[[nodiscard]] auto map(const Call<R(Args...)>& call, Tuples&& tuples) {
  detail::FlowNode node;
  node.kind = detail::FlowNode::Kind::map;
  node.task = call.task.definition();
  node.options = call.options;
  for (auto&& arguments : tuples)
    Task<R(Args...)>::write_tuple(node.payloads.emplace_back(),
                                  std::forward<decltype(arguments)>(arguments));
  return Flow<std::vector<detail::ValueOf<R>>>(
      std::make_shared<const detail::FlowNode>(std::move(node)));
}
template <class R, class... Args, std::ranges::input_range Tuples>
[[nodiscard]] auto map(const Task<R(Args...)>& task, Tuples&& tuples) {
  return map(Call<R(Args...)>{task, {}}, std::forward<Tuples>(tuples));
}

// The same in few steps: each runs the task for up to `size` tuples, one after the other.
template <class R, class... Args, std::ranges::input_range Tuples>
[[nodiscard]] auto chunks(const Call<R(Args...)>& call, Tuples&& tuples, std::size_t size) {
  detail::FlowNode node;
  node.kind = detail::FlowNode::Kind::map;
  node.task = call.task.definition();
  node.options = call.options;
  constexpr std::string_view begin = "{\"args\":";
  std::size_t count = 0;
  std::string one;
  for (auto&& arguments : tuples) {
    one.clear();
    Task<R(Args...)>::write_tuple(one, std::forward<decltype(arguments)>(arguments));
    const bool starts = count++ % std::max<std::size_t>(size, 1) == 0;
    if (starts && !node.payloads.empty()) node.payloads.back().append("]}");
    std::string& payload =
        starts ? node.payloads.emplace_back("{\"each\":[") : node.payloads.back();
    if (!starts) payload.push_back(',');
    payload.append(one, begin.size(), one.size() - begin.size() - 1);
  }
  if (!node.payloads.empty()) node.payloads.back().append("]}");
  return Flow<std::vector<std::vector<detail::ValueOf<R>>>>(
      std::make_shared<const detail::FlowNode>(std::move(node)));
}
template <class R, class... Args, std::ranges::input_range Tuples>
[[nodiscard]] auto chunks(const Task<R(Args...)>& task, Tuples&& tuples, std::size_t size) {
  return chunks(Call<R(Args...)>{task, {}}, std::forward<Tuples>(tuples), size);
}

// A workflow on its way. What a Job can, this can: get() waits for its value, cancel() ends all of
// it.
template <class R>
class Workflow : public Job<R> {
 public:
  Workflow() = default;
  Workflow(std::shared_ptr<detail::Core> core, std::uint64_t id) : Job<R>(core, id), core_(core) {}

  [[nodiscard]] WorkflowStatus progress() const {
    return detail::workflow_status(*core_, this->id(), Duration(0));
  }
  // Does again what failed, and what follows from it. False: it has not failed, or is forgotten.
  bool resume() const { return detail::resume_workflow(*core_, this->id()); }

 private:
  std::shared_ptr<detail::Core> core_;
};

}  // namespace penstock
