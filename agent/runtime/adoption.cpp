#include "agent/runtime/adoption.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "agent/runtime/issue_expectation.h"
#include "keystore/openssl/self_test.h"

namespace hwenroll::runtime {
namespace {

Error refusal(const Certificate& leaf, const Error& error) {
    const bool foreign = error.code() == ErrorCode::scep_chain;
    return Error(error.code(),
                 fmt::format("'{}' is not adopted: {}", printable(leaf.subject().text(), 200), error.what()),
                 error.why(),
                 foreign ? "adopt it under the CA that issued it, with its intermediates below it in the file"
                         : std::string(error.next()));
}

Result<scep::IssuedCertificate> accept(const AdoptionPlan& plan) {
    const Certificate& leaf = plan.certificates.front();
    scep::IssueExpectation expected =
        issue_expectation(plan.identity, plan.authority->set, leaf.public_key(), plan.now, plan.legacy, plan.limits);
    // However short it lasts, it is what the renewal that follows is signed by.
    expected.limits.min_lifetime = Seconds(0);
    std::vector<Certificate> received = plan.certificates;
    // Other certificates of the key are not what the operator has put first.
    received.erase(std::remove_if(received.begin() + 1, received.end(),
                                  [&](const Certificate& one) { return one.public_key() == leaf.public_key(); }),
                   received.end());
    auto accepted = scep::accept_certificate(received, expected);
    return accepted ? std::move(accepted) : fail(refusal(leaf, accepted.error()));
}

/// The key that the configuration names, which must be the certificate's.
Result<keystore::KeyDescription> find_configured(keystore::Token& token, const AdoptionPlan& plan) {
    auto named = find_named(token, plan.identity.key);
    if (named && named->key.public_key != plan.certificates.front().public_key()) {
        return fail(ErrorCode::token_key_mismatch,
                    fmt::format("the certificate is for another key than {}", config::to_text(plan.identity.key)), {},
                    "correct 'key'; 'hwenroll token keys' lists what is there");
    }
    return named;
}

Result<keystore::KeyDescription> find_any(keystore::Token& token, const AdoptionPlan& plan) {
    auto keys = token.list_keys();
    if (!keys) {
        return fail(keys.error());
    }
    const PublicKey& wanted = plan.certificates.front().public_key();
    std::vector<keystore::KeyDescription> fitting;
    std::ranges::copy_if(*keys, std::back_inserter(fitting),
                         [&](const keystore::KeyDescription& key) { return key.key.public_key == wanted; });
    if (fitting.empty()) {
        const bool tpm = plan.token_type == config::TokenType::tpm2;
        return fail(ErrorCode::token_key_missing,
                    fmt::format("the certificate's key is not on token '{}'", plan.identity.token),
                    tpm ? "a TPM shows the keys under its persistent handles, not those that it has wrapped" : "",
                    tpm ? "make it persistent with tpm2_evictcontrol, or enroll instead"
                        : "correct 'token', or enroll instead; 'hwenroll token keys' lists what is there");
    }
    if (fitting.size() > 1) {
        return fail(ErrorCode::token_ambiguous,
                    fmt::format("token '{}' holds the certificate's key {} times", plan.identity.token, fitting.size()),
                    {}, "name one of them by key = \"existing:…\"; 'hwenroll token keys' lists what is there");
    }
    return std::move(fitting.front());
}

}  // namespace

Result<Adoption> judge_adoption(keystore::Token& token, const AdoptionPlan& plan) {
    auto accepted = accept(plan);
    if (!accepted) {
        return fail(accepted.error());
    }
    const bool generated = std::holds_alternative<config::KeyType>(plan.identity.key);
    auto key = generated ? find_any(token, plan) : find_configured(token, plan);
    if (!key) {
        return fail(key.error());
    }
    if (const Status good = check_existing("the certificate's key", *key); !good) {
        return fail(good.error());
    }
    if (const Status opens = keystore::opening_self_test(token, key->key); !opens) {
        return fail(opens.error());
    }
    return Adoption{*std::move(key), record_of(*accepted, plan.authority->set.anchor), accepted->warnings};
}

}  // namespace hwenroll::runtime
