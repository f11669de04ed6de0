// What shall happen around every enqueue and every execution of an App's tasks: logs, metrics,
// headers, checks. App::use() puts it in place.
//
//   app.use({.enqueue = [](EnqueueCall& call, const Next& next) {
//              call.options.headers.emplace_back("tenant", current_tenant());
//              next();                                     // throws what the enqueue throws
//            },
//            .execute = [](Context& context, const Next& next) {
//              const Timer timer(context.name());
//              next();                                     // throws what the task throws
//            }});
//
// The first one used is the outermost. Each decides whether and when the rest runs, by calling
// next(), and may throw: from `enqueue` to whoever enqueues, from `execute` as if the task had
// thrown it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "penstock/context.hpp"
#include "penstock/options.hpp"

namespace penstock {

// The rest: the next middleware, or the thing itself. Lives during the call that it was given to.
class Next {
 public:
  template <class Rest>
  explicit Next(const Rest& rest)
      : rest_(&rest), call_([](const void* object) { (*static_cast<const Rest*>(object))(); }) {}
  void operator()() const { call_(rest_); }

 private:
  const void* rest_;
  void (*call_)(const void*);
};

// One enqueue(), try_enqueue() or enqueue_many(); or a step of a workflow.
struct EnqueueCall {
  std::string_view task;  // its name
  // JSON arrays; more than one of enqueue_many() and of a map. Of chunks, arrays of those.
  std::span<const std::string_view> arguments;
  EnqueueOptions options;  // may be changed before next()
  // After next(): what came in, in order; or the refusal of a try_enqueue(). An enqueue() that is
  // refused throws Refused.
  std::vector<std::uint64_t> ids = {};
  std::optional<Refusal> refusal = {};
  // It comes in with its workflow, when all steps of that have passed: next() tells no ids.
  bool is_step = false;
};

// Either may be left out. Several threads call them at once.
struct Middleware {
  // Whoever does not call next() throws, and whoever catches what it throws throws something else:
  // there is no job to return, so the enqueue would throw Conflict.
  std::function<void(EnqueueCall& call, const Next& next)> enqueue = {};
  // Without next() the task is done without having run, and its result is null. A second next()
  // runs it again. On the worker's thread.
  std::function<void(Context& context, const Next& next)> execute = {};
};

}  // namespace penstock
