// Input of any length, sent a batch of lines at a time.
#pragma once

#include <functional>
#include <istream>
#include <span>
#include <string_view>
#include <vector>

#include "client/api.h"

namespace penstock::cli {

// `send` gets a batch, and how many lines went before it.
using SendBatch = std::function<client::Answer<std::vector<MessageId>>(
    std::span<const std::string_view> lines, std::size_t sent)>;

// Prints the ids as they come; the exit code. `what` are they, for people: "messages". What is held
// is one batch, however long the input is.
int send_lines(std::istream& input, std::string_view what, bool json, const SendBatch& send);

// One id a line, or an object with it.
int print_ids(std::span<const MessageId> ids, bool json);

}  // namespace penstock::cli
