// Completion scripts, made from the command tree itself, so that they never lag behind it.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/commands/commands.h"

namespace penstock::cli {
namespace {

// What may follow the words typed so far: the key is the path of subcommands ("queue show").
struct Level {
  std::string path;
  std::vector<std::string> words;
};

void collect(const CLI::App& app, const std::string& path, std::vector<Level>& levels) {
  Level level{path, {}};
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    level.words.push_back(sub->get_name());
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) level.words.push_back("--" + name);
  }
  levels.push_back(std::move(level));
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    collect(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), levels);
  }
}

// Both shells walk the words, keep those that name a deeper level, and offer what that level has.
std::string cases(const std::vector<Level>& levels, std::string_view assign) {
  std::string text;
  for (const Level& level : levels) {
    text +=
        fmt::format("    \"{}\") {}\"{}\" ;;\n", level.path, assign, fmt::join(level.words, " "));
  }
  return text;
}

std::string pattern_of(const std::vector<Level>& levels) {
  std::string text;
  for (const Level& level : levels) {
    if (level.path.empty()) continue;
    text += fmt::format("{}\"{}\"", text.empty() ? "" : "|", level.path);
  }
  return text;
}

constexpr std::string_view kBash =
    R"(# penstock completion for bash: source <(penstock completion bash)
_penstock() {{
  local word path="" next words=""
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    next="${{path:+$path }}$word"
    case "$next" in {0}) path="$next" ;; esac
  done
  case "$path" in
{1}  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _penstock penstock
)";

constexpr std::string_view kZsh = R"(#compdef penstock
# penstock completion for zsh: source <(penstock completion zsh)
_penstock() {{
  local word pathway="" next offer=""
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    next="${{pathway:+$pathway }}$word"
    case "$next" in ({0}) pathway="$next" ;; esac
  done
  case "$pathway" in
{1}  esac
  compadd -- ${{=offer}} || _files
}}
compdef _penstock penstock
)";

int print_script(std::string_view shell) {
  CLI::App app;
  std::vector<Action> alive;
  build(app, [&](const Command&, Action action) { alive.push_back(std::move(action)); });
  std::vector<Level> levels;
  collect(app, "", levels);
  if (shell == "bash") {
    fmt::print(kBash, pattern_of(levels), cases(levels, "words="));
  } else {
    fmt::print(kZsh, pattern_of(levels), cases(levels, "offer="));
  }
  return kExitOk;
}

}  // namespace

Action set_up_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  app.add_option("shell", *shell, "bash or zsh")->required()->check(CLI::IsMember({"bash", "zsh"}));
  return [shell] { return print_script(*shell); };
}

}  // namespace penstock::cli
