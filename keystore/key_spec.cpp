#include "keystore/key_spec.h"

#include <algorithm>
#include <array>

namespace hwenroll::keystore {

namespace {

struct Row {
    KeySpec spec;
    std::string_view text;
    int bits;
    std::string_view curve;  ///< empty for RSA
};

constexpr std::array rows = {
    Row{KeySpec::rsa_2048, "rsa:2048", 2048, ""},   Row{KeySpec::rsa_3072, "rsa:3072", 3072, ""},
    Row{KeySpec::rsa_4096, "rsa:4096", 4096, ""},   Row{KeySpec::ec_p256, "ec:p256", 256, "P-256"},
    Row{KeySpec::ec_p384, "ec:p384", 384, "P-384"},
};

const Row& row_of(KeySpec spec) {
    const auto* const row =
        std::find_if(rows.begin(), rows.end(), [spec](const Row& each) { return each.spec == spec; });
    return row == rows.end() ? rows.front() : *row;
}

}  // namespace

std::string_view to_text(KeySpec spec) {
    return row_of(spec).text;
}

int bits_of(KeySpec spec) {
    return row_of(spec).bits;
}

bool is_ec(KeySpec spec) {
    return !row_of(spec).curve.empty();
}

bool matches(KeySpec spec, const PublicKey& key) {
    return is_ec(spec) ? key.curve() == row_of(spec).curve : key.is_rsa() && key.bits() == bits_of(spec);
}

}  // namespace hwenroll::keystore
