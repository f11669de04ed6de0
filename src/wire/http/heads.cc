#include "wire/http/heads.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <limits>

#include "base/text.h"
#include "wire/http/origin.h"

namespace penstock::wire::http {
namespace {

namespace beast = boost::beast;
using beast::error_code;

std::string_view view(beast::string_view text) {
  return {text.data(), text.size()};
}

Failure bad_request(std::string message) {
  return {400, "bad_request", std::move(message)};
}

// The fields that decide where the message ends and whether another may follow. Beast's own
// verdicts on them are laxer than ours: it takes "5, 5" and equal duplicates as a length, and reads
// a body of an unknown coding as none at all.
struct FramingFields {
  std::uint32_t lengths = 0;
  std::uint32_t codings = 0;
  std::uint32_t hosts = 0;
  std::string_view length;
  std::string_view coding;
  std::string_view host;
  std::string_view expect;

  void note(beast::http::field field, std::string_view value) {
    switch (field) {
      case beast::http::field::content_length:
        ++lengths, length = value;
        break;
      case beast::http::field::transfer_encoding:
        ++codings, coding = value;
        break;
      case beast::http::field::host:
        ++hosts, host = value;
        break;
      case beast::http::field::expect:
        expect = value;
        break;
      default:
        break;
    }
  }
};

// Beast's parser, told to stop at the end of the head; gives views of what it found.
template <bool isRequest>
class HeadParser final : public beast::http::basic_parser<isRequest> {
 public:
  HeadParser(Fields& fields, FramingFields& framing) : fields_(fields), framing_(framing) {
    this->header_limit(std::numeric_limits<std::uint32_t>::max());  // HeadReader has its own
    this->body_limit(boost::none);
    this->skip(true);  // no body: BodyReader reads it
  }

  error_code parse(std::string_view text) {
    error_code error;
    this->put(beast::net::const_buffer(text.data(), text.size()), error);
    if (!error && !this->is_header_done()) error = beast::http::error::partial_message;
    return error;
  }

  std::string_view method;
  std::string_view target;
  int status = 0;
  int version = 0;

 private:
  void on_request_impl(beast::http::verb, beast::string_view method_name, beast::string_view uri,
                       int number, error_code&) override {
    method = view(method_name);
    target = view(uri);
    version = number;
  }
  void on_response_impl(int code, beast::string_view, int number, error_code&) override {
    status = code;
    version = number;
  }
  void on_field_impl(beast::http::field field, beast::string_view name, beast::string_view value,
                     error_code&) override {
    fields_.add(view(name), view(value));
    framing_.note(field, view(value));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(beast::string_view text, error_code&) override { return text.size(); }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view text, error_code&) override {
    return text.size();
  }
  void on_finish_impl(error_code&) override {}

