#include "protocol/resp/reply_queue.h"

#include <utility>

#include "base/check.h"

namespace penstock::protocol::resp {
namespace {

// What a quiet connection may keep from a busy past.
constexpr std::size_t kSlotsKept = 64;
constexpr std::size_t kOutputBytesKept = 64u << 10;
constexpr std::size_t kAnswerBytesKept = 256;

}  // namespace

ReplyQueue::Tag ReplyQueue::open() {
  if (unanswered() == slots_.size()) grow();
  Slot& slot = at(next_);
  std::string bytes = std::move(slot.bytes);
  bytes.clear();
  slot = Slot{};
  slot.bytes = std::move(bytes);
  return next_++;
}

Slot* ReplyQueue::find(Tag tag) {
  if (tag < first_ || tag >= next_) return nullptr;
  Slot& slot = at(tag);
  return slot.answered ? nullptr : &slot;
}

std::string& ReplyQueue::buffer(Tag tag) {
  CHECK(find(tag) != nullptr);
  return tag == first_ ? output_ : at(tag).bytes;
}

void ReplyQueue::finish(Tag tag) {
  Slot* slot = find(tag);
  CHECK(slot != nullptr);
  slot->answered = true;
  if (tag == first_) {
    ++first_;
    move_answered_to_output();
  } else {
    kept_bytes_ += slot->bytes.size();
  }
}

void ReplyQueue::move_answered_to_output() {
  for (; first_ != next_ && at(first_).answered; ++first_) {
    auto& bytes = at(first_).bytes;
    kept_bytes_ -= bytes.size();
    output_.append(bytes);
    if (bytes.capacity() > kAnswerBytesKept) std::string().swap(bytes);
  }
  if (first_ == next_ && slots_.size() > kSlotsKept) std::vector<Slot>().swap(slots_);
}

void ReplyQueue::grow() {
  std::vector<Slot> larger(slots_.empty() ? 8 : slots_.size() * 2);
  for (Tag tag = first_; tag != next_; ++tag)
    larger[tag & (larger.size() - 1)] = std::move(at(tag));
  slots_.swap(larger);
}

void ReplyQueue::trim_output() {
  output_.erase(0, sent_);
  output_.shrink_to_fit();
  sent_ = 0;
}

void ReplyQueue::sent(std::size_t count) {
  CHECK(count <= output_.size() - sent_);
  sent_ += count;
  if (sent_ == output_.size()) {
    sent_ = 0;
    output_.clear();
    if (output_.capacity() > kOutputBytesKept) std::string().swap(output_);
  } else if (sent_ >= kOutputBytesKept && sent_ * 2 >= output_.size()) {
    output_.erase(0, sent_);  // moves at most as many bytes as were sent
    sent_ = 0;
  }
}

}  // namespace penstock::protocol::resp
