#include "transport/scep/ca_chain.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/err.h>

#include "transport/scep/reply_algorithms.h"

namespace hwenroll::scep {
namespace {

constexpr int max_signature_trials = 100;  // SEC-11

// Levels of libcrypto: 112 bits, so no SHA-1 and no RSA below 2048 bits; or no floor, since no level tells SHA-1 from
// MD5. Below it stand our own checks of keys and signatures, which always apply.
constexpr int full_security_level = 2;
constexpr int sha1_security_level = 0;

/// An even modulus is no product of two odd primes, and libcrypto's arithmetic does not take it.
bool has_even_modulus(const PublicKey& key) {
    BIGNUM* raw = nullptr;
    if (!key.is_rsa() || EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_RSA_N, &raw) != 1) {
        return false;
    }
    const OpenSslPtr<BIGNUM> modulus(raw);
    return BN_is_odd(modulus.get()) == 0;
}

/// Indices of the path from `last` up to the anchor.
std::vector<std::size_t> path_of(const std::vector<ChainMember>& members, std::size_t last) {
    std::vector<std::size_t> path{last};
    while (path.back() != 0) {
        path.push_back(members[path.back()].parent);
    }
    return path;
}

/// Never empty: a check that could not be made must not pass.
std::string not_judged() {
    return "libcrypto cannot judge it: " + take_openssl_errors();
}

/// Empty, or what libcrypto has against the path (RFC 5280 §6): path lengths, critical extensions, name constraints,
/// digests. Times are not its affair: unfitness() judged them.
std::string path_objection(const Certificate& candidate, const std::vector<ChainMember>& members,
                           const std::vector<std::size_t>& path, const ParseLimits& limits,
                           const LegacyPermissions& legacy) {
    const OpenSslPtr<X509_STORE> trusted(X509_STORE_new());
    const OpenSslPtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
    const OpenSslPtr<STACK_OF(X509)> others(sk_X509_new_null());
    if (!trusted || !context || !others) {
        return not_judged();
    }
    for (const std::size_t index : path) {
        X509* certificate = members[index].certificate.get();
        const bool added = index == 0 ? X509_STORE_add_cert(trusted.get(), certificate) == 1
                                      : X509_add_cert(others.get(), certificate, X509_ADD_FLAG_UP_REF) == 1;
        if (!added) {
            return not_judged();
        }
    }
    if (X509_STORE_CTX_init(context.get(), trusted.get(), candidate.get(), others.get()) != 1) {
        return not_judged();
    }
    X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
    X509_VERIFY_PARAM_set_depth(rules, limits.max_path);
    X509_VERIFY_PARAM_set_auth_level(rules, legacy.sha1_reply ? sha1_security_level : full_security_level);
    const bool good = X509_verify_cert(context.get()) == 1;
    ERR_clear_error();
    return good ? std::string() : X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

/// Empty, or why the algorithm of the signature on `certificate` is not good enough.
std::string signature_objection(const Certificate& certificate, const LegacyPermissions& legacy) {
    const Status fit = check_signature_algorithm(certificate, legacy, "it");
    if (fit) {
        return {};
    }
    const Error& error = fit.error();
    return fmt::format("{}{}; {}", error.what(), error.why().empty() ? "" : " (" + error.why() + ")", error.next());
}

/// A CA above the path that allows fewer CAs below itself than there would be with one more at the end (RFC 5280
/// §4.2.1.9). libcrypto takes the end of a path for an end entity, so it does not see this (BAD-37).
bool has_no_room_for_ca(const std::vector<ChainMember>& members, const std::vector<std::size_t>& path) {
    for (std::size_t below = 0; below < path.size(); ++below) {
        const long allowed = X509_get_pathlen(members[path[below]].certificate.get());
        if (allowed >= 0 && below + 1 > static_cast<std::size_t>(allowed)) {
            return true;
        }
    }
    return false;
}

/// Empty, or why `candidate`, whose signature by members[parent] is good, is no member.
std::string objection(const Certificate& candidate, const std::vector<ChainMember>& members, std::size_t parent,
                      TimePoint now, const ParseLimits& limits, const LegacyPermissions& legacy) {
    if (std::string reason = unfitness(candidate, now, limits); !reason.empty()) {
        return reason;
    }
    if (std::string reason = signature_objection(candidate, legacy); !reason.empty()) {
        return reason;
    }
    const std::vector<std::size_t> path = path_of(members, parent);
    if (candidate.is_ca() && has_no_room_for_ca(members, path)) {
        return "a CA above it has a path length constraint that forbids it";
    }
    return path_objection(candidate, members, path, limits, legacy);
}

/// A set in which the search goes from the anchor downwards.
class Search {
 public:
    Search(const Certificate& anchor, const std::vector<Certificate>& received, TimePoint now,
           const ParseLimits& limits, const LegacyPermissions& legacy)
        : now_(now), limits_(limits), legacy_(legacy) {
        chain_.members.push_back({anchor, 0, 0});
        for (const Certificate& certificate : received) {
            if (!(certificate == anchor)) {
                waiting_.push_back(certificate);
            }
        }
        std::ranges::sort(waiting_, {}, &Certificate::der);
        waiting_.erase(std::unique(waiting_.begin(), waiting_.end()), waiting_.end());
    }

    Result<CaChain> run() &&;

 private:
    /// Moves out of waiting_ what members[parent] issued.
    void take_issued_by(std::size_t parent);
    void place(const Certificate& candidate, std::size_t parent);
    [[nodiscard]] bool repeats_key(const Certificate& candidate, std::size_t parent) const;
    bool is_signed_by(const Certificate& candidate, const Certificate& issuer);

    TimePoint now_;
    const ParseLimits& limits_;
    const LegacyPermissions& legacy_;
    CaChain chain_;
    std::vector<Certificate> waiting_;
    int trials_ = 0;
};

bool Search::is_signed_by(const Certificate& candidate, const Certificate& issuer) {
    if (X509_check_issued(issuer.get(), candidate.get()) != X509_V_OK || trials_ > max_signature_trials) {
        return false;
    }
    ++trials_;
    const bool good = X509_verify(candidate.get(), issuer.public_key().get()) == 1;
    ERR_clear_error();
    return good;
}

bool Search::repeats_key(const Certificate& candidate, std::size_t parent) const {
    return std::ranges::any_of(path_of(chain_.members, parent), [&](std::size_t index) {
        return chain_.members[index].certificate.public_key() == candidate.public_key();
    });
}

void Search::place(const Certificate& candidate, std::size_t parent) {
    if (repeats_key(candidate, parent)) {
        chain_.dropped.push_back({candidate, "it is another certificate of a CA in its own path"});
    } else if (candidate.is_self_issued()) {
        chain_.dropped.push_back({candidate, "it links two keys of one CA and has no role outside a rollover"});
    } else if (std::string reason = objection(candidate, chain_.members, parent, now_, limits_, legacy_);
               !reason.empty()) {
        const bool expired = limits_.judges_time && candidate.not_after() < now_;
        chain_.dropped.push_back({candidate, std::move(reason), true, expired});
    } else {
        chain_.members.push_back({candidate, parent, chain_.members[parent].depth + 1});
    }
}

void Search::take_issued_by(std::size_t parent) {
    const Certificate issuer = chain_.members[parent].certificate;
    std::vector<Certificate> still_waiting;
    for (const Certificate& candidate : std::exchange(waiting_, {})) {
        if (is_signed_by(candidate, issuer)) {
            place(candidate, parent);
        } else {
            still_waiting.push_back(candidate);
        }
    }
    waiting_ = std::move(still_waiting);
}

Result<CaChain> Search::run() && {
    for (std::size_t parent = 0; parent < chain_.members.size(); ++parent) {
        if (chain_.members[parent].certificate.is_ca()) {
            take_issued_by(parent);
        }
    }
    if (trials_ > max_signature_trials) {
        return fail(ErrorCode::ca_certificate, "the CA's certificates cannot be put in order",
                    fmt::format("more than {} signatures would have to be tried", max_signature_trials));
    }
    for (const Certificate& left : waiting_) {
        chain_.dropped.push_back({left, "it does not chain to the pinned CA"});
    }
    return std::move(chain_);
}

}  // namespace

std::string unfitness(const Certificate& certificate, TimePoint now, const ParseLimits& limits) {
    if (limits.judges_time && certificate.not_after() < now) {
        return "it expired at " + to_iso8601(certificate.not_after());
    }
    const Seconds skew = for_lifetime(limits.clock_skew, certificate.not_after() - certificate.not_before());
    if (limits.judges_time && certificate.not_before() > now + skew) {
        return "it is not valid before " + to_iso8601(certificate.not_before());
    }
    if (const Status fit = check_key_size(certificate.public_key(), limits, ErrorCode::ca_certificate, "it"); !fit) {
        return "it has " + fit.error().why();
    }
    return has_even_modulus(certificate.public_key()) ? "it has an RSA key with an even modulus" : std::string();
}

Result<CaChain> chain_to_anchor(const Certificate& anchor, const std::vector<Certificate>& received, TimePoint now,
                                const ParseLimits& limits, const LegacyPermissions& legacy) {
    return Search(anchor, received, now, limits, legacy).run();
}

std::string identify(const Certificate& certificate) {
    return fmt::format("'{}' (SHA256:{})", printable(certificate.subject().text(), 256),
                       to_hex(certificate.fingerprint(), ':'));
}

}  // namespace hwenroll::scep
