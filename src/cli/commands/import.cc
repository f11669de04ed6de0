// Takes what RabbitMQ exports: its definitions, by way of the management API.
#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <memory>
#include <sstream>

#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/interrupt.h"
#include "cli/worker/curl_handles.h"
#include "client/client.h"
#include "wire/http/target.h"
#include "wire/json/json.h"

namespace penstock::cli {
namespace {

constexpr std::size_t kFileBytesMax = 512u << 20;
constexpr std::size_t kAnswerBytesMax = 64u << 10;
// Of one request; the server reads each as a whole before it declares anything.
constexpr std::size_t kObjectsAtOnce = 500;
constexpr std::size_t kRequestBytesMax = 4u << 20;
constexpr long kTimeoutSeconds = 120;

// In the order in which they need each other.
constexpr std::string_view kSections[] = {"vhosts", "queues", "exchanges", "bindings"};
// Behind them and in one piece: from the first user on, everybody logs in.
constexpr std::string_view kAccessSections[] = {"users", "permissions", "topic_permissions"};
// Texts and numbers about the export itself.
constexpr std::string_view kAboutTheFile[] = {"rabbit_version", "rabbitmq_version", "product_name",
                                              "product_version", "rabbitmq_definition_format"};

struct Options {
  std::string url, file, vhost;
};

struct Answer {
  long status = 0;
  std::string body;

  [[nodiscard]] bool taken() const { return status >= 200 && status < 300; }
  [[nodiscard]] std::string reason() const {
    const auto json = wire::json::parse(body);
    const auto* object = json ? json->if_object() : nullptr;
    const auto* reason = object == nullptr ? nullptr : object->if_contains("reason");
    const auto* text = reason == nullptr ? nullptr : reason->if_string();
    return text == nullptr ? fmt::format("status {}", status)
                           : std::string(text->data(), text->size());
  }
};

// Curl's write callback: taking fewer bytes than offered ends the transfer.
std::size_t take_bytes(char* data, std::size_t size, std::size_t count, void* to) {
  auto& body = *static_cast<std::string*>(to);
  const std::size_t bytes = size * count;
  if (bytes > kAnswerBytesMax - body.size()) return 0;
  body.append(data, bytes);
  return bytes;
}

class Uploader {
 public:
  Uploader(std::string url, const client::Endpoint& server, std::stop_token stop)
      : url_(std::move(url)), stop_(std::move(stop)) {
    if (server.user.empty()) return;
    user_ = server.user;
    password_ = server.password;
  }

  // Error::closed: no server answers there.
  [[nodiscard]] Result<Answer> post(const std::string& definitions) {
    CurlHandles& handles = CurlHandles::of_this_thread();
    if (!handles.ok()) return fail(ErrorCode::io, "out of memory");
    CURL* easy = handles.easy();
    ::curl_easy_reset(easy);  // keeps the connection
    CurlList headers;
    headers.add("Content-Type: application/json");
    headers.add("Expect:");
    Answer answer;
    ::curl_easy_setopt(easy, CURLOPT_URL, url_.c_str());
    ::curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    ::curl_easy_setopt(easy, CURLOPT_PROXY, "");
    ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    ::curl_easy_setopt(easy, CURLOPT_USERNAME, user_.c_str());
    ::curl_easy_setopt(easy, CURLOPT_PASSWORD, password_.c_str());
    ::curl_easy_setopt(easy, CURLOPT_TIMEOUT, kTimeoutSeconds);
    ::curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
    ::curl_easy_setopt(easy, CURLOPT_POSTFIELDS, definitions.data());
    ::curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(definitions.size()));
    ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes);
    ::curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer.body);
    const CURLcode code = handles.perform(stop_);
    if (code == CURLE_ABORTED_BY_CALLBACK) return fail(ErrorCode::closed, "interrupted");
    if (code == CURLE_OPERATION_TIMEDOUT)
      return fail(ErrorCode::timeout, "the server did not answer in time");
    if (code != CURLE_OK)
      return fail(ErrorCode::closed, fmt::format("{}: {}", url_, ::curl_easy_strerror(code)),
                  "start a server with `penstock serve`, or say where it is with --connect");
    ::curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer.status);
    if (answer.status == 401) return fail(ErrorCode::denied, answer.reason());
    return answer;
  }

 private:
  std::string url_;
  std::string user_ = "guest", password_ = "guest";  // while there are no users
  std::stop_token stop_;
};

// What one section came to.
struct Outcome {
  std::size_t taken = 0;
  std::vector<std::string> refused;  // each with its reason; at most as many as the file has
};

std::string document(std::string_view section, std::string_view objects) {
  return fmt::format("{{\"{}\":[{}]}}", section, objects);
}

std::string named(const std::string& object) {
  return object.size() <= 200 ? object : object.substr(0, 200) + "...";
}

// Objects as JSON. When one is refused the server does not say which: then each goes by itself,
// which changes nothing about those that were taken already.
Result<void> send(Uploader& server, std::string_view section, std::span<const std::string> objects,
                  Outcome& outcome) {
  const auto together = server.post(document(section, fmt::format("{}", fmt::join(objects, ","))));
  if (!together) return fail(together.error());
  if (together->taken()) {
    outcome.taken += objects.size();
    return {};
  }
  if (objects.size() == 1) {
    outcome.refused.push_back(fmt::format("{}: {}", named(objects.front()), together->reason()));
    return {};
  }
  for (const auto& object : objects)
    if (auto sent = send(server, section, std::span(&object, 1), outcome); !sent) return sent;
  return {};
}

