#include "cli/worker/exec_executor.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "cli/worker/process.h"
#include "cli/worker/result_text.h"
#include "os/real_clock.h"

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> words_of(std::string_view text, std::string_view payload = {}) {
  auto command = CommandTemplate::parse(text);
  if (!command) return {"parse: " + command.error().message};
  auto words = command->fill(Arguments::of(payload));
  return words ? *words : std::vector<std::string>{"fill: " + words.error().message};
}

using Words = std::vector<std::string>;

TEST(CommandTemplate, SplitsAtSpacesAndKeepsWhatIsQuotedTogether) {
  EXPECT_EQ(words_of("a  'b c' \"d e\" f\\ g ''"), (Words{"a", "b c", "d e", "f g", ""}));
  EXPECT_EQ(words_of(R"(a "say \"hi\"" 'back\slash' x'y'z)"),
            (Words{"a", "say \"hi\"", "back\\slash", "xyz"}));
}

TEST(CommandTemplate, PutsArgumentsInWithoutEverAddingAWord) {
  const std::string_view payload = R"({"args":["a b; rm -rf /",7,{"x":[1]},true,null],)"
                                   R"("kwargs":{"w":320,"name":"$HOME `x` \"'"}})";
  EXPECT_EQ(words_of("convert {0} -resize {w}x{1} {2} {3}{4} '{name}'", payload),
            (Words{"convert", "a b; rm -rf /", "-resize", "320x7", "{\"x\":[1]}", "truenull",
                   "$HOME `x` \"'"}));
}

TEST(CommandTemplate, ChangesNoNumber) {
  const std::string_view payload =
      R"({"args": [ 0.10, 1e3 , 12345678901234567890123, {"x": [1.50, "]\""]} ],)"
      R"( "kwargs": {"w": 1, "w": 2.0}, "other": [1]})";
  EXPECT_EQ(words_of("x {} {w}", payload), (Words{"x", "0.10", "1e3", "12345678901234567890123",
                                                  R"({"x": [1.50, "]\""]})", "2.0"}));
}

TEST(CommandTemplate, GivesAllArgumentsAWordEachWhereTheyStandAlone) {
  const std::string_view payload = R"({"args":["a b","c"]})";
  EXPECT_EQ(words_of("echo {} [{}]", payload), (Words{"echo", "a b", "c", "[a b c]"}));
  EXPECT_EQ(words_of("echo {} end"), (Words{"echo", "end"}));
}

TEST(CommandTemplate, KeepsBracesThatAreNoPlaceholder) {
  EXPECT_EQ(words_of("awk '{print $1}' {{0}} { }"), (Words{"awk", "{print $1}", "{0}", "{", "}"}));
}

TEST(CommandTemplate, SaysWhichArgumentIsMissing) {
  const std::string_view payload = R"({"args":["a"]})";
  EXPECT_EQ(words_of("x {1}", payload),
            Words{"fill: the command wants {1}, the task has 1 arguments"});
  EXPECT_EQ(words_of("x {99999999999999999999999}", payload).size(), 1u);
  EXPECT_EQ(words_of("x {w}", payload),
            Words{"fill: the command wants {w}, the task has no such argument"});
  EXPECT_EQ(words_of("x {0}", "no json"),
            Words{"fill: the command wants {0}, the task has 0 arguments"});
  EXPECT_EQ(words_of("x {0}", "{\"args\":[\"a\\u0000b\"]}"),
            Words{"fill: an argument contains a zero byte"});
}

TEST(CommandTemplate, RefusesACommandThatCannotBeMeant) {
  EXPECT_EQ(words_of("a 'b"), Words{"parse: command: the ' at character 3 is never closed"});
  EXPECT_EQ(words_of("  "), Words{"parse: command: it is empty"});
  EXPECT_EQ(words_of("{0} x"),
            Words{"parse: command: the program cannot come from a task's arguments"});
}

