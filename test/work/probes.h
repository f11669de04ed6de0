// The tasks that the items of `lives/items` submit: each says when it starts and ends, so that
// what ran, and what ran at once, is known from those that ran it.
//
// A line is "<id> <attempt> <task> start|end <microseconds> <label or -> <due or ->", written with
// one call to a file that is only appended to: whatever kills this process comes before or after
// it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <penstock/penstock.hpp>
#include <stdexcept>
#include <string>

namespace probes {

// One line at the end of the file, in one piece.
inline void append_line(const std::string& path, const std::string& line) {
  const int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0 || ::write(file, line.data(), line.size()) < 0) std::abort();
  ::close(file);
}

using Json = boost::json::value;
using Probe = penstock::Task<Json(Json)>;

class Probes {
 public:
  // `folder` has the lines, and `roads` once the roads are open.
  explicit Probes(std::string folder) : folder_(std::move(folder)) {}

  void add_to(penstock::App& app) const {
    app.add(probe_, parent_, endless_, endless_alone_, talk_, road_);
  }

 private:
  void say(const penstock::Context& context, const Json& given, const char* what) const {
    const auto* label = given.as_object().if_contains("label");
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    append_line(folder_ + "/probes",
                std::to_string(context.id()) + " " + std::to_string(context.attempt()) + " " +
                    std::string(context.name()) + " " + what + " " + std::to_string(now.count()) +
                    " " + (label == nullptr ? "-" : label->as_string().c_str()) + " " +
                    context.header("penstock-due").value_or("-") + "\n");
  }
  template <class Body>
  Probe make(const char* name, Body body, penstock::TaskOptions options = {}) const {
    return penstock::task(
        name,
        [this, body](penstock::Context& context, const Json& given) -> Json {
          say(context, given, "start");
          Json value = body(context, given);
          say(context, given, "end");
          return value;
        },
        std::move(options));
  }

  // Until it is told to stop, or so long.
  static void wait(const penstock::Context& context, penstock::Duration time) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    (void)never.wait_for(lock, context.stop_token(), time, [] { return false; });
  }
  // Only what takes time can be seen to overlap.
  static Json hold(const penstock::Context& context, const Json& given) {
    const auto& what = given.as_object();
    if (const auto* ms = what.if_contains("hold"))
      wait(context, std::chrono::milliseconds(ms->to_number<int>()));
    return what.at("value");
  }
  // What it enqueues is due only when itself has expired.
  static Json beget(penstock::Context& context, const Json& given) {
    const auto child = penstock::remote_task<Json(Json)>("probe");
    const penstock::Duration delay =
        std::chrono::milliseconds(given.at("delay").to_number<std::int64_t>());
    const auto id =
        context.enqueue(child.with({.queue = std::string(context.queue()), .delay = delay}),
                        Json{{"value", nullptr}});
    return boost::json::string(std::to_string(id));
  }
  static Json wait_for_stop(penstock::Context& context) {
    // Again and again: a server that died knows nothing of it.
    while (!context.stop_requested()) {
      context.progress(1, 2, "half way");
      wait(context, std::chrono::milliseconds(100));
    }
    context.check();
    return nullptr;
  }
  static Json talk(penstock::Context& context, const Json& given) {
    const auto lines = given.at("lines").to_number<int>();
    for (int line = 1; line <= lines; ++line) {
      context.log("line " + std::to_string(line));
      context.progress(line, lines, "talking");
    }
    return lines;
  }
  Json go(const Json& given) const {
    if (::access((folder_ + "/roads").c_str(), F_OK) != 0)
      throw penstock::Permanent(std::string(given.at("why").as_string()));
    return given.at("value");
  }

  const std::string folder_;
  const Probe probe_ = make("probe", hold);
  const Probe parent_ = make("parent", beget);
  const Probe endless_ =
      make("endless", [](penstock::Context& c, const Json&) { return wait_for_stop(c); });
  const Probe endless_alone_ = make("endless_alone",
                                    [](penstock::Context&, const Json&) -> Json {
                                      for (;;) ::pause();
                                    },
                                    {.isolation = penstock::Isolation::process});
  const Probe talk_ = make("talk", talk);
  const Probe road_ =
      make("road", [this](penstock::Context&, const Json& given) { return go(given); });
};

}  // namespace probes
