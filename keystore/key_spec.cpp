#include "keystore/key_spec.h"

namespace hwenroll::keystore {

std::string_view to_text(KeySpec spec) {
    return spec == KeySpec::rsa_2048 ? "rsa:2048" : "rsa:3072";
}

int bits_of(KeySpec spec) {
    return spec == KeySpec::rsa_2048 ? 2048 : 3072;
}

bool matches(KeySpec spec, const PublicKey& key) {
    return key.is_rsa() && key.bits() == bits_of(spec);
}

}  // namespace hwenroll::keystore
