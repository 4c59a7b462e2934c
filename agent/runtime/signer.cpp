#include "agent/runtime/signer.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "agent/runtime/request_jobs.h"
#include "base/pem.h"
#include "keystore/openssl/self_test.h"

namespace hwenroll::runtime {
namespace {

constexpr std::uintmax_t largest_file = std::uintmax_t{1} << 20U;

tl::unexpected<Error> unfit(const std::filesystem::path& file, std::string why, std::string next = {}) {
    return fail(ErrorCode::signer_certificate, fmt::format("cannot sign with '{}'", file.string()), std::move(why),
                std::move(next));
}

Result<std::vector<Certificate>> read_certificates(const std::filesystem::path& file, std::size_t most) {
    std::error_code failure;
    const std::uintmax_t size = std::filesystem::file_size(file, failure);
    if (failure) {
        return unfit(file, failure.message());
    }
    if (size > largest_file) {
        return unfit(file, "it is larger than 1 MiB");
    }
    std::ifstream in(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (!in) {
        return unfit(file, "it cannot be read");
    }
    auto certificates = certificates_from_pem(text);
    if (!certificates) {
        return unfit(file, std::string(certificates.error().what()), "put PEM certificates there");
    }
    if (certificates->size() > most) {
        return unfit(file, fmt::format("it holds {} certificates, more than {}", certificates->size(), most));
    }
    return certificates;
}

/// The certificates above the signer's, from `chain` and from behind it in its own file.
Result<std::vector<Bytes>> read_chain(const SignerPlan& plan, const std::vector<Certificate>& own) {
    std::vector<Certificate> all(own.begin() + 1, own.end());
    if (!plan.settings.chain.empty()) {
        auto more = read_certificates(plan.settings.chain, plan.max_certificates);
        if (!more) {
            return fail(more.error());
        }
        all.insert(all.end(), more->begin(), more->end());
        const bool issuer_there =
            std::ranges::any_of(all, [&](const Certificate& one) { return one.subject() == own.front().issuer(); });
        if (!issuer_there) {
            return unfit(plan.settings.chain,
                         fmt::format("it does not hold '{}', which issued {}", own.front().issuer().text(),
                                     plan.settings.certificate.string()));
        }
    }
    std::vector<Bytes> chain;
    for (const Certificate& one : all) {
        if (one != own.front() && std::ranges::find(chain, one.der()) == chain.end()) {
            chain.push_back(one.der());
        }
    }
    return chain;
}

/// No CA admits it, and the refusal would cost the challenge-free way for a day.
Status check_time(const SignerPlan& plan, const Certificate& certificate) {
    if (!plan.clock_trusted || (plan.now >= certificate.not_before() && plan.now < certificate.not_after())) {
        return {};
    }
    const bool early = plan.now < certificate.not_before();
    return fail(ErrorCode::signer_expired,
                fmt::format("the manufacturer's certificate in '{}' {} {}", plan.settings.certificate.string(),
                            early ? "is not valid before" : "expired at",
                            to_iso8601(early ? certificate.not_before() : certificate.not_after())));
}

}  // namespace

Result<Signer> find_signer(const std::shared_ptr<keystore::Token>& token, const SignerPlan& plan) {
    const std::filesystem::path& file = plan.settings.certificate;
    auto own = read_certificates(file, plan.max_certificates);
    if (!own) {
        return fail(own.error());
    }
    const Certificate& certificate = own->front();
    auto chain = read_chain(plan, *own);
    if (!chain) {
        return fail(chain.error());
    }
    if (const Status valid = check_time(plan, certificate); !valid) {
        return fail(valid.error());
    }
    if (!certificate.public_key().is_rsa() || certificate.public_key().bits() < 2048) {
        return unfit(file, "replies are encrypted to its key, which is " + certificate.public_key().text(),
                     "use a certificate for an RSA key of 2048 bits or more");
    }
    auto key = find_named(*token, plan.settings.key);
    if (!key) {
        return fail(key.error());
    }
    if (key->key.public_key != certificate.public_key()) {
        return unfit(file,
                     fmt::format("it is not for the key {} of token '{}'", config::to_text(plan.settings.key),
                                 plan.settings.token),
                     "correct 'cert' or 'key' of 'signer'; 'hwenroll token keys' lists what is there");
    }
    if (key->key.id.value.empty()) {
        return unfit(file, "its key has no CKA_ID to find it by", "give it one, e.g. with pkcs11-tool --set-id");
    }
    if (const Status opens = keystore::opening_self_test(*token, key->key); !opens) {
        return fail(opens.error());
    }
    return Signer{{key->key.id.value, certificate.public_key().spki(), true}, certificate.der(), *std::move(chain)};
}

}  // namespace hwenroll::runtime
