#include "keystore/worker/octet_stream.h"

namespace hwenroll::keystore {

void OctetWriter::number(std::uint64_t value, std::size_t size) {
    for (std::size_t i = size; i > 0; --i) {
        octets_.push_back(static_cast<std::uint8_t>(value >> (8 * (i - 1))));
    }
}

void OctetWriter::octets(ByteView value) {
    u32(static_cast<std::uint32_t>(value.size()));
    octets_.insert(octets_.end(), value.begin(), value.end());
}

ByteView OctetReader::take(std::size_t size) {
    if (size > rest_.size()) {
        fail();
        return {};
    }
    const ByteView taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
}

std::uint64_t OctetReader::number(std::size_t size) {
    std::uint64_t value = 0;
    for (const std::uint8_t octet : take(size)) {
        value = (value << 8U) | octet;
    }
    return value;
}

bool OctetReader::flag() {
    const std::uint8_t value = u8();
    if (value > 1) {
        fail();
    }
    return value == 1;
}

ByteView OctetReader::octets(std::size_t limit) {
    const std::size_t size = u32();
    if (size > limit) {
        fail();
        return {};
    }
    return take(size);
}

std::size_t OctetReader::count(std::size_t least) {
    const std::size_t elements = u32();
    if (elements > rest_.size() / least) {
        fail();
        return 0;
    }
    return elements;
}

}  // namespace hwenroll::keystore
