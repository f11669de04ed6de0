// One reply of the server, decoded: wire/resp's tree under a name that headers can mention.
#pragma once

#include "wire/resp/reply_reader.h"

namespace penstock::client {

class Reply {
 public:
  wire::resp::Reply value;
};

}  // namespace penstock::client
