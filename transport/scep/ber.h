// BER as it comes from the network (X.690): checked once as a whole, then read value by value without copies.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace hwenroll::scep {

/// Length in octets of the first complete BER value in `input`. Checks tags, lengths (definite or indefinite with its
/// end-of-contents octets) and at most `max_depth` nested values, in one pass without recursion; says nothing about
/// what the values mean. Errors: ca_truncated (a definite outermost length is longer than `input`), scep_structure for
/// everything else, with the offset.
Result<std::size_t> check_ber(ByteView input, std::size_t max_depth);

enum class TagClass : std::uint8_t { universal = 0, application = 1, context = 2, private_use = 3 };

/// Class and number of a tag (X.690 §8.1.2).
struct BerTag {
    TagClass tag_class = TagClass::universal;
    std::uint32_t number = 0;
    friend bool operator==(const BerTag&, const BerTag&) = default;
};

/// Universal tags (X.680 §8.4) as far as CMS and SCEP use them.
namespace tag {
inline constexpr BerTag integer{TagClass::universal, 2};
inline constexpr BerTag octet_string{TagClass::universal, 4};
inline constexpr BerTag null{TagClass::universal, 5};
inline constexpr BerTag object_identifier{TagClass::universal, 6};
inline constexpr BerTag utf8_string{TagClass::universal, 12};
inline constexpr BerTag sequence{TagClass::universal, 16};
inline constexpr BerTag set{TagClass::universal, 17};
inline constexpr BerTag printable_string{TagClass::universal, 19};
inline constexpr BerTag t61_string{TagClass::universal, 20};
inline constexpr BerTag ia5_string{TagClass::universal, 22};
inline constexpr BerTag visible_string{TagClass::universal, 26};

constexpr BerTag context(std::uint32_t number) {
    return {TagClass::context, number};
}
}  // namespace tag

/// One value, borrowed from the input.
struct BerValue {
    BerTag tag;
    bool constructed = false;
    ByteView encoding;       ///< header, contents and end-of-contents octets as received
    ByteView content;        ///< contents octets alone
    std::size_t offset = 0;  ///< of the header, from the start of the message
};

/// The first thing that was wrong while several readers worked on one message.
class BerFault {
 public:
    /// Keeps the first record only.
    void record(std::size_t offset, std::string reason);
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] std::size_t offset() const { return offset_; }

    /// Success, or `code` with `what` and the place and reason of the first record.
    [[nodiscard]] Status status(ErrorCode code, std::string what) const;

 private:
    bool failed_ = false;
    std::size_t offset_ = 0;
    std::string reason_;
};

/// Reads the values in a range one after the other. A failure is recorded in the BerFault, after which every reader
/// that shares it is at its end and yields empty values: parsing code looks once, when it is done. The range should
/// have passed check_ber; one that did not is reported, never overrun.
class BerReader {
 public:
    /// `offset`: where `input` lies in the message, for reports. `fault` must outlive the reader.
    BerReader(ByteView input, BerFault& fault, std::size_t offset = 0);

    /// Nothing left, or something failed.
    [[nodiscard]] bool at_end() const { return fault_->failed() || rest_.empty(); }

    /// The next value, whatever it is; `what` names it in a report.
    BerValue next(std::string_view what);

    /// The next value, which must have this tag.
    BerValue expect(BerTag wanted, std::string_view what);

    /// The next value if there is one and it has this tag; otherwise the reader stays where it is.
    std::optional<BerValue> next_if(BerTag wanted);

    /// A reader of the members of the next value, which must have this tag and be constructed.
    BerReader enter(BerTag wanted, std::string_view what);

    /// A reader of the members of `value`, which must be constructed.
    BerReader members(const BerValue& value, std::string_view what);

    /// Records a failure when something is left.
    void finish(std::string_view what);

    /// Records a failure at the reader's place.
    void reject(std::string reason);

 private:
    ByteView rest_;
    BerFault* fault_;
    std::size_t offset_;
};

/// The octets of an OCTET STRING, whatever its tag; the pieces of a constructed one (X.690 §8.7.3) are joined.
Bytes octets_of(const BerValue& value, BerFault& fault);

/// Dotted decimal form of an OBJECT IDENTIFIER; records a failure when it is malformed, not in shortest form or longer
/// than 64 octets.
std::string oid_of(const BerValue& value, BerFault& fault);

}  // namespace hwenroll::scep