TEST(ResultText, IsJsonWhereItCanBeAndAStringOtherwise) {
  EXPECT_EQ(result_json(""), "null");
  EXPECT_EQ(result_json("{\"a\":1}\n"), "{\"a\":1}");
  EXPECT_EQ(result_json("123456789012345678901234567890"), "123456789012345678901234567890");
  EXPECT_EQ(result_json("größer\n"), "\"größer\"");
  EXPECT_EQ(result_json("two\nlines\n"), "\"two\\nlines\"");
  EXPECT_EQ(result_json("\xff\xfe"), R"({"base64":"//4="})");
  EXPECT_EQ(printable(" a\n\tb\x1b[0m\n"), "a b [0m");
  EXPECT_EQ(printable("\xa4ngstlich \xc3\xa4"), "ngstlich ä");
}

// A killed process dies a moment later, and its number stays until somebody reaps it.
bool ends_soon(pid_t pid) {
  const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return errno == ESRCH;
  pollfd watched{fd, POLLIN, 0};
  const bool ended = ::poll(&watched, 1, 10'000) == 1;
  ::close(fd);
  return ended;
}

class ExecExecutorTest : public testing::Test {
 protected:
  Ending run(std::string_view command, std::string payload = R"({"args":["x"]})",
             ExecOptions options = {}, std::stop_token stop = {}) {
    auto parsed = CommandTemplate::parse(command);
    if (!parsed) return Ending::failed("parse: " + parsed.error().message);
    ExecExecutor executor(std::move(*parsed), options, *clock_);
    return executor.run(
        {.id = "42", .queue = "q", .name = "n", .attempt = 3, .payload = std::move(payload)},
        std::move(stop));
  }
  std::unique_ptr<Clock> clock_ = make_real_clock();
};

TEST_F(ExecExecutorTest, GivesTheBodyAsStandardInputAndTakesTheResultFromStandardOutput) {
  const std::string body(3'000'000, 'b');
  const auto ending = run("sh -c 'wc -c; echo noise >&2'", body);
  EXPECT_EQ(ending.kind, Ending::Kind::done) << ending.error;
  EXPECT_EQ(ending.result, "3000000");
}

TEST_F(ExecExecutorTest, ARunThatDoesNotReadItsInputIsNoFailure) {
  EXPECT_EQ(run("true", std::string(3'000'000, 'b')).result, "null");
}

TEST_F(ExecExecutorTest, SaysWhoItIsInTheEnvironment) {
  EXPECT_EQ(
      run("sh -c 'echo $PENSTOCK_TASK_ID $PENSTOCK_TASK_NAME $PENSTOCK_QUEUE $PENSTOCK_ATTEMPT'")
          .result,
      "\"42 n q 3\"");
}

TEST_F(ExecExecutorTest, HandsOnTheTraceInTheEnvironment) {
  auto parsed = CommandTemplate::parse("sh -c 'echo p=$TRACEPARENT s=$TRACESTATE'");
  ASSERT_TRUE(parsed);
  const auto clock = make_real_clock();
  ExecExecutor executor(std::move(*parsed), {}, *clock);
  EXPECT_EQ(executor.run({.id = "1", .queue = "q", .name = "n", .payload = "{}"}, {}).result,
            "\"p= s=\"");
  EXPECT_EQ(executor
                .run({.id = "1",
                      .queue = "q",
                      .name = "n",
                      .payload = "{}",
                      .traceparent = "00-a",
                      .tracestate = "b=c"},
                     {})
                .result,
            "\"p=00-a s=b=c\"");
}

TEST_F(ExecExecutorTest, RunsNoProgramForManyListsOfArguments) {
  const auto ending = run("echo hi", R"({"each":[[1],[2]]})");
  EXPECT_EQ(ending.kind, Ending::Kind::failed);
  EXPECT_NE(ending.error.find("`map`"), std::string::npos) << ending.error;
}

TEST_F(ExecExecutorTest, TellsExitCodeSignalAndTimeOutApart) {
  EXPECT_EQ(run("sh -c 'echo first; echo bad luck >&2; exit 3'").error, "exit: 3: bad luck");
  EXPECT_EQ(run("sh -c 'kill -SEGV $$'").error, "signal: SIGSEGV");
  const auto late = run("sh -c 'echo started >&2; exec sleep 100'", "", {.timeout = 100ms});
  EXPECT_EQ(late.error, "timeout: after 100ms: started");
  EXPECT_TRUE(late.retry);
  EXPECT_EQ(run("/nonexistent/program").error,
            "spawn: /nonexistent/program: No such file or directory");
}

TEST_F(ExecExecutorTest, EveryEndHasItsCause) {
  EXPECT_EQ(run("sh -c 'exit 3'").cause, engine::Cause::raised);
  EXPECT_EQ(run("sh -c 'kill -SEGV $$'").cause, engine::Cause::killed);
  EXPECT_EQ(run("sh -c 'kill -ABRT $$'").cause, engine::Cause::killed);
  EXPECT_EQ(run("sh -c 'kill -KILL $$'").cause, engine::Cause::out_of_memory);
  EXPECT_EQ(run("sleep 100", "", {.timeout = 10ms}).cause, engine::Cause::timed_out);
}

TEST_F(ExecExecutorTest, LimitsTheMemoryAndLeavesNoCoreDump) {
  EXPECT_EQ(run("sh -c 'ulimit -v'", "", {.memory_bytes = 256u << 20}).result, "262144");
  EXPECT_EQ(run("sh -c 'ulimit -c'").result, "0");
  const auto ending =
      run("head -c 1g /dev/zero", "", {.memory_bytes = 1u << 20, .output_bytes_max = 1u << 30});
  EXPECT_EQ(ending.kind, Ending::Kind::failed) << "not even its libraries fit";
}

TEST_F(ExecExecutorTest, KillsWhatIgnoresATermination) {
  const auto ending = run("sh -c 'trap \"\" TERM; echo $$ >&2; while :; do :; done'", "",
                          {.timeout = 50ms, .kill_after = 50ms});
  ASSERT_TRUE(ending.error.starts_with("timeout: after 50ms: ")) << ending.error;
  EXPECT_TRUE(ends_soon(std::stoi(ending.error.substr(ending.error.rfind(' ')))));
}

TEST_F(ExecExecutorTest, LeavesNoProcessOfTheGroupBehind) {
  // The shell ends at once; what it started in the background holds its standard output open.
  const auto ending = run("sh -c 'sleep 100 & echo $!'");
  ASSERT_EQ(ending.kind, Ending::Kind::done) << ending.error;
  const auto pid = std::stoi(ending.result);
  EXPECT_TRUE(ends_soon(pid));
}

TEST_F(ExecExecutorTest, InheritsNoFilesAndBlocksNoSignals) {
  ASSERT_EQ(::dup2(0, 50), 50);  // not marked close-on-exec
  EXPECT_EQ(run("test -e /proc/self/fd/50").error, "exit: 1");
  ::close(50);
  EXPECT_EQ(run("grep SigBlk /proc/self/status").result, "\"SigBlk:\\t0000000000000000\"");
}

TEST_F(ExecExecutorTest, StopsARunThatNobodyWantsAnyMore) {
  std::stop_source stop;
  std::jthread other([&] { stop.request_stop(); });
  EXPECT_EQ(run("sleep 100", "", {}, stop.get_token()).kind, Ending::Kind::stopped);
}

TEST_F(ExecExecutorTest, BoundsWhatItKeepsOfAProgramsTalk) {
  const auto ending = run("cat /dev/zero", "", {.output_bytes_max = 65536});
  EXPECT_EQ(
      ending.error,
      "output: more than 64KiB on standard output; write large results elsewhere and print where");
  EXPECT_FALSE(ending.retry);
  const auto chatty =
      run("sh -c 'head -c 9000000 /dev/zero | tr \"\\0\" a >&2; echo end >&2; exit 1'");
  EXPECT_TRUE(chatty.error.ends_with("aend")) << chatty.error.size();
  EXPECT_LE(chatty.error.size(), 2100u);
}

TEST_F(ExecExecutorTest, ATaskWithoutTheArgumentsIsNotTriedAgain) {
  const auto ending = run("echo {1}");
  EXPECT_EQ(ending.error, "arguments: the command wants {1}, the task has 1 arguments");
  EXPECT_FALSE(ending.retry);
}

}  // namespace
}  // namespace penstock::cli
