// What tests/system/kernel_tpm.sh runs in its guest: Tpm2Token over the TCTI that is its argument. Prints a line for
// each thing that it tries; the exit code is the number of those that failed.
#include <cstdio>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "keystore/tpm2/tpm2_token.h"
#include "tests/keystore/public_half.h"
#include "tests/keystore/try_login.h"

namespace {

using namespace hwenroll;                  // NOLINT(google-build-using-namespace)
using namespace hwenroll::keystore;        // NOLINT(google-build-using-namespace)
using namespace hwenroll::keystore::test;  // NOLINT(google-build-using-namespace)

int failures = 0;

void report(bool good, const std::string& what, const std::string& why = {}) {
    std::printf("%s %s %s\n", good ? "ok" : "FAILED", what.c_str(), why.c_str());
    failures += good ? 0 : 1;
}

template <class T>
std::string why(const Result<T>& result) {
    return result ? std::string() : result.error().line();
}

/// Signs so many times and checks each signature.
bool signs(Tpm2Token& token, const KeyReference& key, int times = 1) {
    const bool rsa = key.public_key.is_rsa();
    const Bytes input = rsa ? digest_info("data") : digest("SHA256", "data");
    bool good = true;
    for (int done = 0; done < times; ++done) {
        const auto signature = token.sign(key, rsa ? SignMechanism::rsa_pkcs1 : SignMechanism::ecdsa, input);
        good = good && signature && verifies(key.public_key, input, *signature);
    }
    return good;
}

std::unique_ptr<Tpm2Token> logged_in(const Tpm2Options& options) {
    auto token = std::make_unique<Tpm2Token>(options, PinSource::parse("").value());
    const LoginOutcome outcome = try_login(*token);
    if (outcome.error) {
        report(false, "login", outcome.error->line());
    }
    return token;
}

/// A process of its own signs at the same time.
bool signs_beside_another(const Tpm2Options& options, const KeyReference& key) {
    const pid_t other = fork();
    if (other == 0) {
        _exit(signs(*logged_in(options), key, 20) ? 0 : 1);
    }
    const bool ours = signs(*logged_in(options), key, 20);
    int status = 1;
    waitpid(other, &status, 0);
    return ours && status == 0;
}

void try_kept_key(Tpm2Options options) {
    options.first_handle = 0x81000010;
    options.last_handle = 0x81000011;
    const auto token = logged_in(options);
    const auto made = token->generate(KeySpec::ec_p256, key_id(2), "");
    report(made && signs(*token, made->key), "a key under a persistent handle", why(made));
    const auto found = token->find(key_id(2));
    report(found && found->has_value(), "it is found", why(found));
    const Status gone = token->destroy(key_id(2));
    report(gone.has_value(), "it is destroyed", why(gone));
}

void try_keys(const Tpm2Options& options, bool shared) {
    const auto token = logged_in(options);
    for (const KeySpec spec : {KeySpec::rsa_2048, KeySpec::ec_p256, KeySpec::ec_p384}) {
        const std::string name(to_text(spec));
        const auto made = token->generate(spec, key_id(1), "");
        report(made && signs(*token, made->key, 5), name, why(made));
        if (made && !is_ec(spec)) {
            const auto plain =
                token->decrypt(made->key, DecryptMechanism::rsa_pkcs1, encrypt(made->key.public_key, "content key"));
            report(plain && as_text(plain->reveal()) == "content key", name + " opens", why(plain));
        }
        if (made && shared) {
            report(signs_beside_another(options, made->key), name + " beside another process");
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: hwenroll-test-kernel-tpm TCTI\n", stderr);
        return 64;
    }
    Tpm2Options options;
    options.name = "tpm";
    options.tcti = argv[1];
    const auto description = logged_in(options)->describe();
    report(description.has_value(), description ? description->manufacturer + ' ' + description->model : "describe",
           why(description));
    // /dev/tpm0 serves one process at a time.
    try_keys(options, options.tcti.find("tpmrm") != std::string::npos);
    try_kept_key(options);
    return failures;
}
