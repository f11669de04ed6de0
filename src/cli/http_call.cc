#include "cli/http_call.h"

#include "cli/worker/curl_handles.h"
#include "client/client.h"
#include "wire/json/json.h"

namespace penstock::cli {
namespace {

constexpr long kTimeoutMs = 30'000;
constexpr std::size_t kAnswerBytesMax = 16u << 20;

// Curl's write callback: taking fewer bytes than offered ends the transfer.
std::size_t take_bytes(char* data, std::size_t size, std::size_t count, void* to) {
  auto& answer = *static_cast<std::string*>(to);
  const std::size_t bytes = size * count;
  if (bytes > kAnswerBytesMax - answer.size()) return 0;
  answer.append(data, bytes);
  return bytes;
}

ErrorCode code_of(long status) {
  switch (status) {
    case 400:
      return ErrorCode::invalid;
    case 401:
    case 403:
      return ErrorCode::denied;
    case 404:
      return ErrorCode::not_found;
    case 409:
      return ErrorCode::conflict;
    case 413:
      return ErrorCode::too_large;
    case 503:
      return ErrorCode::busy;
    default:
      return ErrorCode::unsupported;
  }
}

std::string text_of(const boost::json::object& object, std::string_view name) {
  const auto* text = object.if_contains(name);
  return text != nullptr && text->is_string() ? std::string(text->get_string()) : std::string();
}

Error error_of(long status, const Result<boost::json::value>& answer) {
  Error error{code_of(status), "the server answers " + std::to_string(status), {}};
  const auto* object = answer ? answer->if_object() : nullptr;
  const auto* said = object == nullptr ? nullptr : object->if_contains("error");
  if (said == nullptr || !said->is_object()) return error;
  error.message = text_of(said->get_object(), "message");
  error.hint = status == 401 ? "say who you are: --user NAME, or PENSTOCK_USER"
                             : text_of(said->get_object(), "hint");
  return error;
}

}  // namespace

Result<boost::json::value> call_http(const std::string& url, const HttpCall& call) {
  const auto endpoint = client::parse_url(url);
  if (!endpoint) return fail(endpoint.error());
  CurlHandles& handles = CurlHandles::of_this_thread();
  if (!handles.ok()) return fail(ErrorCode::io, "out of memory");
  CURL* easy = handles.easy();
  const std::string address = "http://" + endpoint->address() + call.path;
  const std::string body = call.body.is_null() ? std::string() : wire::json::to_text(call.body);
  std::string answer;
  CurlList headers;
  headers.add("Content-Type: application/json");
  headers.add("Expect:");
  ::curl_easy_reset(easy);
  ::curl_easy_setopt(easy, CURLOPT_URL, address.c_str());
  ::curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);  // a user may be called ".."
  ::curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
  ::curl_easy_setopt(easy, CURLOPT_PROXY, "");
  ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call.method);
  ::curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  ::curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, kTimeoutMs);
  ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes);
  ::curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer);
  if (!body.empty()) {
    ::curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.data());
    ::curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  }
  if (!endpoint->user.empty()) {
    ::curl_easy_setopt(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    ::curl_easy_setopt(easy, CURLOPT_USERNAME, endpoint->user.c_str());
    ::curl_easy_setopt(easy, CURLOPT_PASSWORD, endpoint->password.c_str());
  }
  const CURLcode code = handles.perform({});
  if (code == CURLE_OPERATION_TIMEDOUT)
    return fail(ErrorCode::timeout, endpoint->address() + " does not answer");
  if (code != CURLE_OK)
    return fail(ErrorCode::closed,
                "connect to " + endpoint->address() + ": " + ::curl_easy_strerror(code),
                "start one with `penstock serve`, or say where it is with --connect");
  long status = 0;
  ::curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  if (answer.empty() && status / 100 == 2) return boost::json::value(nullptr);
  auto parsed = wire::json::parse(answer, {.max_bytes = kAnswerBytesMax});
  if (status / 100 != 2) return fail(error_of(status, parsed));
  return parsed;
}

}  // namespace penstock::cli
