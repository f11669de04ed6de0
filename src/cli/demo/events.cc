#include "cli/demo/events.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <unordered_set>

namespace penstock::cli {

namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kFields[] = {"id", "email", "phone", "device", "subject", "text"};
constexpr std::size_t kLineBytesMax = 64 << 10;

// The event's id.
Result<std::string> check_event(std::string_view line) {
  if (line.size() > kLineBytesMax) return fail(ErrorCode::too_large, "longer than 64 KiB");
  json::error_code error;
  const json::value value = json::parse(line, error);
  if (error || !value.is_object()) return fail(ErrorCode::invalid, "no JSON object");
  for (const std::string_view field : kFields) {
    const json::value* text = value.as_object().if_contains(field);
    if (text == nullptr || !text->is_string() || text->as_string().empty()) {
      return fail(ErrorCode::invalid, fmt::format("\"{}\" is not there, or no text", field),
                  "see examples/notifications/README.md for the shape of a line");
    }
  }
  return std::string(value.at("id").as_string());
}

}  // namespace

Result<std::vector<Event>> read_events(const fs::path& file, std::size_t max) {
  std::ifstream input(file, std::ios::binary);
  if (!input) {
    return fail(ErrorCode::io, "cannot read the events: " + file.string(),
                "give a file of your own with --events");
  }
  std::vector<Event> events;
  std::unordered_set<std::string> seen;
  std::size_t number = 0;
  for (std::string line; events.size() < max && std::getline(input, line);) {
    ++number;
    if (line.empty()) continue;
    auto id = check_event(line);
    if (!id) {
      return fail(std::move(id.error()).at(fmt::format("{}:{}", file.filename().string(), number)));
    }
    if (!seen.insert(*id).second) {
      return fail(ErrorCode::invalid, fmt::format("{}:{}: the id {} was there before",
                                                  file.filename().string(), number, *id));
    }
    events.push_back({std::move(*id), std::move(line)});
  }
  if (events.empty()) return fail(ErrorCode::invalid, "there are no events in " + file.string());
  return events;
}

fs::path own_program() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error);
}

Result<fs::path> find_demo_files() {
  std::vector<fs::path> places;
  if (const char* share = std::getenv("PENSTOCK_SHARE")) {
    places.push_back(fs::path(share) / "notifications");
  }
  const fs::path folder = own_program().parent_path();
  places.push_back(folder.parent_path() / "share/penstock/notifications");
  for (fs::path above = folder; above.has_relative_path(); above = above.parent_path()) {
    places.push_back(above / "examples/notifications");
  }
  for (const fs::path& place : places) {
    std::error_code error;
    if (fs::exists(place / "smtp_sink.py", error)) return place;
  }
  return fail(ErrorCode::not_found, "the demonstration's files are not installed",
              "set PENSTOCK_SHARE to the folder that has notifications/smtp_sink.py");
}

}  // namespace penstock::cli
