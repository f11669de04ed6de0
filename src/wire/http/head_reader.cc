#include "wire/http/head_reader.h"

#include <algorithm>

namespace penstock::wire::http {
namespace {

// Method, version, spaces and line end around the target; methods served are far shorter.
constexpr std::size_t kAroundTargetBytes = 64;
// What a quiet connection may keep of a large head.
constexpr std::size_t kHeadBytesKept = 4096;

bool has_control_characters(std::string_view text) {
  bool found = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    found |= (byte < 0x20 && byte != '\t') || byte == 0x7f;
  }
  return found;
}

}  // namespace

HeadReader::Status HeadReader::feed(std::string_view& in, const Limits& limits) {
  while (!in.empty()) {
    const auto newline = in.find('\n');
    const auto take = newline == std::string_view::npos ? in.size() : newline + 1;
    // One byte over the limit is enough to refuse, so no more than that is kept.
    const auto room = static_cast<std::size_t>(limits.max_head_bytes) + 1 - head_.size();
    head_.append(in.substr(0, std::min(take, room)));
    if (check_size(limits) == Status::failed) return Status::failed;
    in.remove_prefix(take);
    if (newline == std::string_view::npos) return Status::need_more;
    if (const auto status = end_of_line(limits); status != Status::need_more) return status;
  }
  return Status::need_more;
}

HeadReader::Status HeadReader::check_size(const Limits& limits) {
  if (lines_ == 0 && head_.size() > limits.max_target_bytes + kAroundTargetBytes) {
    return refuse(414, "target_too_long", "the request target is too long");
  }
  if (head_.size() > limits.max_head_bytes) {
    return refuse(431, "head_too_large",
                  "the head has more than " + std::to_string(limits.max_head_bytes) + " bytes");
  }
  return Status::need_more;
}

HeadReader::Status HeadReader::end_of_line(const Limits& limits) {
  const auto line = std::string_view(head_).substr(line_);
  if (!line.ends_with("\r\n")) return refuse(400, "bad_request", "a line must end in CRLF");
  if (line.size() == 2) {
    if (lines_ > 0) return Status::done;
    // RFC 9112 section 2.2: old clients send an empty line after a body. One, not any number.
    if (skipped_empty_line_) return refuse(400, "bad_request", "the request line is empty");
    skipped_empty_line_ = true;
    head_.clear();
    return Status::need_more;
  }
  if (has_control_characters(line.substr(0, line.size() - 2))) {
    return refuse(400, "bad_request", "the head has a control character");
  }
  if (line[0] == ' ' || line[0] == '\t') {
    return refuse(400, "bad_request", "a line of the head is folded, or begins with a space");
  }
  if (lines_ > limits.max_fields) {
    return refuse(431, "too_many_fields",
                  "the head has more than " + std::to_string(limits.max_fields) + " fields");
  }
  ++lines_;
  line_ = head_.size();
  return Status::need_more;
}

HeadReader::Status HeadReader::refuse(int status, std::string_view code, std::string message) {
  failure_ = {status, code, std::move(message)};
  return Status::failed;
}

void HeadReader::clear() {
  if (head_.capacity() > kHeadBytesKept) std::string().swap(head_);
  head_.clear();
  line_ = 0;
  lines_ = 0;
  skipped_empty_line_ = false;
}

}  // namespace penstock::wire::http
