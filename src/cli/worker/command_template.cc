#include "cli/worker/command_template.h"

#include <algorithm>

#include "base/text.h"

namespace penstock::cli {
namespace {

bool is_name(std::string_view text) {
  const auto starts = [](char c) { return ascii_is_alpha(c) || c == '_'; };
  return !text.empty() && starts(text[0]) && std::ranges::all_of(text, [&](char c) {
    return starts(c) || ascii_is_digit(c) || c == '-';
  });
}

}  // namespace

// Walks the text once; words and pieces end where it says so.
class CommandTemplateParser {
 public:
  explicit CommandTemplateParser(std::string_view text) : text_(text) {}

  template <class Word, class PieceOf>
  Result<std::vector<Word>> run(PieceOf piece_of) {
    std::vector<Word> words;
    Word word;
    const auto end_text = [&] {
      if (!literal_.empty()) word.push_back({.text = std::exchange(literal_, {})});
    };
    const auto end_word = [&] {
      end_text();
      // Quotes around nothing are a word, an empty one.
      if (std::exchange(quoted_, false) && word.empty()) word.push_back({});
      if (!word.empty()) words.push_back(std::exchange(word, {}));
    };
    for (; at_ < text_.size(); ++at_) {
      if (quote_ == 0 && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) {
        end_word();
      } else if (const auto inside = placeholder()) {
        end_text();
        word.push_back(piece_of(*inside));
        at_ += inside->size() + 1;
      } else {
        take_character();
      }
    }
    if (quote_ != 0) {
      return fail(ErrorCode::invalid, std::string("command: the ") + quote_ + " at character " +
                                          std::to_string(quote_at_ + 1) + " is never closed");
    }
    end_word();
    return words;
  }

 private:
  // What is between the braces, when a placeholder starts here.
  [[nodiscard]] std::optional<std::string_view> placeholder() const {
    if (text_[at_] != '{') return {};
    const auto end = text_.find('}', at_);
    if (end == std::string_view::npos) return {};
    const auto inside = text_.substr(at_ + 1, end - at_ - 1);
    if (!inside.empty() && !is_name(inside) && !std::ranges::all_of(inside, ascii_is_digit)) {
      return {};
    }
    return inside;
  }

  void take_character() {
    const char c = text_[at_];
    const bool more = at_ + 1 < text_.size();
    if (quote_ == 0 && (c == '\'' || c == '"')) {
      quote_ = c;
      quote_at_ = at_;
      quoted_ = true;
    } else if (c == quote_) {
      quote_ = 0;
    } else if (c == '\\' && quote_ != '\'' && more) {
      literal_ += text_[++at_];
    } else {
      literal_ += c;
      if ((c == '{' || c == '}') && more && text_[at_ + 1] == c) ++at_;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string literal_;
  char quote_ = 0;
  std::size_t quote_at_ = 0;
  bool quoted_ = false;
};

CommandTemplate::Piece CommandTemplate::piece_of(std::string_view inside) {
  if (inside.empty()) return {.kind = Piece::Kind::all};
  if (!ascii_is_digit(inside[0])) return {.kind = Piece::Kind::name, .text = std::string(inside)};
  // More digits than any task has arguments name one that it lacks.
  return {.kind = Piece::Kind::index,
          .index = static_cast<std::size_t>(parse_u64(inside).value_or(SIZE_MAX))};
}

Result<CommandTemplate> CommandTemplate::parse(std::string_view text) {
  CommandTemplate result;
  auto words = CommandTemplateParser(text).run<Word>(piece_of);
  if (!words) return fail(std::move(words.error()));
  result.words_ = std::move(*words);
  if (result.words_.empty()) return fail(ErrorCode::invalid, "command: it is empty");
  const Word& program = result.words_[0];
  if (program.size() != 1 || program[0].kind != Piece::Kind::text || program[0].text.empty()) {
    return fail(ErrorCode::invalid, "command: the program cannot come from a task's arguments",
                "name the program, as in 'convert {0} {1}'");
  }
  return result;
}

Result<std::string> CommandTemplate::value_of(const Piece& piece, const Arguments& arguments) {
  switch (piece.kind) {
    case Piece::Kind::text:
      return piece.text;
    case Piece::Kind::index:
      if (piece.index < arguments.args.size()) return as_word(arguments.args[piece.index]);
      return fail(ErrorCode::not_found, "the command wants {" + std::to_string(piece.index) +
                                            "}, the task has " +
                                            std::to_string(arguments.args.size()) + " arguments");
    case Piece::Kind::name:
      if (const auto value = arguments.named(piece.text)) return as_word(*value);
      return fail(ErrorCode::not_found,
                  "the command wants {" + piece.text + "}, the task has no such argument");
    case Piece::Kind::all:
      break;
  }
  std::string joined;
  for (const auto& value : arguments.args) {
    if (!joined.empty()) joined += ' ';
    joined += as_word(value);
  }
  return joined;
}

Result<std::vector<std::string>> CommandTemplate::fill(const Arguments& arguments) const {
  std::vector<std::string> argv;
  for (const Word& word : words_) {
    if (word.size() == 1 && word[0].kind == Piece::Kind::all) {
      for (const auto& value : arguments.args) argv.push_back(as_word(value));
      continue;
    }
    std::string text;
    for (const Piece& piece : word) {
      auto value = value_of(piece, arguments);
      if (!value) return fail(std::move(value.error()));
      text += *value;
    }
    // A zero byte would end the word early for the program: the rest would be lost unseen.
    if (text.find('\0') != std::string::npos) {
      return fail(ErrorCode::invalid, "an argument contains a zero byte");
    }
    argv.push_back(std::move(text));
  }
  return argv;
}

}  // namespace penstock::cli
