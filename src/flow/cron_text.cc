// Cron lines to and from text.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "base/text.h"
#include "flow/cron.h"

namespace penstock::flow {
namespace {

constexpr Duration kShortestInterval = std::chrono::seconds(1);
constexpr Duration kLongestInterval = std::chrono::hours(24 * 366 * 10);
constexpr int kFirstYear = 1970, kLastYear = 2199;
constexpr const char* kHint =
    "write MINUTES HOURS DAYS MONTHS WEEKDAYS, as in '30 3 * * MON-FRI', seconds in front of it if "
    "they matter; or @daily, '@every 90s', '@at 2026-12-24T18:00'";

struct Word {
  std::string_view text;
  std::size_t column = 0;  // from 1
};

struct FieldRule {
  std::string_view name;
  int least, most;
  std::string_view words;  // three letters each, from `least` on
};
constexpr FieldRule kRules[] = {
    {"seconds", 0, 59, ""},
    {"minutes", 0, 59, ""},
    {"hours", 0, 23, ""},
    {"days of the month", 1, 31, ""},
    {"months", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    {"weekdays", 0, 6, "sunmontuewedthufrisat"},
};

struct Alias {
  std::string_view name, line;
};
constexpr Alias kAliases[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
};

constexpr std::uint64_t bit(int number) {
  return 1ull << number;
}

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  for (std::size_t at = 0; at < text.size();) {
    const auto begin = text.find_first_not_of(" \t", at);
    if (begin == std::string_view::npos) break;
    const auto end = std::min(text.find_first_of(" \t", begin), text.size());
    words.push_back({text.substr(begin, end - begin), begin + 1});
    at = end;
  }
  return words;
}

}  // namespace

// Reads one line, and remembers where it is for the errors.
class CronReader {
 public:
  explicit CronReader(std::string_view text) : words_(words_of(text)) {}

  Result<CronLine> read() {
    if (words_.empty()) return fail(ErrorCode::invalid, "a cron line is empty", kHint);
    if (words_[0].text.starts_with('@')) return read_special();
    if (words_.size() != 5 && words_.size() != 6)
      return fail(ErrorCode::invalid,
                  fmt::format("a cron line has 5 or 6 fields, this one has {}", words_.size()),
                  kHint);
    CronLine line;
    const std::size_t first = words_.size() == 6 ? 0 : 1;
    if (first == 1) line.bits_[CronLine::kSecond] = bit(0);
    for (std::size_t n = 0; n < words_.size(); ++n) {
      number_ = n + 1;
      rule_ = &kRules[n + first];
      if (auto read = read_field(line, static_cast<CronLine::Field>(n + first), words_[n]); !read)
        return fail(read.error());
    }
    if (!line.can_fire())
      return fail(ErrorCode::invalid,
                  "a cron line that never fires: none of its months has its days");
    return line;
  }

 private:
  [[nodiscard]] std::unexpected<Error> refuse(const Word& word, std::string_view why) const {
    return fail(ErrorCode::invalid,
                fmt::format("cron line, field {} ({}), column {}: {} {}", number_, rule_->name,
                            word.column, quoted(word.text), why),
                kHint);
  }

  Result<void> read_field(CronLine& line, CronLine::Field field, const Word& word) {
    const bool is_day = field == CronLine::kDay;
    const bool is_weekday = field == CronLine::kWeekday;
    if ((is_day || is_weekday) && word.text.find_first_of(",-") == std::string_view::npos &&
        (word.text == "?" || word.text.starts_with('*')))
      (is_day ? line.any_day_ : line.any_weekday_) = true;
    for (std::size_t at = 0; at <= word.text.size();) {
      const auto end = std::min(word.text.find(',', at), word.text.size());
      const Word item{word.text.substr(at, end - at), word.column + at};
      if (is_day && (item.text == "L" || item.text == "l")) {
        line.last_day_ = true;
      } else if ((is_day || is_weekday) && word.text == "?") {
        line.bits_[field] |= range(rule_->least, rule_->most, 1);
      } else if (auto bits = read_item(item, is_weekday); bits) {
        line.bits_[field] |= *bits;
      } else {
        return fail(bits.error());
      }
      at = end + 1;
    }
    return {};
  }