Result<Outcome> send_section(Uploader& server, std::string_view section,
                             const boost::json::array& all) {
  Outcome outcome;
  std::vector<std::string> some;
  std::size_t bytes = 0;
  const auto flush = [&]() -> Result<void> {
    auto sent = some.empty() ? Result<void>() : send(server, section, some, outcome);
    some.clear();
    bytes = 0;
    return sent;
  };
  for (const auto& one : all) {
    auto text = wire::json::to_text(one);
    if (some.size() == kObjectsAtOnce || bytes + text.size() > kRequestBytesMax)
      if (auto sent = flush(); !sent) return fail(sent.error());
    bytes += text.size() + 1;
    some.push_back(std::move(text));
  }
  if (auto sent = flush(); !sent) return fail(sent.error());
  return outcome;
}

// A list of the document; null when it has none, or an empty one.
const boost::json::array* list_of(const boost::json::object& definitions, std::string_view name) {
  const auto* value = definitions.if_contains({name.data(), name.size()});
  const auto* list = value == nullptr ? nullptr : value->if_array();
  return list == nullptr || list->empty() ? nullptr : list;
}

// Whether all of them were taken.
Result<bool> send_access(Uploader& server, const boost::json::object& definitions) {
  boost::json::object document;
  for (const auto section : kAccessSections)
    if (const auto* list = list_of(definitions, section)) document[section] = *list;
  if (document.empty()) return true;
  const auto answer = server.post(wire::json::to_text(document));
  if (!answer) return fail(answer.error());
  if (!answer->taken()) {
    fmt::print(stderr, "not taken: users and what they may: {}\n", answer->reason());
    return false;
  }
  for (const auto& [section, list] : document)
    fmt::print("{}: {} taken\n", std::string_view(section), list.get_array().size());
  return true;
}

Result<boost::json::value> read_file(const std::string& name) {
  std::ifstream in(name, std::ios::binary);
  std::stringstream text;
  if (in) text << in.rdbuf();
  if (!in) return fail(ErrorCode::invalid, fmt::format("{} cannot be read", name));
  auto document = wire::json::parse(text.view(), {.max_bytes = kFileBytesMax});
  if (!document) return fail(document.error().at(name));
  if (!document->is_object())
    return fail(
        ErrorCode::invalid, fmt::format("{} has no definitions", name),
        "export them with `rabbitmqadmin export FILE`, or `rabbitmqctl export_definitions`");
  return document;
}

std::size_t size_of(const boost::json::value& value) {
  if (const auto* list = value.if_array()) return list->size();
  return value.is_null() ? 0 : 1;
}

void say_what_is_left(const boost::json::object& definitions) {
  for (const auto& [key, value] : definitions) {
    const std::string_view name(key.data(), key.size());
    if (std::ranges::find(kSections, name) != std::end(kSections)) continue;
    if (std::ranges::find(kAccessSections, name) != std::end(kAccessSections)) continue;
    if (std::ranges::find(kAboutTheFile, name) != std::end(kAboutTheFile)) continue;
    if (const auto count = size_of(value); count > 0)
      fmt::print(stderr, "not taken: {} of {}\n", count, name);
    if (name == "policies" && size_of(value) > 0)
      fmt::print(stderr,
                 "  hint: what policies say is an option of each queue here: "
                 "`penstock queue set`\n");
  }
}

std::string url_of(const client::Endpoint& server, const Options& options) {
  auto url = fmt::format("http://{}/api/definitions", server.address());
  if (!options.vhost.empty()) url.append("/").append(wire::http::percent_encode(options.vhost));
  return url;
}

int import_definitions(const Options& options) {
  Interrupt interrupt;
  const auto endpoint = client::parse_url(options.url);
  if (!endpoint) return report(endpoint.error());
  const auto file = read_file(options.file);
  if (!file) return report(file.error());
  const auto& definitions = file->get_object();
  Uploader server(url_of(*endpoint, options), *endpoint, interrupt.token());
  std::size_t refused = 0;
  for (const auto section : kSections) {
    const auto* list = list_of(definitions, section);
    if (list == nullptr) continue;
    const auto outcome = send_section(server, section, *list);
    if (!outcome) return report(outcome.error());
    fmt::print("{}: {} taken\n", section, outcome->taken);
    for (const auto& one : outcome->refused) fmt::print(stderr, "not taken: {}\n", one);
    refused += outcome->refused.size();
  }
  const auto access = send_access(server, definitions);
  if (!access) return report(access.error());
  say_what_is_left(definitions);
  return refused == 0 && *access ? kExitOk : kExitFailed;
}

}  // namespace

Action set_up_import(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("file", options->file, "definitions, as RabbitMQ exports them")
      ->type_name("FILE")
      ->required();
  app.add_option("--vhost", options->vhost,
                 "where they go to, if they are those of one virtual host")
      ->type_name("NAME");
  add_connect_option(app, options->url);
  return [options] { return import_definitions(*options); };
}

}  // namespace penstock::cli
