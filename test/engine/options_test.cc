// The texts in which a queue's options, a group's fields and a key's limits are given: each is
// taken as it is shown, and a wrong one is refused with what would be right.
#include "engine/options.h"

#include <gtest/gtest.h>

#include <limits>

#include "engine/cause.h"
#include "engine/key_limit.h"
#include "engine/names.h"

namespace penstock::engine {
namespace {

using namespace std::chrono_literals;

struct Texts {
  std::string_view name, value;
};

// What is refused, and that the error says of what and shows it.
template <class Set>
void expect_refused(std::string_view name, std::string_view value, const Set& set) {
  const auto done = set();
  ASSERT_FALSE(done) << name << " took " << value.substr(0, 50);
  EXPECT_EQ(done.error().code, ErrorCode::invalid) << name;
  EXPECT_NE(done.error().message.find(name), std::string::npos) << done.error().message;
}

TEST(QueueOptions, take_back_the_text_they_show) {
  QueueOptions options;
  options.max_length = 7;
  options.overflow = Overflow::drop_oldest;
  options.backoff = {flow::Backoff::Kind::fixed, 3s, 3s, false};
  options.group_rate = 0.25;
  options.dead_letter = "elsewhere";
  options.paused = true;
  QueueOptions read;
  for (const auto& field : option_fields()) {
    const auto set = set_option(read, field.name, field.get(options));
    EXPECT_TRUE(set) << field.name << ": " << set.error().message;
  }
  EXPECT_TRUE(read == options);
}

TEST(QueueOptions, refuse_what_they_cannot_be) {
  const std::string long_text((64 << 10) + 1, 'x');
  const Texts wrong[] = {{"max_length", "many"},
                         {"max_length", "-1"},
                         {"max_bytes", "1 elephant"},
                         {"max_attempts", "4294967296"},
                         {"max_raised", "18446744073709551616"},
                         {"max_wait", "soon"},
                         {"ttl", "4000d"},
                         {"lease", "0s"},
                         {"lease", "1"},
                         {"overflow", "explode"},
                         {"backoff", "often"},
                         {"backoff", "fixed:"},
                         {"backoff", "exponential:1s"},
                         {"backoff", "exponential:1s:never"},
                         {"backoff", "exponential:never:1s"},
                         {"backoff", "exponential:5s:1s"},
                         {"dead_letter", "a\nb"},
                         {"rate", "-1"},
                         {"rate", "2e9"},
                         {"rate", "nan"},
                         {"rate", "1x"},
                         {"group_rate", "x"},
                         {"paused", "yes"},
                         {"max_priority", "16"},
                         {"max_priority", "x"},
                         {"arguments", long_text}};
  for (const auto& [name, value] : wrong) {
    QueueOptions options;
    expect_refused(name, value, [&] { return set_option(options, name, value); });
    EXPECT_TRUE(options == QueueOptions{}) << name;
  }
  QueueOptions options;
  expect_refused("speed", "1", [&] { return set_option(options, "speed", "1"); });
}

TEST(QueueOptions, are_of_one_kind_only_when_what_was_decided_at_the_creation_is_the_same) {
  const QueueOptions plain;
  EXPECT_TRUE(plain.same_kind(plain));
  for (const auto member :
       {&QueueOptions::durable, &QueueOptions::exclusive, &QueueOptions::stream}) {
    auto other = plain;
    other.*member = !(other.*member);
    EXPECT_FALSE(plain.same_kind(other));
  }
  auto longer = plain;
  longer.max_length = 1;
  EXPECT_TRUE(plain.same_kind(longer));
}

TEST(QueueOptions, that_hold_no_known_overflow_show_one_that_is) {
  QueueOptions options;
  options.overflow = static_cast<Overflow>(99);
  for (const auto& field : option_fields()) {
    if (field.name == "overflow") {
      EXPECT_EQ(field.get(options), "reject");
    }
  }
}

TEST(QueueOptions, name_a_queue_for_dead_letters_beside_their_own) {
  QueueOptions options;
  EXPECT_EQ(dead_letter_name("work", options), "work.dead");
  EXPECT_EQ(dead_letter_name("work.dead", options), "");
  EXPECT_EQ(dead_letter_name(std::string(250, 'x'), options), std::string(250, 'x') + ".dead");
  EXPECT_EQ(dead_letter_name(std::string(251, 'x'), options), "") << "the name would be too long";
  options.dead_letter = "grave";
  EXPECT_EQ(dead_letter_name(scoped_name("shop", "work"), options), scoped_name("shop", "grave"));
  options.dead_letter = "-";
  EXPECT_EQ(dead_letter_name("work", options), "");
}

TEST(QueueOptions, bound_the_attempts_of_each_cause) {
  QueueOptions options;
  options.max_raised = 1;
  options.max_timed_out = 2;
  options.max_worker_lost = 3;
  options.max_killed = 4;
  options.max_out_of_memory = 5;
  for (const auto cause : {Cause::none, Cause::raised, Cause::timed_out, Cause::worker_lost,
                           Cause::killed, Cause::out_of_memory})
    EXPECT_EQ(most_of(options, cause), static_cast<std::uint32_t>(cause)) << name_of(cause);
}

TEST(Causes, are_counted_up_to_the_most_that_is_kept_and_none_never) {
  CauseCounts counts;
  counts.count(Cause::none);
  EXPECT_TRUE(counts.empty());
  EXPECT_EQ(counts.of(Cause::none), 0);
  counts.set(Cause::raised, 0xfffe);
  counts.count(Cause::raised);
  counts.count(Cause::raised);
  EXPECT_EQ(counts.of(Cause::raised), 0xffff);
  EXPECT_FALSE(cause_named(""));
  EXPECT_FALSE(cause_named("bored"));
  EXPECT_EQ(cause_named("killed"), Cause::killed);
}

// ---- groups

TEST(GroupFields, are_taken_and_taken_back) {
  GroupSetting setting;
  for (const auto& [name, value] : {Texts{"rate", "2.5"}, {"weight", "1000"}, {"limit", "7"}})
    EXPECT_TRUE(set_group_field(setting, name, value)) << name;
  EXPECT_EQ(setting.rate, 2.5);
  EXPECT_EQ(setting.weight, 1000u);
  EXPECT_EQ(setting.limit, 7u);
  for (const auto* name : {"rate", "weight", "limit"})
    EXPECT_TRUE(set_group_field(setting, name, "default")) << name;
  EXPECT_FALSE(setting.rate);
  EXPECT_FALSE(setting.limit);
  EXPECT_EQ(setting.weight, 1u);
}

TEST(GroupFields, refuse_what_they_cannot_be) {
  const Texts wrong[] = {{"rate", "-1"},          {"rate", "fast"},    {"weight", "0"},
                         {"weight", "1001"},      {"weight", "heavy"}, {"limit", "x"},
                         {"limit", "4294967296"}, {"colour", "red"}};
  for (const auto& [name, value] : wrong) {
    GroupSetting setting;
    expect_refused(name, value, [&] { return set_group_field(setting, name, value); });
  }
}

// ---- keys

TEST(KeyLimits, are_read_from_their_texts) {
  KeyLimit limit;
  EXPECT_TRUE(set_until(limit, "start") && limit.rule == KeyRule::unique_start);
  EXPECT_TRUE(set_until(limit, "done") && limit.rule == KeyRule::unique_done);
  EXPECT_TRUE(set_until(limit, "10m") && limit.rule == KeyRule::unique_for);
  EXPECT_EQ(limit.time, 10min);
  EXPECT_FALSE(set_until(limit, "christmas"));
  const std::pair<std::string_view, OnConflict> conflicts[] = {{"reject", OnConflict::reject},
                                                               {"return", OnConflict::give_known},
                                                               {"replace", OnConflict::replace},
                                                               {"delay", OnConflict::delay}};
  for (const auto& [text, meant] : conflicts)
    EXPECT_TRUE(set_on_conflict(limit, text) && limit.on_conflict == meant) << text;
  EXPECT_FALSE(set_on_conflict(limit, "quarrel"));
  EXPECT_TRUE(set_throttle_rate(limit, "10/1m") && limit.rule == KeyRule::throttle);
  EXPECT_EQ(limit.most, 10u);
  EXPECT_EQ(limit.time, 1min);
  for (const auto* text : {"10", "ten/1m", "10/soon", "0/1m", "1001/1m", "/", ""})
    EXPECT_FALSE(set_throttle_rate(limit, text)) << text;
}

TEST(KeyLimits, that_cannot_be_kept_are_refused) {
  const auto year = std::chrono::hours(24 * 366);
  const std::string long_key(1025, 'k');
  const struct {
    const char* what;
    KeyLimit limit;
    bool good;
  } limits[] = {
      {"none", {}, true},
      {"unique", {.rule = KeyRule::unique_done, .key = "k"}, true},
      {"unique for a time", {.rule = KeyRule::unique_for, .key = "k", .time = year}, true},
      {"debounce", {.rule = KeyRule::debounce, .key = "k", .time = 1s}, true},
      {"debounce with an end",
       {.rule = KeyRule::debounce, .key = "k", .time = 1s, .max_wait = 2s},
       true},
      {"throttle",
       {.rule = KeyRule::throttle, .on_conflict = OnConflict::delay, .key = "k", .time = 1s},
       true},
      {"no key", {.rule = KeyRule::unique_done, .key = ""}, false},
      {"a long key", {.rule = KeyRule::unique_done, .key = long_key}, false},
      {"unique for no time", {.rule = KeyRule::unique_for, .key = "k"}, false},
      {"unique for ever", {.rule = KeyRule::unique_for, .key = "k", .time = year + 1s}, false},
      {"debounce without delay", {.rule = KeyRule::debounce, .key = "k"}, false},
      {"debounce that waits for ever",
       {.rule = KeyRule::debounce, .key = "k", .time = 1s, .max_wait = year + 1s},
       false},
      {"throttle of none", {.rule = KeyRule::throttle, .key = "k", .time = 1s, .most = 0}, false},
      {"throttle of too many",
       {.rule = KeyRule::throttle, .key = "k", .time = 1s, .most = kThrottleMost + 1},
       false},
      {"throttle without period", {.rule = KeyRule::throttle, .key = "k"}, false},
      {"throttle that replaces",
       {.rule = KeyRule::throttle, .on_conflict = OnConflict::replace, .key = "k", .time = 1s},
       false},
      {"unique that delays",
       {.rule = KeyRule::unique_done, .on_conflict = OnConflict::delay, .key = "k"},
       false},
  };
  for (const auto& [what, limit, good] : limits) EXPECT_EQ(check(limit).has_value(), good) << what;
}

}  // namespace
}  // namespace penstock::engine
