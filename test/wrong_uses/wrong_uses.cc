// What must not compile, and the reason that is to be read then (wrong_uses_test.py): it stands
// above the line that is wrong. The compiler names the first use only of what is made twice.
#include <string>
#include <tuple>
#include <vector>

#include "penstock/penstock.hpp"

namespace {

const auto add = penstock::task("add", [](int a, int b) { return a + b; });
const auto add_all = penstock::task("add_all", [](long a, long b) { return a + b; });
const auto multiply = penstock::task("multiply", [](double a, double b) { return a * b; });
const auto square = penstock::task("square", [](int a) { return a * a; });
const auto length = penstock::task("length", [](std::string text) { return text.size(); });
const std::vector<std::tuple<int>> singles;
const std::vector<std::tuple<int, std::string>> mixed;
const std::vector<int> bare;

[[maybe_unused]] void uses(penstock::App& app) {
  // the task takes another number of arguments
  app.enqueue(add, 1);
  // an argument does not convert to the type of the task's parameter
  app.enqueue(square, "text");
  // the task takes another number of arguments
  app.enqueue_many(add, singles);
  // an argument does not convert to the type of the task's parameter
  app.enqueue_many(add, mixed);
  // give a std::tuple of arguments for each call
  app.enqueue_many(add, bare);

  // give a step all arguments of its task, or all but the first one
  (void)penstock::step(add);
  // an argument does not convert to the type of the task's parameter
  (void)penstock::step(add, 1, "two");
  // an argument does not convert to the type of the task's parameter
  (void)penstock::step(add, "two");
  // the task takes another number of arguments
  (void)penstock::map(add_all, singles);
  // an argument does not convert to the type of the task's parameter
  (void)penstock::map(add_all, mixed);
  // give a std::tuple of arguments for each call
  (void)penstock::map(add_all, bare);
  // an argument does not convert to the type of the task's parameter
  (void)penstock::chunks(multiply, mixed, 10);

  // a step of the chain cannot take the value of the one before it
  (void)penstock::chain(penstock::step(square, 2), penstock::step(length));
  // all members of a group are given the same value
  (void)penstock::group(penstock::step(square), penstock::step(length));
  // what runs on success cannot take this part's value
  (void)penstock::step(square, 2).on_success(penstock::step(length));
  // what runs on an error is given a penstock::StepFailure
  (void)penstock::step(square, 2).on_error(penstock::step(length));
  // nothing comes before the workflow to give it a value
  (void)app.start(penstock::step(square));
  // the workflow that a task returns has nobody to give it a value
  (void)penstock::task("splits", [](int) { return penstock::step(square); });

  // a task's arguments come from another thread or process
  (void)penstock::task("out", [](int& out) { out = 1; });
  // a pointer means nothing in another process
  (void)penstock::task("pointer", [](const char* text) { return text[0] == 'a'; });
  // the parameters of a task must be known
  (void)penstock::task("generic", [](auto value) { return value; });
  // must be const
  (void)penstock::task("counts", [n = 0](int by) mutable { return n += by; });
}

}  // namespace
