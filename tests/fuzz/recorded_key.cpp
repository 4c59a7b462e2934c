#include "tests/fuzz/recorded_key.h"

#include <fstream>
#include <iterator>
#include <stdexcept>

#include <openssl/bio.h>
#include <openssl/pem.h>

#include "tests/support/test_paths.h"

namespace hwenroll::fuzz {

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

}  // namespace hwenroll::fuzz
