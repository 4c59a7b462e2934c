#include "keystore/token_options.h"

#include <string_view>

namespace hwenroll::keystore {
namespace {

/// tpm2-tss names a TCTI `swtpm` or by its library, `libtss2-tcti-swtpm.so.0`; without `path=` both take a TCP port of
/// `localhost` (tss2-tcti-swtpm(7), tss2-tcti-mssim(7)).
bool is_over_tcp(std::string_view tcti) {
    const std::string_view name = tcti.substr(0, tcti.find(':'));
    const bool simulator = name.find("swtpm") != std::string_view::npos || name.find("mssim") != std::string_view::npos;
    return simulator && tcti.find("path=") == std::string_view::npos;
}

}  // namespace

bool needs_network(const TokenOptions& options) {
    const auto* tpm2 = std::get_if<Tpm2Options>(&options);
    return tpm2 != nullptr ? tpm2->network || is_over_tcp(tpm2->tcti) : std::get<Pkcs11Options>(options).network;
}

}  // namespace hwenroll::keystore
