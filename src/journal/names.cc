#include "journal/names.h"

#include <array>
#include <charconv>

namespace penstock::journal {
namespace {

std::optional<std::uint64_t> number_in(std::string_view name, std::string_view prefix,
                                       std::string_view suffix, int base) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  if (name.size() <= prefix.size() + suffix.size()) return std::nullopt;
  const auto digits = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  std::uint64_t number = 0;
  const auto end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number, base);
  if (error != std::errc{} || stop != end || number == 0) return std::nullopt;
  return number;
}

std::string numbered(std::uint64_t number, const char* suffix) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  const auto count = static_cast<std::size_t>(end - digits.data());
  return "journal-" + std::string(digits.size() - count, '0') + std::string(digits.data(), count) +
         suffix;
}

}  // namespace

std::string segment_name(std::uint64_t number) {
  return numbered(number, ".seg");
}
std::string parity_name(std::uint64_t number) {
  return numbered(number, ".par");
}
std::string spare_name(std::uint64_t number) {
  return "spare-" + std::to_string(number) + ".seg";
}
std::string checkpoint_name(std::uint64_t number) {
  return "checkpoint-" + std::to_string(number) + ".ckp";
}

std::optional<std::uint64_t> segment_number(std::string_view name) {
  if (name.size() != 8 + 16 + 4) return std::nullopt;
  return number_in(name, "journal-", ".seg", 16);
}
std::optional<std::uint64_t> parity_number(std::string_view name) {
  if (name.size() != 8 + 16 + 4) return std::nullopt;
  return number_in(name, "journal-", ".par", 16);
}
std::optional<std::uint64_t> spare_number(std::string_view name) {
  return number_in(name, "spare-", ".seg", 10);
}
std::optional<std::uint64_t> checkpoint_number(std::string_view name) {
  return number_in(name, "checkpoint-", ".ckp", 10);
}

}  // namespace penstock::journal
