#include "tests/fuzz/ec_envelope.h"

#include "tests/fuzz/ec_world.h"
#include "tests/fuzz/oracle.h"
#include "transport/scep/ber.h"

namespace hwenroll::fuzz {

Secret checked_content(scep::OpenedEnvelope opened, ByteView envelope, bool with_password) {
    const ByteView content = opened.content.reveal();
    const auto size = scep::check_ber(content, scep::ParseLimits().max_depth);
    require(size && *size == content.size(), "what was decrypted is one value (ENV-15)");
    const auto by_libcrypto = opened_by_libcrypto(envelope, with_password);
    require(!by_libcrypto || equal(*by_libcrypto, content), "libcrypto takes out the same, if anything");
    return std::move(opened.content);
}

void require_what_was_sealed(const std::optional<Secret>& content) {
    require(!content || equal(content->reveal(), ec_world().plaintext), "it opens to what was sealed");
}

int choose_part(ByteView input, std::span<const Part> parts) {
    if (!input.empty()) {
        parts[input[0] % parts.size()](input.subspan(1));
    }
    return 0;
}

}  // namespace hwenroll::fuzz
