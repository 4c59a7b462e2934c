#include "tests/fuzz/next_world.h"

#include <fstream>
#include <iterator>
#include <stdexcept>

#include <openssl/bio.h>
#include <openssl/pem.h>

#include "tests/support/test_paths.h"

namespace hwenroll::fuzz {
namespace {

using std::chrono::days;

test::Key recorded_key(const std::string& name) {
    std::ifstream in(test::source_file("tests/fuzz/keys/" + name), std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const OpenSslPtr<BIO> memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    EVP_PKEY* const key = PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr);
    if (key == nullptr) {
        throw std::runtime_error("cannot read the recorded key " + name);
    }
    return {key, EVP_PKEY_free};
}

NextWorld make_world() {
    const SignedWorld& world = signed_world();
    const test::Key key = recorded_key("next_ca.pem");
    test::CertificateSpec spec = test::ca_spec("CN=Fuzz CA,O=Example");
    spec.serial = 101;
    spec.not_before = test::present() + days(300);
    spec.not_after = test::present() + days(3000);
    test::CertificateSpec link = spec;
    link.serial = 103;
    const auto current =
        scep::authenticate({world.authority}, {.pinned = {world.authority.fingerprint()}, .now = test::present()});
    if (!current) {
        throw std::runtime_error(current.error().line());
    }
    return {test::self_signed(spec, key),
            test::issued(link, key, world.authority, world.key),
            {.current = *current, .now = test::present()}};
}

}  // namespace

const NextWorld& next_world() {
    static const NextWorld made = make_world();
    return made;
}

}  // namespace hwenroll::fuzz
