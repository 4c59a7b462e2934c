// A TSS2 PRIVATE KEY file, as the agent keeps it and other programs write it.
#include "base/pem.h"
#include "keystore/tpm2/key_blob.h"
#include "keystore/tpm2/public_area.h"
#include "tests/fuzz/oracle.h"

using namespace hwenroll;
using namespace hwenroll::keystore;

namespace {

/// What was read is written and read again without a change.
void there_and_back(std::string_view pem) {
    const auto first = tpm2::parse_key_blob(pem);
    if (!first) {
        fuzz::require(first.error().code() == ErrorCode::token_key_file && !first.error().why().empty(),
                      "a bad file is E-TOKEN-KEY-FILE with its reason");
        return;
    }
    tpm2::public_key_in(first->public_area);
    const std::string written = tpm2::to_pem(*first);
    const auto second = tpm2::parse_key_blob(written);
    fuzz::require(second.has_value(), "what is written can be read");
    fuzz::require(tpm2::to_pem(*second) == written, "a key travels unchanged");
    fuzz::require(tpm2::id_in(second->public_area) == tpm2::id_in(first->public_area), "a key keeps its id");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView octets(data, size);
    there_and_back(as_text(octets));
    there_and_back(to_pem("TSS2 PRIVATE KEY", octets));
    return 0;
}