  Fields& fields_;
  FramingFields& framing_;
};

// "GET / HTTP/2.0": well-formed, but a version that is not spoken here.
bool is_other_version(std::string_view text) {
  const auto line = text.substr(0, text.find("\r\n"));
  const auto version = line.substr(std::min(line.size(), line.rfind(' ') + 1));
  return version.size() == 8 && version.starts_with("HTTP/") && ascii_is_digit(version[5]) &&
         version[6] == '.' && ascii_is_digit(version[7]) && version[5] != '1';
}

Failure failure_of(error_code error, std::string_view text) {
  using E = beast::http::error;
  if (error == E::bad_version) {
    if (is_other_version(text)) {
      return {505, "http_version_not_supported", "HTTP/1.1 and HTTP/1.0 are spoken here"};
    }
    return bad_request("the start line does not end in a version");
  }
  if (error == E::bad_method) return bad_request("the method is no token");
  if (error == E::bad_target) return bad_request("the request target has a bad character");
  if (error == E::bad_field) return bad_request("a field name is no token, or no colon follows it");
  if (error == E::bad_value) return bad_request("a field value is malformed");
  if (error == E::bad_content_length || error == E::multiple_content_length) {
    return bad_request("Content-Length is malformed, given twice, or beside Transfer-Encoding");
  }
  if (error == E::bad_transfer_encoding) {
    return bad_request("Transfer-Encoding is malformed, given twice, or beside Content-Length");
  }
  return bad_request("the head is malformed");
}

std::optional<Failure> judge_framing(const FramingFields& fields, int version, Framing& framing) {
  if (fields.lengths > 0 && fields.codings > 0) {
    return bad_request("Content-Length and Transfer-Encoding exclude each other");
  }
  if (fields.lengths > 1) return bad_request("Content-Length is given more than once");
  if (fields.lengths == 1) {
    const auto length = parse_u64(fields.length);
    if (!length || fields.length.size() > 19) {
      return bad_request("Content-Length must be 1 to 19 digits");
    }
    framing.content_length = *length;
  }
  if (fields.codings == 0) return std::nullopt;
  if (version == 10) return bad_request("HTTP/1.0 has no Transfer-Encoding");
  if (fields.codings > 1) return bad_request("Transfer-Encoding is given more than once");
  if (!ascii_iequals(fields.coding, "chunked")) {
    const bool other = ascii_lowered(fields.coding).find("chunked") == std::string::npos;
    if (other) return Failure{501, "not_implemented", "the only transfer coding here is chunked"};
    return bad_request("Transfer-Encoding must be chunked, once, and nothing else");
  }
  framing.chunked = true;
  return std::nullopt;
}

std::optional<Failure> judge_host(const FramingFields& fields, RequestHead& head) {
  if (fields.hosts > 1) return bad_request("Host is given more than once");
  if (fields.hosts == 0 && head.version == 11) return bad_request("Host is missing");
  if (fields.hosts == 1 && !parse_host(fields.host)) return bad_request("Host is malformed");
  head.host = fields.host;
  if (head.target.authority.empty()) return std::nullopt;
  if (!parse_host(head.target.authority) ||
      (fields.hosts == 1 && !ascii_iequals(head.target.authority, fields.host))) {
    return bad_request("the host of the request target is not the one of the Host field");
  }
  head.host = head.target.authority;
  return std::nullopt;
}

}  // namespace

std::optional<Failure> parse_request_head(std::string_view text, const Limits& limits,
                                          RequestHead& head) {
  head.fields.clear();
  head.framing = {};
  FramingFields framing;
  HeadParser<true> parser(head.fields, framing);
  if (const auto error = parser.parse(text)) return failure_of(error, text);
  head.version = parser.version;
  head.raw_target = parser.target;
  head.keep_alive = parser.keep_alive();
  const auto method = method_named(parser.method);
  if (!method) {
    return Failure{501, "method_not_implemented",
                   "method " + quoted(parser.method, 16) + " is not supported"};
  }
  head.method = *method;
  if (parser.target.size() > limits.max_target_bytes) {
    return Failure{414, "target_too_long", "the request target is too long"};
  }
  auto target = parse_target(parser.target);
  if (!target) return bad_request(std::move(target.error().message));
  head.target = *target;
  if (head.target.path == "*" && head.method != Method::options) {
    return bad_request("the target * is for OPTIONS only");
  }
  if (auto failure = judge_host(framing, head)) return failure;
  if (auto failure = judge_framing(framing, head.version, head.framing)) return failure;
  head.expects_continue = false;
  if (!framing.expect.empty() && head.version == 11) {
    if (!ascii_iequals(framing.expect, "100-continue")) {
      return Failure{417, "expectation_failed", "the only expectation known is 100-continue"};
    }
    head.expects_continue = true;
  }
  return std::nullopt;
}

std::optional<Failure> parse_response_head(std::string_view text, ResponseHead& head) {
  head.fields.clear();
  head.framing = {};
  FramingFields framing;
  HeadParser<false> parser(head.fields, framing);
  if (const auto error = parser.parse(text)) return failure_of(error, text);
  if (parser.status < 100 || parser.status > 599) return bad_request("the status is out of range");
  head.status = parser.status;
  head.version = parser.version;
  head.keep_alive = parser.keep_alive();
  return judge_framing(framing, head.version, head.framing);
}

}  // namespace penstock::wire::http
