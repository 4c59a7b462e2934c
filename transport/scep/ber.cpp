#include "transport/scep/ber.h"

#include <limits>
#include <utility>

#include <fmt/format.h>

namespace hwenroll::scep {
namespace {

constexpr std::size_t max_oid_octets = 64;

struct Header {
    BerTag tag;
    bool constructed = false;
    bool indefinite = false;
    std::size_t size = 0;     ///< octets of tag and length
    std::size_t content = 0;  ///< octets of contents; 0 when indefinite

    [[nodiscard]] bool is_end_of_contents() const { return tag == BerTag{} && !constructed && content == 0; }
};

/// Why a header or value cannot be read; `truncated`: a definite length goes beyond the input.
struct Malformed {
    std::size_t offset = 0;
    const char* reason = nullptr;
    bool truncated = false;
};

template <class T>
using Parsed = tl::expected<T, Malformed>;

tl::unexpected<Malformed> malformed(std::size_t offset, const char* reason) {
    return tl::unexpected(Malformed{offset, reason});
}

/// Identifier octets, X.690 §8.1.2.
Parsed<std::size_t> read_tag(ByteView input, Header& header) {
    const std::uint8_t lead = input[0];
    header.tag = {static_cast<TagClass>(lead >> 6U), lead & 0x1FU};
    header.constructed = (lead & 0x20U) != 0;
    if (header.tag.number != 0x1F) {
        return 1;
    }
    std::uint32_t number = 0;
    for (std::size_t i = 1; i < input.size(); ++i) {
        if (number > (std::numeric_limits<std::uint32_t>::max() >> 7U) || (i == 1 && input[i] == 0x80)) {
            return malformed(i, "its tag number is too long");
        }
        number = (number << 7U) | (input[i] & 0x7FU);
        if ((input[i] & 0x80U) == 0) {
            header.tag.number = number;
            return i + 1;
        }
    }
    return malformed(input.size(), "it ends within a tag");
}

/// Length octets, X.690 §8.1.3.
Parsed<std::size_t> read_length(ByteView input, std::size_t at, Header& header) {
    if (at == input.size()) {
        return malformed(at, "it ends before a length");
    }
    const std::uint8_t lead = input[at];
    if (lead < 0x80) {
        header.content = lead;
        return at + 1;
    }
    if (lead == 0x80) {
        header.indefinite = true;
        return header.constructed ? Parsed<std::size_t>(at + 1)
                                  : malformed(at, "a primitive value has an indefinite length");
    }
    const std::size_t count = lead & 0x7FU;
    if (lead == 0xFF) {
        return malformed(at, "a length has the reserved form");
    }
    std::size_t length = 0;
    for (std::size_t i = 1; i <= count; ++i) {
        if (at + i >= input.size()) {
            return malformed(input.size(), "it ends within a length");
        }
        if (length > (std::numeric_limits<std::size_t>::max() >> 8U)) {
            return malformed(at, "a length is absurd");
        }
        length = (length << 8U) | input[at + i];
    }
    header.content = length;
    return at + 1 + count;
}

/// The header at the front of `input`, whose contents must lie within `input` if their length is definite.
Parsed<Header> read_header(ByteView input) {
    if (input.empty()) {
        return malformed(0, "it ends where a value should begin");
    }
    Header header;
    return read_tag(input, header)
        .and_then([&](std::size_t at) { return read_length(input, at, header); })
        .and_then([&](std::size_t size) -> Parsed<Header> {
            header.size = size;
            if (header.content > input.size() - size) {
                return tl::unexpected(Malformed{0, "a length goes beyond what encloses it", true});
            }
            return header;
        });
}

/// A constructed value that is being walked through.
struct Open {
    std::size_t end = 0;  ///< limit of its contents; for an indefinite length that of the enclosing value
    bool indefinite = false;
};

/// Closes values with a definite length that are complete.
void close_complete(std::vector<Open>& open, std::size_t at) {
    while (!open.empty() && !open.back().indefinite && open.back().end == at) {
        open.pop_back();
    }
}

/// Octets of the first complete value, with every value inside it checked.
Parsed<std::size_t> measure(ByteView input, std::size_t max_depth) {
    std::vector<Open> open;
    std::size_t at = 0;
    do {
        const std::size_t limit = open.empty() ? input.size() : open.back().end;
        const Parsed<Header> header = read_header(input.subspan(at, limit - at));
        if (!header) {
            Malformed cause = header.error();
            cause.truncated = cause.truncated && open.empty();
            cause.offset += at;
            return tl::unexpected(cause);
        }
        const std::size_t content = at + header->size;
        if (header->is_end_of_contents()) {
            if (open.empty() || !open.back().indefinite) {
                return malformed(at, "end-of-contents octets where no value of indefinite length is open");
            }
            open.pop_back();
            at = content;
        } else if (header->constructed) {
            if (open.size() >= max_depth) {
                return malformed(at, "values are nested too deeply");
            }
            open.push_back({header->indefinite ? limit : content + header->content, header->indefinite});
            at = content;
        } else {
            at = content + header->content;
        }
        close_complete(open, at);
    } while (!open.empty());
    return at;
}

/// Deep enough for anything check_ber let through.
constexpr std::size_t any_depth = 1024;

std::string describe(BerTag wanted) {
    return fmt::format("{}{}{}", wanted.tag_class == TagClass::context ? "[" : "universal tag ", wanted.number,
                       wanted.tag_class == TagClass::context ? "]" : "");
}

}  // namespace

Result<std::size_t> check_ber(ByteView input, std::size_t max_depth) {
    const Parsed<std::size_t> size = measure(input, max_depth);
    if (size) {
        return *size;
    }
    const Malformed& cause = size.error();
    if (cause.truncated) {
        return fail(ErrorCode::ca_truncated, "the message ends too early",
                    fmt::format("its outermost length says more than the {} octets that are there", input.size()));
    }
    return fail(ErrorCode::scep_structure, "the message is not well-formed BER",
                fmt::format("octet {}: {}", cause.offset, cause.reason));
}

void BerFault::record(std::size_t offset, std::string reason) {
    if (!failed_) {
        failed_ = true;
        offset_ = offset;
        reason_ = std::move(reason);
    }
}

Status BerFault::status(ErrorCode code, std::string what) const {
    if (!failed_) {
        return {};
    }
    return fail(code, std::move(what), fmt::format("octet {}: {}", offset_, reason_));
}

BerReader::BerReader(ByteView input, BerFault& fault, std::size_t offset)
    : rest_(input), fault_(&fault), offset_(offset) {}

BerValue BerReader::next(std::string_view what) {
    if (fault_->failed()) {
        return {};
    }
    if (rest_.empty()) {
        reject(fmt::format("{} is missing", what));
        return {};
    }
    const Parsed<Header> header = read_header(rest_);
    const Parsed<std::size_t> size = !header              ? tl::unexpected(header.error())
                                     : header->indefinite ? measure(rest_, any_depth)
                                                          : Parsed<std::size_t>(header->size + header->content);
    if (!size) {
        fault_->record(offset_ + size.error().offset, fmt::format("in {}: {}", what, size.error().reason));
        return {};
    }
    BerValue value;
    value.tag = header->tag;
    value.constructed = header->constructed;
    value.encoding = rest_.first(*size);
    constexpr std::size_t end_of_contents = 2;
    value.content =
        value.encoding.subspan(header->size, *size - header->size - (header->indefinite ? end_of_contents : 0));
    value.offset = offset_;
    rest_ = rest_.subspan(*size);
    offset_ += *size;
    return value;
}

BerValue BerReader::expect(BerTag wanted, std::string_view what) {
    if (!at_end()) {
        if (const Parsed<Header> header = read_header(rest_); header && header->tag != wanted) {
            reject(fmt::format("{} should have {} but has {}", what, describe(wanted), describe(header->tag)));
        }
    }
    return next(what);
}

std::optional<BerValue> BerReader::next_if(BerTag wanted) {
    if (at_end()) {
        return std::nullopt;
    }
    const Parsed<Header> header = read_header(rest_);
    if (!header || header->tag != wanted) {
        return std::nullopt;
    }
    BerValue value = next("an optional value");
    return fault_->failed() ? std::nullopt : std::optional(value);
}

BerReader BerReader::enter(BerTag wanted, std::string_view what) {
    return members(expect(wanted, what), what);
}

BerReader BerReader::members(const BerValue& value, std::string_view what) {
    if (!value.constructed) {
        fault_->record(value.offset, fmt::format("{} is not constructed", what));
    }
    const auto header_size = static_cast<std::size_t>(value.content.data() - value.encoding.data());
    return {value.content, *fault_, value.offset + (value.encoding.empty() ? 0 : header_size)};
}

void BerReader::finish(std::string_view what) {
    if (!at_end()) {
        reject(fmt::format("{} is followed by something unexpected", what));
    }
}

void BerReader::reject(std::string reason) {
    fault_->record(offset_, std::move(reason));
}

Bytes octets_of(const BerValue& value, BerFault& fault) {
    if (!value.constructed) {
        return to_bytes(value.content);
    }
    // The nesting was checked with the whole message, so that a walk over the headers in order meets every piece.
    Bytes joined;
    ByteView rest = value.content;
    while (!rest.empty() && !fault.failed()) {
        const Parsed<Header> header = read_header(rest);
        if (!header || (header->tag != tag::octet_string && !header->is_end_of_contents())) {
            fault.record(value.offset, "a constructed OCTET STRING holds something else");
            return {};
        }
        const std::size_t content = header->constructed ? 0 : header->content;
        const ByteView piece = rest.subspan(header->size, content);
        joined.insert(joined.end(), piece.begin(), piece.end());
        rest = rest.subspan(header->size + content);
    }
    return joined;
}

std::string oid_of(const BerValue& value, BerFault& fault) {
    if (fault.failed()) {
        return {};
    }
    const ByteView content = value.content;
    if (value.tag != tag::object_identifier || value.constructed || content.empty() ||
        content.size() > max_oid_octets || (content.back() & 0x80U) != 0) {
        fault.record(value.offset, "an object identifier is malformed");
        return {};
    }
    std::string text;
    std::uint64_t arc = 0;
    bool first_octet = true;
    for (const std::uint8_t octet : content) {
        if ((first_octet && octet == 0x80) || arc > (std::numeric_limits<std::uint64_t>::max() >> 7U)) {
            fault.record(value.offset, "an object identifier has an arc that is not minimal or absurd");
            return {};
        }
        arc = (arc << 7U) | (octet & 0x7FU);
        first_octet = (octet & 0x80U) == 0;
        if (!first_octet) {
            continue;
        }
        if (text.empty()) {
            const std::uint64_t root = arc < 80 ? arc / 40 : 2;
            text = fmt::format("{}.{}", root, arc - root * 40);
        } else {
            text += fmt::format(".{}", arc);
        }
        arc = 0;
    }
    return text;
}

}  // namespace hwenroll::scep