  [[nodiscard]] static std::uint64_t range(int from, int to, int step) {
    std::uint64_t bits = 0;
    for (int n = from; n <= to; n += step) bits |= bit(n);
    return bits;
  }

  // A number, a range, all of them, with a step or without.
  Result<std::uint64_t> read_item(const Word& item, bool is_weekday) {
    const auto slash = item.text.find('/');
    const Word numbers{item.text.substr(0, slash), item.column};
    int from = rule_->least, to = rule_->most, step = 1;
    if (slash != std::string_view::npos) {
      const Word after{item.text.substr(slash + 1), item.column + slash + 1};
      const auto value = parse_u64(after.text);
      if (!value || *value < 1 || *value > static_cast<std::uint64_t>(rule_->most))
        return refuse(after, fmt::format("is no step from 1 to {}", rule_->most));
      step = static_cast<int>(*value);
    }
    if (numbers.text != "*") {
      const auto dash = numbers.text.find('-');
      const auto first = read_number({numbers.text.substr(0, dash), numbers.column}, is_weekday);
      if (!first) return fail(first.error());
      from = to = *first;
      if (dash != std::string_view::npos) {
        const auto last =
            read_number({numbers.text.substr(dash + 1), numbers.column + dash + 1}, is_weekday);
        if (!last) return fail(last.error());
        to = *last;
        if (to < from) return refuse(numbers, "runs backwards; write it as two ranges");
      } else if (slash != std::string_view::npos) {
        return refuse(item, "has a step but no range; write */STEP or FROM-TO/STEP");
      }
    }
    auto bits = range(from, to, step);
    if (is_weekday && (bits & bit(7)) != 0) bits = (bits & ~bit(7)) | bit(0);
    return bits;
  }

  Result<int> read_number(const Word& word, bool is_weekday) const {
    if (word.text.size() == 3)
      for (std::size_t at = 0; at < rule_->words.size(); at += 3)
        if (ascii_iequals(word.text, rule_->words.substr(at, 3)))
          return rule_->least + static_cast<int>(at / 3);
    const int most = is_weekday ? 7 : rule_->most;
    const auto value = parse_u64(word.text);
    if (!value || word.text.size() > 2 || *value < static_cast<std::uint64_t>(rule_->least) ||
        *value > static_cast<std::uint64_t>(most))
      return refuse(word, fmt::format("is not one of {} to {}{}", rule_->least, most,
                                      rule_->words.empty() ? "" : ", nor a name of three letters"));
    return static_cast<int>(*value);
  }

  Result<CronLine> read_special() const {
    const auto& name = words_[0].text;
    if (name == "@every" && words_.size() == 2) {
      const auto interval = parse_duration(words_[1].text);
      if (!interval) return fail(interval.error());
      return CronLine::every(*interval);
    }
    if (name == "@at" && (words_.size() == 2 || words_.size() == 3)) return read_time();
    if (words_.size() == 1)
      for (const auto& alias : kAliases)
        if (ascii_iequals(alias.name, name)) return CronReader(alias.line).read();
    return fail(ErrorCode::invalid,
                fmt::format("cron line, column {}: {} is not known, or has too little or too much "
                            "behind it",
                            words_[0].column, quoted(name)),
                kHint);
  }

