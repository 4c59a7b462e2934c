// What the agent and its token worker read from each other.
#include "keystore/worker/token_protocol.h"

#include "tests/fuzz/oracle.h"

using namespace hwenroll;

namespace {

/// What was read is written and read again without a change.
template <class Decode>
void there_and_back(ByteView message, Decode decode) {
    const auto first = decode(message);
    if (!first) {
        fuzz::require(first.error().code() == ErrorCode::token_protocol, "a bad message is E-TOKEN-PROTOCOL");
        return;
    }
    const Secret written = keystore::encode(*first);
    const auto second = decode(written.reveal());
    fuzz::require(second.has_value(), "what is written can be read");
    fuzz::require(second->sequence == first->sequence && second->body.index() == first->body.index(),
                  "a message keeps its number and kind");
    fuzz::require(equal(keystore::encode(*second).reveal(), written.reveal()), "a message travels unchanged");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView message(data, size);
    there_and_back(message, keystore::decode_request);
    there_and_back(message, keystore::decode_response);
    return 0;
}
