// What Redis's own tools and client libraries say when they connect; and the table of commands.
#include <fstream>
#include <set>
#include <sstream>

#include "protocol/resp/command_table.h"
#include "test/protocol/resp_fixture.h"

namespace penstock::protocol::resp {
namespace {

class RespHandshake : public RespTest {};

TEST_F(RespHandshake, HelloChoosesTheVersionAndNamesTheConnection) {
  Talker peer(*service_, *broker_);
  const auto two = peer.say({"HELLO"});
  EXPECT_EQ(two.type, ReplyType::array);
  EXPECT_EQ(at(two, "proto").integer, 2);
  const auto three = peer.say({"HELLO", "3", "SETNAME", "worker-1"});
  EXPECT_EQ(three.type, ReplyType::map);
  EXPECT_EQ(at(three, "server").text, "penstock");
  EXPECT_EQ(at(three, "proto").integer, 3);
  EXPECT_EQ(at(three, "mode").text, "standalone");
  EXPECT_EQ(at(three, "max_message").integer, 16 << 20);
  EXPECT_EQ(at(three, "max_argument").integer, (16 << 20) + (64 << 10));
  EXPECT_EQ(peer.text({"CLIENT", "GETNAME"}), "worker-1");
  EXPECT_EQ(peer.raw("RESET\r\n"), "+RESET\r\n");
  EXPECT_EQ(peer.raw("CLIENT GETNAME\r\n"), "$-1\r\n");
}

TEST_F(RespHandshake, ClientLibrariesIntroduceThemselves) {
  Talker peer(*service_, *broker_);
  EXPECT_EQ(peer.raw("CLIENT SETINFO LIB-NAME redis-py\r\nCLIENT SETINFO LIB-VER 5.0.1\r\n"
                     "CLIENT SETNAME me\r\nSELECT 0\r\nCLIENT NO-EVICT on\r\n"),
            "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
  EXPECT_EQ(peer.say({"CLIENT", "ID"}).integer, 1);
  const auto line = peer.text({"CLIENT", "INFO"});
  EXPECT_EQ(line,
            "id=1 addr=127.0.0.1:50000 name=me age=0 db=0 cmd=client resp=2 lib-name=redis-py "
            "lib-ver=5.0.1 tot-cmds=7 unanswered=0\n");
  Talker other(*service_, *broker_);
  EXPECT_NE(peer.text({"CLIENT", "LIST"}).find("\nid=2 "), std::string::npos);
}

TEST_F(RespHandshake, InlineCommandsServeAPersonAtATerminal) {
  Talker peer(*service_, *broker_);
  EXPECT_EQ(peer.raw("ping\r\nPing hello\nsend mail 'hello world'\r\n"),
            "+PONG\r\n$5\r\nhello\r\n$1\r\n1\r\n");
}

TEST_F(RespHandshake, CommandDescribesEveryCommandAsRedisDoes) {
  Talker peer(*service_, *broker_);
  const auto all = peer.say({"COMMAND"});
  EXPECT_EQ(all.items.size(), commands().size());
  EXPECT_EQ(peer.say({"COMMAND", "COUNT"}).integer, static_cast<std::int64_t>(commands().size()));
  EXPECT_EQ(peer.say({"COMMAND", "LIST"}).items.size(), commands().size());
  const auto info = peer.say({"COMMAND", "INFO", "send", "nosuch"});
  ASSERT_EQ(info.items.size(), 2u);
  EXPECT_EQ(info.items[0].items[0].text, "send");
  EXPECT_EQ(info.items[0].items[1].integer, -3);
  EXPECT_TRUE(info.items[1].is_null());
  const auto docs = peer.say({"COMMAND", "DOCS"});
  EXPECT_EQ(docs.items.size(), commands().size() * 2);
  EXPECT_FALSE(at(at(docs, "task.submit"), "summary").text.empty());
}

TEST_F(RespHandshake, QuitAnswersAndCloses) {
  Talker peer(*service_, *broker_);
  EXPECT_EQ(peer.raw("QUIT\r\nPING\r\n"), "+OK\r\n");
  EXPECT_TRUE(peer.conversation().finished());
}

TEST(RespCommandTable, EveryCommandHasAllItsWordsAndIsFoundInAnyCase) {
  std::set<std::string_view> names;
  for (const auto& command : commands()) {
    EXPECT_TRUE(names.insert(command.name).second) << command.name;
    EXPECT_EQ(find_command(command.name), &command);
    std::string lower(command.name);
    for (char& c : lower) c = static_cast<char>(std::tolower(c));
    EXPECT_EQ(find_command(lower), &command);
    EXPECT_FALSE(command.summary.empty() || command.example.empty() || command.reply.empty());
    EXPECT_TRUE(command.example.starts_with(command.name)) << command.example;
  }
  EXPECT_EQ(find_command("PIN"), nullptr);
  EXPECT_EQ(find_command(std::string(1000, 'A')), nullptr);
}

// Regenerates the list in docs/protocols/native.md when PENSTOCK_UPDATE_DOCS is set.
TEST(RespCommandTable, TheDocumentationListsExactlyTheseCommands) {
  const std::string path = std::string(PENSTOCK_SOURCE_DIR) + "/docs/protocols/native.md";
  constexpr std::string_view kBegin = "<!-- commands: generated -->\n";
  constexpr std::string_view kEnd = "\n<!-- commands: end -->";
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  std::stringstream content;
  content << file.rdbuf();
  std::string page = content.str();
  const auto begin = page.find(kBegin);
  const auto end = page.find(kEnd);
  ASSERT_TRUE(begin != std::string::npos && end != std::string::npos && begin < end);
  const auto from = begin + kBegin.size();
  if (std::getenv("PENSTOCK_UPDATE_DOCS") != nullptr) {
    page.replace(from, end - from, commands_as_markdown());
    std::ofstream(path) << page;
    return;
  }
  EXPECT_EQ(page.substr(from, end - from), commands_as_markdown())
      << "run this test with PENSTOCK_UPDATE_DOCS=1 to bring the page up to date";
}

}  // namespace
}  // namespace penstock::protocol::resp