  // 2026-12-24T18:00[:00][Z], the T also as a space.
  Result<CronLine> read_time() const {
    std::string text(words_[1].text);
    if (words_.size() == 3) text.append("T").append(words_[2].text);
    CronLine line;
    line.kind_ = CronLine::Kind::once;
    line.once_in_utc_ = text.ends_with('Z');
    if (line.once_in_utc_) text.pop_back();
    if (text.size() == 16) text += ":00";
    constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
    const bool shaped = std::ranges::equal(text, kShape, [](char given, char wanted) {
      return wanted == 'd' ? ascii_is_digit(given) : given == wanted;
    });
    const auto number = [&](std::size_t at, std::size_t digits) {
      int value = 0;
      for (const char c : text.substr(at, digits)) value = value * 10 + (c - '0');
      return value;
    };
    if (shaped) {
      line.once_ = cctz::civil_second(number(0, 4), number(5, 2), number(8, 2), number(11, 2),
                                      number(14, 2), number(17, 2));
      // It puts 31 June to 1 July.
      if (line.once_.year() >= kFirstYear && line.once_.year() <= kLastYear &&
          line.once_.month() == number(5, 2) && line.once_.day() == number(8, 2) &&
          line.once_.hour() == number(11, 2) && line.once_.minute() == number(14, 2) &&
          line.once_.second() == number(17, 2))
        return line;
    }
    return fail(ErrorCode::invalid,
                fmt::format("cron line, column {}: {} is no date and time from {} to {}",
                            words_[1].column, quoted(words_[1].text), kFirstYear, kLastYear),
                "write it as in 2026-12-24T18:00, with a Z behind it for UTC");
  }

  std::vector<Word> words_;
  std::size_t number_ = 0;
  const FieldRule* rule_ = nullptr;
};

Result<CronLine> CronLine::parse(std::string_view text) {
  if (text.size() > kCronLineBytesMax)
    return fail(ErrorCode::too_large,
                fmt::format("a cron line has at most {} bytes", kCronLineBytesMax));
  return CronReader(text).read();
}

Result<CronLine> CronLine::every(Duration interval) {
  if (interval < kShortestInterval || interval > kLongestInterval)
    return fail(ErrorCode::invalid,
                fmt::format("an interval of {} is not one of {} to {}", format_duration(interval),
                            format_duration(kShortestInterval), format_duration(kLongestInterval)));
  CronLine line;
  line.kind_ = Kind::interval;
  line.interval_ = interval;
  return line;
}

CronLine CronLine::at(Time time) {
  CronLine line;
  line.kind_ = Kind::once;
  line.once_in_utc_ = true;
  line.once_ = cctz::utc_time_zone().lookup(whole_seconds(time)).cs;
  return line;
}

std::string CronLine::field_text(Field field) const {
  const auto& rule = kRules[field];
  const auto bits = bits_[field];
  std::string text;
  const bool any = field == kDay ? any_day_ : field == kWeekday && any_weekday_;
  const bool whole = std::popcount(bits) == rule.most - rule.least + 1;
  const bool chosen = (field == kDay || field == kWeekday) && !any;
  if (any && !whole) {
    // It began with a star, so it is every n-th; one alone is every n-th for the largest n.
    const auto rest = bits & (bits - 1);
    const int step = rest == 0 ? rule.most : std::countr_zero(rest) - std::countr_zero(bits);
    return fmt::format("*/{}", step);
  }
  if (whole && !chosen) return "*";
  for (int from = rule.least; from <= rule.most; ++from) {
    if ((bits & bit(from)) == 0) continue;
    int to = from;
    while (to < rule.most && (bits & bit(to + 1)) != 0) ++to;
    if (!text.empty()) text += ',';
    text += to == from ? fmt::format("{}", from) : fmt::format("{}-{}", from, to);
    from = to;
  }
  if (field == kDay && last_day_) text += text.empty() ? "L" : ",L";
  return text;
}

std::string CronLine::text() const {
  if (kind_ == Kind::interval) return "@every " + format_duration(interval_);
  if (kind_ == Kind::once)
    return fmt::format("@at {:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}", once_.year(), once_.month(),
                       once_.day(), once_.hour(), once_.minute(), once_.second(),
                       once_in_utc_ ? "Z" : "");
  std::string text;
  if (bits_[kSecond] != bit(0)) text = field_text(kSecond) + ' ';
  text += field_text(kMinute);
  for (const auto field : {kHour, kDay, kMonth, kWeekday}) text += ' ' + field_text(field);
  return text;
}

}  // namespace penstock::flow
