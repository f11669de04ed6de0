#include "task/failure.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <typeinfo>

#include "base/text.h"
#include "penstock/task.hpp"

namespace penstock::detail {
namespace {

// Fit to be told: whatever a task throws must come to be known.
std::string fit(std::string text) {
  if (text.size() > kErrorBytesMax) {
    std::size_t end = kErrorBytesMax;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text.resize(end);
  }
  return to_valid_utf8(std::move(text));
}

std::string text_of(const std::exception& exception) {
  return fit(type_name(typeid(exception)) + ": " + exception.what());
}

template <class E>
[[noreturn]] void throw_as(const std::string& message) {
  throw E(message);
}

struct KnownType {
  std::string_view name;
  void (*rethrow)(const std::string& message);
};
constexpr KnownType kKnownTypes[] = {
    {"std::runtime_error", throw_as<std::runtime_error>},
    {"std::range_error", throw_as<std::range_error>},
    {"std::overflow_error", throw_as<std::overflow_error>},
    {"std::underflow_error", throw_as<std::underflow_error>},
    {"std::logic_error", throw_as<std::logic_error>},
    {"std::invalid_argument", throw_as<std::invalid_argument>},
    {"std::domain_error", throw_as<std::domain_error>},
    {"std::length_error", throw_as<std::length_error>},
    {"std::out_of_range", throw_as<std::out_of_range>},
    {"std::bad_alloc", [](const std::string&) { throw std::bad_alloc(); }},
};

// What the rules make of it.
AttemptFailure judge(const std::exception& thrown, std::span<const RetryRule> rules,
                     std::uint32_t attempt, const std::function<std::uint64_t()>& random) {
  AttemptFailure failure{.text = text_of(thrown)};
  if (dynamic_cast<const std::bad_alloc*>(&thrown) != nullptr)
    failure.cause = engine::Cause::out_of_memory;
  for (const auto& rule : rules) {
    if (rule.fits == nullptr || !rule.fits(thrown)) continue;
    const bool last = rule.max_attempts > 0 && attempt >= rule.max_attempts;
    failure.retry = (rule.backoff || rule.delay) && !last;
    if (!failure.retry) break;
    failure.delay = rule.delay ? std::max(rule.delay(thrown), Duration(0))
                               : flow::delay_after(to_backoff(*rule.backoff), attempt, random());
    break;
  }
  return failure;
}

}  // namespace

std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  std::string text = status == 0 && name != nullptr ? name.get() : type.name();
  // An inline namespace of the standard library that no user ever wrote.
  for (std::string_view noise = "__cxx11::"; true;) {
    const auto at = text.find(noise);
    if (at == std::string::npos) return text;
    text.erase(at, noise.size());
  }
}

}  // namespace penstock::detail

namespace penstock {

Stopped::Stopped(Stop why)
    : Exception([why] {
        switch (why) {
          case Stop::cancelled:
            return "the task was cancelled";
          case Stop::timed_out:
            return "the task's time is up";
          case Stop::lease_lost:
            return "the task's lease is lost: it belongs to someone else now";
          case Stop::shutdown:
            return "the workers stop";
          case Stop::none:
            break;
        }
        return "the task was told to stop";
      }()),
      why_(why) {}

}  // namespace penstock

namespace penstock::detail {

flow::Backoff to_backoff(const Backoff& backoff) {
  flow::Backoff made;
  switch (backoff.kind) {
    case Backoff::Kind::none:
      made.kind = flow::Backoff::Kind::none;
      break;
    case Backoff::Kind::fixed:
      made.kind = flow::Backoff::Kind::fixed;
      break;
    case Backoff::Kind::exponential:
      made.kind = flow::Backoff::Kind::exponential;
      break;
  }
  made.base = backoff.base;
  made.cap = std::max(backoff.cap, backoff.base);
  made.jitter = backoff.jitter;
  return made;
}

void throw_error(const Error& error) {
  switch (error.code) {
    case ErrorCode::invalid:
    case ErrorCode::too_large:
    case ErrorCode::denied:
      throw InvalidInput(error.message, error.hint);
    case ErrorCode::not_found:
      throw NotFound(error.message, error.hint);
    case ErrorCode::conflict:
    case ErrorCode::locked:
      throw Conflict(error.message, error.hint);
    case ErrorCode::duplicate:
      throw Duplicate(error.message, error.id.value);
    case ErrorCode::timeout:
      throw Timeout(error.message, error.hint);
    case ErrorCode::busy:
      throw Refused({.message = error.message});
    case ErrorCode::closed:
      throw Closed(error.message, error.hint);
    case ErrorCode::io:
    case ErrorCode::full:
    case ErrorCode::corrupt:
    case ErrorCode::unsupported:
      break;
  }
  throw StorageError(error.message, error.hint);
}

AttemptFailure describe_current_exception(std::span<const RetryRule> rules, std::uint32_t attempt,
                                          const std::function<std::uint64_t()>& random) {
  try {
    throw;
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (const RetryAfter& later) {
    return {.text = text_of(later), .delay = later.delay()};
  } catch (const Permanent& permanent) {
    return {.text = text_of(permanent), .retry = false};
  } catch (const ArgumentError& wrong) {
    return {.text = fit(std::string("penstock::ArgumentError: ") + wrong.what()), .declined = true};
  } catch (const std::exception& exception) {
    return judge(exception, rules, attempt, random);
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return {.text = fit((type != nullptr ? type_name(*type) : "unknown") +
                        ": an exception that is no std::exception")};
  }
}

std::string refusal_of_result(const Error& error) {
  return fit("penstock::Permanent: the result was refused: " + error.message);
}

std::pair<std::string_view, std::string_view> split_error(std::string_view text) {
  const auto colon = text.find(": ");
  if (colon == text.npos) return {{}, text};
  return {text.substr(0, colon), text.substr(colon + 2)};
}

void rethrow_task_error(std::string_view text, std::uint32_t attempts) {
  const auto [type, what] = split_error(text);
  const std::string message(what);
  for (const auto& known : kKnownTypes)
    if (known.name == type) known.rethrow(message);
  throw TaskError(std::string(type), message, attempts);
}

}  // namespace penstock::detail
