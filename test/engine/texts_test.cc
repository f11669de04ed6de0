// Small parts that hold what others say: names, patterns, workers, and where a message died.
#include <gtest/gtest.h>

#include <set>

#include "engine/access.h"
#include "engine/command.h"
#include "engine/deaths.h"
#include "engine/event.h"
#include "engine/json_text.h"
#include "engine/names.h"
#include "engine/pattern.h"
#include "engine/worker.h"
#include "engine/worker_list.h"
#include "engine/worker_orders.h"

namespace penstock::engine {
namespace {

// Each value has a name of its own.
template <class Value>
void expect_names(Value first, Value last) {
  std::set<std::string_view> names;
  for (auto n = static_cast<int>(first); n <= static_cast<int>(last); ++n)
    EXPECT_TRUE(names.insert(name_of(static_cast<Value>(n))).second) << n;
}

TEST(Names, of_values_are_all_different) {
  expect_names(Right::configure, Right::read);
  expect_names(ReturnReason::nack, ReturnReason::declined);
  expect_names(MoveReason::none, MoveReason::poisoned);
  expect_names(TaskState::unknown, TaskState::waiting);
  expect_names(Cause::none, Cause::out_of_memory);
}

TEST(Names, of_task_states_that_are_final_are_those_that_have_ended) {
  std::set<std::string_view> final;
  for (auto n = 0; n <= static_cast<int>(TaskState::waiting); ++n)
    if (is_final(static_cast<TaskState>(n))) final.insert(name_of(static_cast<TaskState>(n)));
  EXPECT_EQ(final, (std::set<std::string_view>{"done", "failed", "cancelled", "expired"}));
}

TEST(Names, in_a_virtual_host_are_names_on_both_sides_of_the_separator) {
  EXPECT_TRUE(valid_scoped_name("queue", "queue name"));
  EXPECT_TRUE(valid_scoped_name(scoped_name("shop", "queue"), "queue name"));
  EXPECT_FALSE(valid_scoped_name(scoped_name("", "queue"), "queue name"));
  EXPECT_FALSE(valid_scoped_name(scoped_name("shop", ""), "queue name"));
}

TEST(Json, that_is_cut_has_no_half_of_a_letter) {
  const auto cut = [](std::string_view text, std::size_t longest) {
    Bytes out;
    append_json(out, text, longest);
    return std::string(as_text(out));
  };
  EXPECT_EQ(cut("a\"b\n", 9), "a\\\"b\\u000a");
  EXPECT_EQ(cut("a\xc3\xa4", 2), "a");
  EXPECT_EQ(cut("\x80\x80\x80", 2), "") << "no letter begins anywhere";
}

TEST(Patterns, that_cannot_be_searched_for_in_little_memory_are_refused) {
  EXPECT_TRUE(Pattern::compile("^a.*z$"));
  for (const auto* text : {"((a{1,100}){1,100}){1,100}", "(x{900}y){20}", "(", "\xff"})
    EXPECT_FALSE(Pattern::compile(text)) << text;
  EXPECT_FALSE(Pattern::compile(std::string(10'000, 'x')));
  const auto nothing = Pattern::kept("(");
  EXPECT_EQ(nothing.text(), "(");
  EXPECT_FALSE(nothing.matches("("));
}

// ---- where a message died

Death death(std::string queue, MoveReason reason) {
  Death one;
  one.queue = std::move(queue);
  one.reason = reason;
  one.exchange = "x";
  one.keys = {"k", "l"};
  return one;
}

TEST(Deaths, at_one_place_for_one_reason_are_counted_and_the_newest_comes_first) {
  Deaths deaths;
  deaths.add(death("a", MoveReason::rejected));
  deaths.add(death("b", MoveReason::expired));
  deaths.add(death("a", MoveReason::expired));
  deaths.add(death("a", MoveReason::rejected));
  EXPECT_EQ(deaths.first_queue, "a");
  ASSERT_EQ(deaths.entries.size(), 3u);
  EXPECT_EQ(deaths.entries[0].queue, "a");
  EXPECT_EQ(deaths.entries[0].reason, MoveReason::rejected);
  EXPECT_EQ(deaths.entries[0].count, 2u);
  EXPECT_FALSE(deaths.is_circle("b")) << "it was rejected since";
  EXPECT_FALSE(deaths.is_circle("elsewhere"));
}

TEST(Deaths, are_kept_up_to_a_number_and_the_oldest_forgotten) {
  Deaths deaths;
  for (std::size_t n = 0; n < kDeathsMax + 3; ++n)
    deaths.add(death("q" + std::to_string(n), MoveReason::expired));
  EXPECT_EQ(deaths.entries.size(), kDeathsMax);
  EXPECT_EQ(deaths.entries.front().queue, "q" + std::to_string(kDeathsMax + 2));
  EXPECT_EQ(deaths.first_queue, "q0") << "what came first is known all the same";
}

TEST(Deaths, of_which_only_the_first_is_known_keep_that) {
  Deaths deaths;
  deaths.first_queue = "before";
  deaths.add(death("a", MoveReason::rejected));
  EXPECT_EQ(deaths.first_queue, "before");
  EXPECT_EQ(deaths.entries.size(), 1u);
}

TEST(Deaths, that_are_cut_short_at_any_byte_are_none) {
  Deaths deaths;
  deaths.add(death("a", MoveReason::rejected));
  deaths.add(death("b", MoveReason::expired));
  Bytes bytes;
  encode(bytes, deaths);
  EXPECT_EQ(decode_deaths(bytes).entries.size(), 2u);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = decode_deaths(ByteView(bytes).first(size));
    EXPECT_TRUE(cut.entries.empty()) << size;
    EXPECT_TRUE(cut.first_queue.empty()) << size;
  }
}

// ---- workers

WorkerSpec worker(std::uint64_t id) {
  WorkerSpec spec;
  spec.id = id;
  spec.name = "w" + std::to_string(id);
  spec.queues = {"q"};
  return spec;
}

TEST(Workers, that_say_what_they_cannot_are_refused) {
  EXPECT_TRUE(check_worker(worker(1)));
  const struct {
    const char* what;
    void (*change)(WorkerSpec&);
  } wrong[] = {
      {"no id", [](WorkerSpec& spec) { spec.id = 0; }},
      {"no name", [](WorkerSpec& spec) { spec.name.clear(); }},
      {"a host of two lines", [](WorkerSpec& spec) { spec.host = "a\nb"; }},
      {"a version of two lines", [](WorkerSpec& spec) { spec.library = "a\nb"; }},
      {"no queues", [](WorkerSpec& spec) { spec.queues.clear(); }},
      {"many queues", [](WorkerSpec& spec) { spec.queues.assign(kWorkerQueuesMax + 1, "q"); }},
      {"many tasks", [](WorkerSpec& spec) { spec.tasks.assign(kWorkerTasksMax + 1, "t"); }},
      {"a task without a name", [](WorkerSpec& spec) { spec.tasks = {""}; }},
      {"long names",
       [](WorkerSpec& spec) { spec.tasks.assign(kWorkerTasksMax, std::string(200, 't')); }},
  };
  for (const auto& one : wrong) {
    auto spec = worker(1);
    one.change(spec);
    EXPECT_FALSE(check_worker(spec)) << one.what;
  }
}

TEST(Workers, tell_of_so_many_running_tasks_each_with_a_name_or_none) {
  WorkerBeat beat;
  beat.running.resize(2);
  beat.running[0].name = "task";
  EXPECT_TRUE(check_beat(beat));
  beat.running[1].name = "a\nb";
  EXPECT_FALSE(check_beat(beat));
  beat.running.assign(kWorkerRunningMax + 1, {});
  EXPECT_FALSE(check_beat(beat));
}

TEST(Workers, are_listed_up_to_a_number_and_one_that_is_listed_may_say_it_again) {
  WorkerList list;
  for (std::uint64_t n = 1; n <= kWorkersMax; ++n)
    list.set(SessionId(static_cast<std::uint32_t>(n)), worker(n), Time{});
  list.check();
  EXPECT_TRUE(list.is_full(SessionId(kWorkersMax + 1), kWorkersMax + 1));
  EXPECT_FALSE(list.is_full(SessionId(7), kWorkersMax + 1)) << "the session's former one goes";
  EXPECT_FALSE(list.is_full(SessionId(kWorkersMax + 1), 7)) << "it has come back";
  list.remove(SessionId(7));
  EXPECT_FALSE(list.is_full(SessionId(kWorkersMax + 1), kWorkersMax + 1));
}

TEST(Workers, know_the_tasks_that_they_name_or_whatever_comes) {
  Worker one;
  one.spec = worker(1);
  one.spec.tasks = {"a"};
  EXPECT_TRUE(one.knows("a"));
  EXPECT_FALSE(one.knows("b"));
  one.spec.any_task = true;
  EXPECT_TRUE(one.knows("b"));
  EXPECT_TRUE(one.serves("q"));
  EXPECT_FALSE(one.serves("r"));
}

TEST(Workers, are_chosen_by_name_queue_and_either_version) {
  auto spec = worker(1);
  spec.program = "1.0";
  spec.library = "2.0";
  EXPECT_TRUE(WorkerSelector{}.fits(spec));
  EXPECT_TRUE((WorkerSelector{"w*", "?", "2.*"}.fits(spec)));
  EXPECT_TRUE((WorkerSelector{"", "", "1.0"}.fits(spec)));
  EXPECT_FALSE((WorkerSelector{"", "", "3.0"}.fits(spec)));
  EXPECT_FALSE((WorkerSelector{"", "r", ""}.fits(spec)));
  EXPECT_FALSE((WorkerSelector{"x*", "", ""}.fits(spec)));
}

// ---- what they are told

TEST(WorkerOrders, to_stop_are_forgotten_by_the_next_order_after_their_time) {
  WorkerOrders orders;
  const std::uint64_t target[]{7};
  WorkerOrderedEvent stop;
  stop.number = 1;
  stop.kind = OrderKind::stop;
  stop.targets = target;
  orders.add(stop);
  WorkerOrderedEvent quiet;
  quiet.number = 2;
  quiet.at = Time{} + kStopOrderLife - std::chrono::seconds(1);
  orders.add(quiet);
  EXPECT_TRUE(orders.all().contains(1));
  quiet.number = 3;
  quiet.at = Time{} + kStopOrderLife;
  orders.add(quiet);
  EXPECT_FALSE(orders.all().contains(1));
  orders.check();
}

TEST(WorkerOrders, without_a_number_are_none) {
  for (const std::uint64_t number : {0, 1, 2}) {
    WorkerOrderedEvent event;
    event.number = number;
    Bytes head, bytes;
    encode(head, event);
    Encoder(bytes).varint(2).varint(1).prefixed(head);
    Cursor in(bytes);
    WorkerOrders orders;
    EXPECT_EQ(orders.restore(in), number == 1) << number;
  }
}

}  // namespace
}  // namespace penstock::engine
