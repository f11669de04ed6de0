// A task: a name, a C++ function, and what shall happen when it fails.
//
//   auto resize = penstock::task("resize", [](std::string path, int width) -> std::string { ... },
//                                {.max_attempts = 5, .backoff = penstock::exponential(1s, 60s)});
//
// The name is what travels, so it is the contract between programs; the parameters travel as a JSON
// array and the value returned as JSON (json.hpp).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "penstock/context.hpp"
#include "penstock/json.hpp"
#include "penstock/options.hpp"

namespace penstock {

template <class Signature>
class Task;

namespace detail {
struct NoInput;
}
template <class R, class In = detail::NoInput>
class Flow;  // workflow.hpp

namespace detail {

// A task that returns a workflow ends with it in its place; its result is the workflow's value.
template <class T>
struct FlowResult {
  using type = T;
  static constexpr bool kIsFlow = false;
};
template <class T, class In>
struct FlowResult<Flow<T, In>> {
  static_assert(std::same_as<In, NoInput>,
                "penstock: the workflow that a task returns has nobody to give it a value: give "
                "its first step all of its arguments.");
  using type = T;
  static constexpr bool kIsFlow = true;
};

// Runs the task on a payload {"args":[...]} and appends the JSON of what it returned. Throws what
// the function throws, and ArgumentError when the payload does not fit.
using RunTask = std::function<void(Context&, std::string_view payload, std::string& result)>;

// Reads the arguments of such a payload, and does nothing with them. Throws ArgumentError.
using ReadArguments = std::function<void(std::string_view payload)>;

struct TaskDefinition {
  std::string name;
  TaskOptions options;
  RunTask run;  // empty: only its caller's side is here
  ReadArguments read;
};

// The payload is not what the task takes, in this build of the program: another worker may.
class ArgumentError : public InvalidInput {
 public:
  using InvalidInput::InvalidInput;
};

// Throws InvalidInput: a name that is no name (1 to 255 bytes of UTF-8), a priority over 9.
[[nodiscard]] std::shared_ptr<const TaskDefinition> define_task(std::string name,
                                                                TaskOptions options, RunTask run,
                                                                ReadArguments read = {});

// A payload taken apart. Throws ArgumentError unless it has exactly `count` arguments.
class Arguments {
 public:
  Arguments(std::string_view payload, std::size_t count);
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  template <class T>
  [[nodiscard]] T get(std::size_t index) const {
    const JsonPlace whole{nullptr, "argument", 0};
    return read_json<T>((*items_)[index], whole.item(index));
  }

