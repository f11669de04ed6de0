// A trace from whoever enqueued the first task to the last one that came of it.
#include <gtest/gtest.h>

#include <penstock/penstock.hpp>
#include <penstock/testing.hpp>

namespace penstock::testing {
namespace {

const std::string kTraceId = "0af7651916cd43dd8448eb211c80319c";
const Headers kOutside{{"traceparent", "00-" + kTraceId + "-b7ad6b7169203331-01"},
                       {"tracestate", "rojo=1"}};

TEST(Traces, GoFromATaskToThoseThatItEnqueues) {
  TestApp app;
  std::vector<std::optional<Trace>> seen;
  const auto child = task("child", [&](Context& context) { seen.push_back(context.trace()); });
  const auto parent = task("parent", [&](Context& context) {
    seen.push_back(context.trace());
    app->enqueue(child);
    app->send("plain", "body");
  });
  app->add(parent, child);
  app->enqueue(parent.with({.headers = kOutside}));
  app.run_until_idle();
  ASSERT_EQ(seen.size(), 2U);
  ASSERT_TRUE(seen[0] && seen[1]);
  EXPECT_EQ(seen[0]->trace_id, kTraceId);
  EXPECT_EQ(seen[0]->parent_id, "b7ad6b7169203331");
  EXPECT_TRUE(seen[0]->sampled);
  EXPECT_EQ(seen[1]->trace_id, kTraceId);
  EXPECT_EQ(seen[1]->parent_id, seen[0]->span_id);
  EXPECT_EQ(seen[1]->state, "rojo=1");
  EXPECT_NE(seen[1]->span_id, seen[0]->span_id);
  EXPECT_EQ(seen[0]->span_id.size(), 16U);
  const auto messages = app->receive("plain");
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].header("traceparent"), seen[0]->traceparent());
}

TEST(Traces, GoOnInTheWorkflowThatATaskLeavesInItsPlace) {
  TestApp app;
  std::vector<std::optional<Trace>> seen;
  const auto step_of_it = task("step", [&](Context& context) { seen.push_back(context.trace()); });
  const auto parent = task("parent", [&](Context& context) -> Flow<void> {
    seen.push_back(context.trace());
    return step(step_of_it);
  });
  app->add(parent, step_of_it);
  app->enqueue(parent.with({.headers = kOutside}));
  app.run_until_idle();
  ASSERT_EQ(seen.size(), 2U);
  ASSERT_TRUE(seen[0] && seen[1]);
  EXPECT_EQ(seen[1]->trace_id, kTraceId);
  EXPECT_EQ(seen[1]->parent_id, seen[0]->span_id);
}

TEST(Traces, AreNotMadeUpAndEndWithTheTask) {
  TestApp app;
  bool none = false;
  const auto look = task("look", [&](Context& context) { none = !context.trace(); });
  app->add(look);
  app->enqueue(look.with({.headers = {{"traceparent", "00-nonsense"}}}));
  app.run_until_idle();
  EXPECT_TRUE(none);
  app->enqueue(look.with({.headers = kOutside}));
  app.run_until_idle();
  app->enqueue(look);
  EXPECT_TRUE(app.enqueued().back().headers.empty());
}

TEST(Traces, GiveWayToOnesThatAreNamed) {
  TestApp app;
  const Headers own{
      {"traceparent", "00-" + std::string(32, 'a') + "-" + std::string(16, 'b') + "-00"}};
  const auto child = remote_task<void()>("child");
  const auto parent = task("parent", [&](Context&) { app->enqueue(child.with({.headers = own})); });
  app->add(parent);
  app->enqueue(parent.with({.headers = kOutside}));
  app.run_until_idle();
  EXPECT_EQ(app.enqueued(child).at(0).headers, own);
}

TEST(Traces, TellTheAttemptsOfATaskApart) {
  TestApp app;
  std::vector<std::string> spans;
  const auto fails = task("fails",
                          [&](Context& context) {
                            spans.push_back(context.trace()->span_id);
                            EXPECT_EQ(spans.back(), context.trace()->span_id);
                            throw std::runtime_error("no");
                          },
                          {.max_attempts = 2});
  app->add(fails);
  app->enqueue(fails.with({.headers = kOutside}));
  app.run_to_end();
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_NE(spans[0], spans[1]);
}

}  // namespace
}  // namespace penstock::testing
