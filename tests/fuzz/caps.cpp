// GetCACaps: any octets are legal; the keywords are those that a second reader finds.
#include "tests/fuzz/oracle.h"
#include "tests/scep/request/capabilities_reference.h"
#include "transport/scep/capabilities.h"

using namespace hwenroll;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView body(data, size);
    const scep::Capabilities capabilities = scep::parse_capabilities(body);
    const std::string text = scep::to_text(capabilities);
    fuzz::require(scep::to_text(scep::parse_capabilities(as_bytes(text))) == text, "what is stored reads back (CAPS)");
    fuzz::require(test::announced_keywords(as_text(body)) == test::announced_keywords(text),
                  "the keywords are those of the lines (CAPS-2…4)");
    fuzz::require(capabilities.unknown.size() <= 256, "at most 256 unknown lines are kept (CAPS-5)");
    for (const scep::LegacyPermissions& legacy :
         {scep::LegacyPermissions{}, scep::LegacyPermissions{true, true, true, true}}) {
        const auto algorithms = scep::choose_algorithms(capabilities, legacy);
        fuzz::require(
            !algorithms || legacy.des3 ||
                (algorithms->digest != scep::Digest::sha1 && algorithms->cipher == scep::ContentCipher::aes128),
            "nothing below the floor without a permission (SEC-5)");
    }
    return 0;
}
