// The program as an operator meets it: signals, exit codes, messages, memory.
#include "test/server/program.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <vector>

#include "test/gateway/socket_client.h"
#include "test/server/temporary_directory.h"

namespace penstock {
namespace {

using testing::Program;
using testing::SocketClient;
using testing::TemporaryDirectory;

// Asks, and reads no answer, until the server has stopped reading and the kernel's buffers are
// full.
void ask_without_reading(SocketClient& client) {
  const std::string echo = "*2\r\n$4\r\nECHO\r\n$10000\r\n" + std::string(10'000, 'x') + "\r\n";
  std::string_view rest = echo;
  for (int refused = 0; refused < 20'000;) {
    const std::size_t count = client.send_some(rest);
    rest.remove_prefix(count);
    if (rest.empty()) rest = echo;
    refused = count == 0 ? refused + 1 : 0;
  }
}

class ProgramTest : public ::testing::Test {
 protected:
  std::vector<std::string> serve(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"serve",     "--data", directory_ / "data", "--listen", ":0",
                                       "--segment", "4MiB",   "--max-message",     "1MiB"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  Program start(std::vector<std::string> more = {}) {
    return Program(serve(std::move(more)), directory_ / "log", true);
  }
  // For commands that end by themselves.
  std::pair<int, std::string> run(std::vector<std::string> arguments) {
    std::filesystem::remove(directory_ / "out");
    Program program(std::move(arguments), directory_ / "out", false);
    const int code = program.wait();
    return {code, program.log()};
  }

  TemporaryDirectory directory_;
};

TEST_F(ProgramTest, SigtermLeavesACleanJournalAndExitsWithZero) {
  {
    Program program = start();
    SocketClient client(program.address());
    client.send("SEND mail hello\r\n");
    EXPECT_EQ(client.read_until("1\r\n1\r\n"), "$1\r\n1\r\n");
    client.send("RECEIVE mail other WAIT 10m MAX 2\r\nRECEIVE mail WAIT 10m\r\n");
    client.read_until("deadline");
    program.signal(SIGTERM);
    EXPECT_TRUE(client.read_all().ends_with("*0\r\n")) << "the waiting receive got no answer";
    client.close();
    EXPECT_EQ(program.wait(), 0);
  }
  const auto [code, text] = run({"verify", directory_ / "data"});
  EXPECT_EQ(code, 0) << text;
  EXPECT_TRUE(text.contains("healthy")) << text;
  Program again = start();
  EXPECT_FALSE(again.log().contains("without closing")) << again.log();
}

TEST_F(ProgramTest, SaysWhatItRecoveredAfterAKill) {
  {
    Program program = start();
    SocketClient client(program.address());
    client.send("SEND mail hello\r\n");
    EXPECT_EQ(client.read_until("1\r\n1\r\n"), "$1\r\n1\r\n");
    program.signal(SIGKILL);
    EXPECT_EQ(program.wait(), -SIGKILL);
  }
  Program program = start();
  EXPECT_TRUE(program.log().contains("without closing its journal")) << program.log();
  SocketClient client(program.address());
  client.send("RECEIVE mail\r\nPING\r\n");
  EXPECT_TRUE(client.read_until("+PONG\r\n").contains("hello"));
}

TEST_F(ProgramTest, AnnouncesItselfOnOneLineAndInAFile) {
  Program program = start({"--ready-file", directory_ / "ready"});
  const std::string address = net::to_text(program.address());
  EXPECT_TRUE(program.log().contains("penstock 0.1.0 ready: listening on " + address +
                                     ", data in " + (directory_ / "data") + " (started in "))
      << program.log();
  std::ifstream file(directory_ / "ready");
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line, address);
}

TEST_F(ProgramTest, ASecondSignalEndsItAtOnce) {
  Program program = start({"--grace", "10m"});
  SocketClient client(program.address());
  // An unread answer larger than the kernel's buffers: this conversation cannot come to its end.
  client.send("PING\r\n");
  EXPECT_EQ(client.read_until("\r\n"), "+PONG\r\n");
  ask_without_reading(client);
  program.signal(SIGTERM);
  while (!program.log().contains("stopping")) {
  }
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait(), 128 + SIGTERM);
  EXPECT_TRUE(program.log().contains("second signal"));
}

TEST_F(ProgramTest, EndsConnectionsThatDoNotFinishWithinTheGrace) {
  Program program = start({"--grace", "50ms"});
  SocketClient client(program.address());
  ask_without_reading(client);
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait(), 0);
  EXPECT_EQ(run({"verify", directory_ / "data"}).first, 0);
}

TEST_F(ProgramTest, RefusesToListenForOtherMachines) {
  const auto [code, text] = run({"serve", "--data", directory_ / "data", "--listen", "0.0.0.0:0"});
  EXPECT_EQ(code, 2);
  EXPECT_TRUE(text.contains("no users are configured")) << text;
  EXPECT_TRUE(text.contains("hint: ")) << text;
  EXPECT_FALSE(std::filesystem::exists(directory_ / "data")) << "refused, and yet made a folder";
}

TEST_F(ProgramTest, RefusesADataDirectoryInUse) {
  Program program = start();
  const auto [code, text] = run(serve());
  EXPECT_EQ(code, 4) << text;
  EXPECT_TRUE(text.contains("in use by process")) << text;
  EXPECT_TRUE(text.contains("hint: ")) << text;
}

TEST_F(ProgramTest, RefusesADataDirectoryThatIsAFile) {
  std::ofstream(directory_ / "data") << "not a folder";
  const auto [code, text] = run(serve());
  EXPECT_EQ(code, 6) << text;
  EXPECT_TRUE(text.starts_with("penstock: ")) << text;
  EXPECT_TRUE(text.contains("--data")) << text;
}

TEST_F(ProgramTest, RefusesADataDirectoryThatCannotBeMade) {
  const auto [code, text] = run({"serve", "--data", "/proc/penstock", "--listen", ":0"});
  EXPECT_EQ(code, 6) << text;
  EXPECT_TRUE(text.contains("/proc/penstock")) << text;
  EXPECT_TRUE(text.contains("--data")) << text;
}

TEST_F(ProgramTest, RefusesADamagedJournalAndNamesTheWayOut) {
  {
    Program program = start();
    SocketClient client(program.address());
    std::string answers;
    for (int i = 0; i < 20; ++i) {
      client.send("SEND mail " + std::string(1000, 'x') + "\r\n");
      answers += client.read_until("\r\n") + client.read_until("\r\n");
    }
    program.signal(SIGKILL);
    program.wait();
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory_ / "data")) {
    if (!entry.path().filename().string().starts_with("journal-")) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(8'000);
    file << "damage";
  }
  const auto [code, text] = run(serve());
  EXPECT_EQ(code, 5) << text;
  EXPECT_TRUE(text.contains("verify")) << text;
  EXPECT_EQ(run({"verify", directory_ / "data"}).first, 5);
  EXPECT_EQ(run({"verify", directory_ / "data", "--repair"}).first, 0);
  EXPECT_EQ(run({"verify", directory_ / "data"}).first, 0);
}

TEST_F(ProgramTest, NamesTheLineOfAWrongSetting) {
  std::ofstream(directory_ / "penstock.toml") << "data = \"x\"\nport = 7411\n";
  const auto [code, text] = run({"serve", "--config", directory_ / "penstock.toml"});
  EXPECT_EQ(code, 2);
  EXPECT_TRUE(text.contains("penstock.toml:2: \"port\" is no setting")) << text;
}

TEST_F(ProgramTest, PrefersTheCommandLineToTheFile) {
  std::ofstream(directory_ / "penstock.toml")
      << "data = \"" << (directory_ / "from-file") << "\"\nmax_connections = 1\n";
  Program program = start({"--config", directory_ / "penstock.toml"});
  EXPECT_FALSE(std::filesystem::exists(directory_ / "from-file"));
  SocketClient first(program.address());
  first.send("PING\r\n");
  EXPECT_EQ(first.read_until("\r\n"), "+PONG\r\n");
  SocketClient second(program.address());
  EXPECT_TRUE(second.is_closed()) << "the file's other settings count";
}

TEST_F(ProgramTest, IsSmallWhileIdleAndSpendsLittleOnIdleConnections) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's shadow memory is not ours";
#endif
  Program program = start();
  {
    SocketClient client(program.address());
    client.send("SEND mail hello\r\n");
    client.read_until("1\r\n1\r\n");
  }
  const std::size_t before = program.memory("VmRSS");
  EXPECT_LE(before, 20u << 20);
  std::vector<SocketClient> clients;
  for (int i = 0; i < 200; ++i) {
    clients.emplace_back(program.address());
    clients.back().send(i % 2 == 0 ? "PING\r\n"
                                   : "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_FALSE(clients.back().read_until("\r\n").empty());
  }
  const std::size_t each = (program.memory("VmRSS") - before) / clients.size();
  RecordProperty("bytes_per_idle_connection", std::to_string(each));
  EXPECT_LE(each, 16u << 10);
}

TEST_F(ProgramTest, DoesNotGrowForAClientThatNeverReads) {
  Program program = start();
  SocketClient client(program.address());
  const std::size_t before = program.memory("VmRSS");
  ask_without_reading(client);
  // The limit of unsent output is 8 MiB; a growing string may have twice that for a moment.
  EXPECT_LE(program.memory("VmHWM"), before + (32u << 20));
}

TEST_F(ProgramTest, OffersEveryCommandAndOptionToTheShell) {
  for (const char* shell : {"bash", "zsh"}) {
    const auto [code, text] = run({"completion", shell});
    EXPECT_EQ(code, 0);
    EXPECT_TRUE(text.contains("serve send receive")) << text;
    EXPECT_TRUE(text.contains("--max-connections")) << text;
    EXPECT_TRUE(text.contains("\"queue show\")")) << text;
  }
  EXPECT_EQ(run({"completion", "tcsh"}).first, 2);
}

TEST_F(ProgramTest, DocumentsEveryCommand) {
  std::ifstream file(PENSTOCK_SOURCE_DIR "/docs/command-line.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  const auto [code, help] = run({"--help"});
  EXPECT_EQ(code, 0);
  std::istringstream lines(help.substr(help.find("Subcommands:")));
  std::string line;
  for (std::getline(lines, line); std::getline(lines, line) && line.starts_with("  ");) {
    std::string name = line.substr(2, line.find(' ', 2) - 2);
    EXPECT_TRUE(page.contains("| `" + name + "` |")) << name;
  }
}

TEST_F(ProgramTest, KeepsItsFilesToItself) {
  Program program = start();
  const auto permissions = [](const std::filesystem::path& path) {
    return std::filesystem::status(path).permissions();
  };
  EXPECT_EQ(permissions(directory_ / "data"), std::filesystem::perms::owner_all);
  for (const auto& entry : std::filesystem::directory_iterator(directory_ / "data")) {
    EXPECT_EQ(permissions(entry.path()) &
                  (std::filesystem::perms::group_all | std::filesystem::perms::others_all),
              std::filesystem::perms::none)
        << entry.path();
  }
}

}  // namespace
}  // namespace penstock