 private:
  alignas(std::max_align_t) unsigned char scratch_[2048];
  boost::json::monotonic_resource memory_{scratch_, sizeof scratch_};
  boost::json::value root_;
  const boost::json::array* items_ = nullptr;
};

// ---- what a callable takes and gives

template <class... T>
struct TypeList {};

template <class T>
concept TupleLike = requires {
  std::tuple_size<std::remove_cvref_t<T>>::value;
};

template <class F>
struct Signature {};  // empty: the callable's parameters cannot be known
template <class R, class... P>
struct Signature<R(P...)> {
  using Return = R;
  using Parameters = TypeList<P...>;
};
template <class R, class... P>
struct Signature<R(P...) noexcept> : Signature<R(P...)> {};
template <class R, class... P>
struct Signature<R (*)(P...)> : Signature<R(P...)> {};
template <class R, class... P>
struct Signature<R (*)(P...) noexcept> : Signature<R(P...)> {};
template <class C, class R, class... P>
struct Signature<R (C::*)(P...)> : Signature<R(P...)> {};
template <class C, class R, class... P>
struct Signature<R (C::*)(P...) noexcept> : Signature<R(P...)> {};
template <class C, class R, class... P>
struct Signature<R (C::*)(P...) const> : Signature<R(P...)> {};
template <class C, class R, class... P>
struct Signature<R (C::*)(P...) const noexcept> : Signature<R(P...)> {};

template <class F>
concept HasCallOperator = requires {
  &F::operator();
};
template <class F>
struct SignatureOf : Signature<F> {};
template <HasCallOperator F>
struct SignatureOf<F> : Signature<decltype(&F::operator())> {};
template <class R, class... P>
struct SignatureOf<std::function<R(P...)>> : Signature<R(P...)> {};

template <class F>
concept KnownSignature = requires {
  typename SignatureOf<F>::Parameters;
};

// The type that holds a parameter's value between JSON and the call.
template <class P>
using Stored = std::conditional_t<std::same_as<std::remove_cvref_t<P>, std::string_view>,
                                  std::string, std::remove_cvref_t<P>>;

template <class List>
struct WithoutContext {
  using Parameters = List;
  static constexpr bool kTakesContext = false;
};
template <class... P>
struct WithoutContext<TypeList<Context&, P...>> {
  using Parameters = TypeList<P...>;
  static constexpr bool kTakesContext = true;
};

template <class R, class List>
struct MakeTask;
template <class R, class... P>
struct MakeTask<R, TypeList<P...>> {
  static_assert(
      ((!std::is_lvalue_reference_v<P> || std::is_const_v<std::remove_reference_t<P>>)&&...),
      "penstock: a task's arguments come from another thread or process: take them by value "
      "or by const reference.");
  static_assert(
      ((!std::is_pointer_v<std::remove_cvref_t<P>>)&&...),
      "penstock: a pointer means nothing in another process: take std::string, or a value.");
  static_assert(((json_kind<Stored<P>>() != JsonKind::none) && ...),
                "penstock: one of the task's parameters cannot travel as JSON. Describe it with "
                "BOOST_DESCRIBE_STRUCT, or give it Boost.JSON's tag_invoke functions.");
  using type = Task<typename FlowResult<R>::type(Stored<P>...)>;

  template <bool kTakesContext, class F>
  static RunTask runner(F function) {
    static_assert(kTakesContext ? std::is_invocable_v<const F&, Context&, P...>
                                : std::is_invocable_v<const F&, P...>,
                  "penstock: several threads call a task at once, so its call operator must be "
                  "const (a lambda "
                  "must not be `mutable`).");
    return [f = std::make_shared<const F>(std::move(function))](
               Context& context, std::string_view payload, std::string& result) {
      const auto bound = [&](auto&&... a) -> R {
        if constexpr (kTakesContext)
          return std::invoke(*f, context, std::forward<decltype(a)>(a)...);
        else
          return std::invoke(*f, std::forward<decltype(a)>(a)...);
      };
      call(bound, context, payload, result);
    };
  }

  static ReadArguments reader() {
    return [](std::string_view payload) { (void)read(payload, std::index_sequence_for<P...>{}); };
  }

 private:
  template <std::size_t... I>
  static std::tuple<Stored<P>...> read(std::string_view payload, std::index_sequence<I...>) {
    const Arguments arguments(payload, sizeof...(P));
    try {
      return std::tuple<Stored<P>...>{arguments.get<Stored<P>>(I)...};
    } catch (const InvalidInput& wrong) {
      throw ArgumentError(wrong.what());
    }
  }
  template <class F>
  static void call(const F& f, Context& context, std::string_view payload, std::string& result) {
    // The arguments are read in order and before the call, so that an error in one is that, and not
    // an exception of the task's.
    std::tuple<Stored<P>...> values = read(payload, std::index_sequence_for<P...>{});
    if constexpr (FlowResult<R>::kIsFlow) {
      context.replace_with(std::apply(f, std::move(values)).part());
      result.append("null");
    } else if constexpr (std::is_void_v<R>) {
      std::apply(f, std::move(values));
      result.append("null");
    } else {
      write_json(result, std::apply(f, std::move(values)));
    }
  }
};

template <class F>
struct TaskFrom {
  static_assert(
      KnownSignature<F>,
      "penstock: the parameters of a task must be known: a function, or a function object "
      "with one call operator and without `auto` parameters.");
  using Described = SignatureOf<F>;
  using Return = std::remove_cvref_t<typename Described::Return>;
  using Split = WithoutContext<typename Described::Parameters>;
  using Make = MakeTask<Return, typename Split::Parameters>;
  using type = typename Make::type;
};

}  // namespace detail

// One call of a task with options of its own: task.with({.delay = 5s}).
template <class Signature>
struct Call {
  Task<Signature> task;
  EnqueueOptions options;
};

// R is what the task returns, Args are what it takes, without Context. Copies are cheap and mean
// the same task. Threads: any.
template <class R, class... Args>
class Task<R(Args...)> {
 public:
  using Result = R;
  using Signature = R(Args...);

