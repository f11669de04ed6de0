// TLS 1.2 and 1.3 on the server's side, over any Stream.
//
//   gateway ──read, write──▶ TlsStream ──ciphertext──▶ Stream (a socket)
//                               │ handshake
//                               ▼
//                            Background: keys and certificates, off the loop
//
// Threads:  the loop's. A handshake's steps run in the background, one at a time for each stream.
// Memory:   an idle stream holds no record buffers. Until its handshake is done a peer may send
//           kTlsHandshakeBytesMax; the state for it is made when its turn comes.
// Lifetime: loop and server outlive every stream.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/background.h"
#include "net/stream.h"

namespace penstock::net {

// Far more than any client's hello, or its chain of certificates, has reason to be.
inline constexpr std::size_t kTlsHandshakeBytesMax = 64u << 10;

// In PEM.
struct TlsMaterial {
  std::string certificate;  // the server's own, and then those that lead to a known one
  std::string key;          // its private key, not encrypted
  std::string client_ca;    // who signs client certificates; empty: no client is asked for one
  bool require_client = false;
};

class TlsStream : public Stream {
 public:
  enum class State : std::uint8_t { handshaking, established, failed };
  [[nodiscard]] virtual State state() const = 0;
  // After `failed`: why, in a few words without a line's end.
  [[nodiscard]] virtual std::string_view failure() const = 0;
  // The common name in the client's certificate, which a CA of ours signed. Empty without one, and
  // where there is not exactly one common name, or it is no name (base/text.h).
  [[nodiscard]] virtual std::string_view subject() const = 0;
};

class TlsServer {
 public:
  explicit TlsServer(Loop& loop);
  ~TlsServer();

  // For the connections from now on; those that are there go on as they are. Error::invalid says
  // what is wrong with the material; then nothing has changed. Gives what it loaded, for a log
  // line: "CN=broker.example, valid until Jun  1 12:00:00 2027 GMT".
  [[nodiscard]] Result<std::string> load(const TlsMaterial& material);
  // Whether there is a certificate to show.
  [[nodiscard]] bool ready() const;

  // Takes over a stream whose peer has begun a handshake, of which `received` has been read. The
  // stream does not become readable before the handshake is done, one way or the other. After a
  // failure it can only be ended; what it reads then is what the peer goes on sending.
  [[nodiscard]] std::unique_ptr<TlsStream> accept(std::unique_ptr<Stream> plain, ByteView received);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::net
