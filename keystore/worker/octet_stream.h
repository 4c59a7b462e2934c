// Numbers, texts and octet strings in a row: big-endian, each variable part behind its 32-bit length.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/secret.h"

namespace hwenroll::keystore {

/// Appends values to a buffer that becomes a Secret. Room for everything must be reserved when a value is secret, so
/// that no outgrown buffer is left behind in memory.
class OctetWriter {
 public:
    explicit OctetWriter(std::size_t room) { octets_.reserve(room); }

    void number(std::uint64_t value, std::size_t size);
    void u8(std::uint8_t value) { number(value, 1); }
    void u16(std::uint16_t value) { number(value, 2); }
    void u32(std::uint32_t value) { number(value, 4); }
    void u64(std::uint64_t value) { number(value, 8); }
    void flag(bool value) { u8(value ? 1 : 0); }
    void octets(ByteView value);
    void text(std::string_view value) { octets(as_bytes(value)); }

    /// What was written; the writer is empty afterwards.
    Secret take() { return Secret(std::move(octets_)); }

 private:
    Bytes octets_;
};

/// Reads values back. Never reads past the end and trusts no length: after the first value that does not fit every
/// result is zero or empty and failed() stays true.
class OctetReader {
 public:
    explicit OctetReader(ByteView octets) : rest_(octets) {}

    std::uint64_t number(std::size_t size);
    std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
    std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
    std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
    std::uint64_t u64() { return number(8); }

    /// One octet, 0 or 1; anything else fails.
    bool flag();

    /// A borrowed octet string of at most `limit` octets.
    ByteView octets(std::size_t limit);

    std::string text(std::size_t limit) { return std::string(as_text(octets(limit))); }

    /// A count of elements that take at least `least` octets each; fails when so many cannot follow.
    std::size_t count(std::size_t least);

    /// Marks the input as bad, for values that the caller does not accept.
    void fail() {
        failed_ = true;
        rest_ = {};
    }

    [[nodiscard]] bool failed() const { return failed_; }

    /// Everything was read and made sense.
    [[nodiscard]] bool complete() const { return !failed_ && rest_.empty(); }

 private:
    ByteView take(std::size_t size);

    ByteView rest_;
    bool failed_ = false;
};

}  // namespace hwenroll::keystore