  explicit Task(std::shared_ptr<const detail::TaskDefinition> definition)
      : definition_(std::move(definition)) {}

  [[nodiscard]] const std::string& name() const { return definition_->name; }
  [[nodiscard]] const TaskOptions& options() const { return definition_->options; }
  [[nodiscard]] Call<R(Args...)> with(EnqueueOptions options) const {
    return {*this, std::move(options)};
  }

  // For App.
  [[nodiscard]] const std::shared_ptr<const detail::TaskDefinition>& definition() const {
    return definition_;
  }
  // {"args":[...]}
  template <class... Given>
  static void write_payload(std::string& out, Given&&... given) {
    static_assert(sizeof...(Given) == sizeof...(Args),
                  "penstock: the task takes another number of arguments (Context does not count).");
    if constexpr (sizeof...(Given) == sizeof...(Args)) {
      out.append("{\"args\":[");
      std::size_t n = 0;
      ((n++ > 0 ? out.push_back(',') : void(),
        write_argument<Args>(out, std::forward<Given>(given))),
       ...);
      out.append("]}");
    }
  }
  // The same of one tuple of arguments; a task of one parameter is also given the bare value.
  template <class Tuple>
  static void write_tuple(std::string& out, Tuple&& arguments) {
    if constexpr (detail::TupleLike<Tuple>) {
      std::apply(
          [&](auto&&... given) { write_payload(out, std::forward<decltype(given)>(given)...); },
          std::forward<Tuple>(arguments));
    } else {
      static_assert(sizeof...(Args) == 1,
                    "penstock: give a std::tuple of arguments for each call (a task of one "
                    "parameter takes the bare values, too).");
      if constexpr (sizeof...(Args) == 1) write_payload(out, std::forward<Tuple>(arguments));
    }
  }

 private:
  template <class Wanted, class Given>
  static void write_argument(std::string& out, Given&& given) {
    if constexpr (std::same_as<Wanted, std::remove_cvref_t<Given>> ||
                  (std::same_as<Wanted, std::string> &&
                   std::convertible_to<const Given&, std::string_view>)) {
      detail::write_json(out, given);
    } else if constexpr (!std::is_convertible_v<Given, Wanted>) {
      static_assert(std::is_convertible_v<Given, Wanted>,
                    "penstock: an argument does not convert to the type of the task's parameter.");
    } else {
      const Wanted wanted = static_cast<Wanted>(std::forward<Given>(given));
      detail::write_json(out, wanted);
    }
  }

  std::shared_ptr<const detail::TaskDefinition> definition_;
};

// A task from a function, a lambda or a function object. Several threads call it at once, so its
// call operator must be const. Throws InvalidInput: a name that is no name, a priority over 9.
template <class F>
[[nodiscard]] auto task(std::string name, F function, TaskOptions options = {}) {
  using From = detail::TaskFrom<F>;
  auto run = From::Make::template runner<From::Split::kTakesContext>(std::move(function));
  return typename From::type(detail::define_task(std::move(name), std::move(options),
                                                 std::move(run), From::Make::reader()));
}

// A task whose function is in another program: it can be enqueued, not added.
//   const auto resize = penstock::remote_task<std::string(std::string, int)>("resize");
template <class Signature>
[[nodiscard]] Task<Signature> remote_task(std::string name, TaskOptions options = {}) {
  return Task<Signature>(detail::define_task(std::move(name), std::move(options), {}));
}

}  // namespace penstock
