// Schedules that are refused, put again, paused twice, or whose queue keeps nothing.
#include "engine/names.h"
#include "test/broker/schedule_fixture.h"

namespace penstock::broker {
namespace {

class ScheduleCornersTest : public ScheduleTest {};

TEST_F(ScheduleCornersTest, have_names_and_queues_in_a_virtual_host_that_is_there) {
  const auto nowhere = engine::scoped_name("nowhere", "tick");
  const struct {
    std::string_view name, queue;
    ErrorCode code;
  } rows[] = {{"", "q", ErrorCode::invalid},
              {"a\nb", "q", ErrorCode::invalid},
              {"tick", "", ErrorCode::invalid},
              {"tick", "a\nb", ErrorCode::invalid},
              {nowhere, nowhere, ErrorCode::not_found}};
  for (const auto& [name, queue, code] : rows) {
    auto one = spec(name, "@daily");
    one.queue = queue;
    const auto got = put(one);
    EXPECT_EQ(got.kind, "error") << name << " " << queue;
    EXPECT_EQ(got.error.code, code) << name << " " << queue;
  }
  EXPECT_TRUE(broker->schedules(session)->empty());
}

TEST_F(ScheduleCornersTest, begin_anew_in_another_time_zone) {
  auto one = spec("tick", "@every 10m");
  EXPECT_TRUE(put(one).created);
  run_for(5min);
  one.body = as_bytes("other work");
  EXPECT_EQ(put(one).kind, "done");
  EXPECT_EQ(schedule("tick").next_due, schedule("tick").since + 10min) << "as it was";
  EXPECT_LT(schedule("tick").since, clock.now());
  one.zone = "Asia/Tokyo";
  EXPECT_EQ(put(one).kind, "done");
  EXPECT_EQ(schedule("tick").since, clock.now());
  EXPECT_EQ(schedule("tick").zone, "Asia/Tokyo");
}

TEST_F(ScheduleCornersTest, that_are_put_unpaused_go_on_from_then) {
  auto one = spec("tick", "@every 1m");
  put(one);
  EXPECT_EQ(pause("tick").kind, "done");
  const auto written = broker->statistics().journal.appended_bytes;
  EXPECT_EQ(pause("tick").kind, "done") << "it is so already";
  EXPECT_EQ(broker->statistics().journal.appended_bytes, written);
  run_for(10min);
  EXPECT_TRUE(dues().empty());
  one.paused = false;
  EXPECT_EQ(put(one).kind, "done");
  run_for(2min);
  EXPECT_EQ(dues().size(), 2u) << "what came while it was paused is not made up for";
}

TEST_F(ScheduleCornersTest, that_publish_to_a_stream_never_wait_for_their_last_run) {
  declare("q", {{"stream", "true"}});
  auto one = spec("tick", "@every 1m");
  one.overlap = Overlap::skip;
  put(one);
  run_for(3min);
  EXPECT_EQ(schedule("tick").fired, 3u);
  EXPECT_EQ(schedule("tick").skipped, 0u);
}

TEST_F(ScheduleCornersTest, whose_last_run_was_in_memory_do_not_wait_for_it_after_a_restart) {
  declare("q", {{"durable", "false"}});
  auto one = spec("tick", "@every 1m");
  one.overlap = Overlap::skip;
  put(one);
  run_for(2min);
  EXPECT_EQ(schedule("tick").fired, 1u);
  EXPECT_EQ(schedule("tick").skipped, 1u);
  restart();
  declare("other", {{"durable", "false"}});
  send("other", "has the number of that run now");
  run_for(1min);
  EXPECT_EQ(schedule("tick").fired, 2u);
  broker->check();
}

TEST_F(ScheduleCornersTest, say_why_they_could_not_publish_and_try_again) {
  options.max_queues = 1;
  restart();
  declare("another", {});
  put(spec("tick", "@every 1h"));
  run_for(1h + 1min);
  EXPECT_EQ(schedule("tick").fired, 0u);
  EXPECT_GT(schedule("tick").refused, 0u);
  EXPECT_NE(schedule("tick").last_error, "");
  broker->remove(session, ++tag, "another");
  wait(tag);
  run_for(2min);
  EXPECT_EQ(schedule("tick").fired, 1u);
  EXPECT_EQ(schedule("tick").last_error, "");
}

}  // namespace
}  // namespace penstock::broker
