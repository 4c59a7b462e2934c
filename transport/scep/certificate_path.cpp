#include "transport/scep/certificate_path.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "transport/scep/ca_chain.h"

namespace hwenroll::scep {
namespace {

constexpr int max_signature_checks = 100;

class PathSearch {
 public:
    PathSearch(const std::vector<Certificate>& pool, const Certificate& anchor, TimePoint at, const ParseLimits& limits)
        : pool_(pool), anchor_(anchor), at_(at), limits_(limits) {}

    /// Depth first; the path is kept when the anchor is reached.
    bool extend(const Certificate& child) {
        if (issued(child, anchor_)) {
            return true;
        }
        for (const Certificate& candidate : pool_) {
            if (!is_usable(candidate, child) || !issued(child, candidate)) {
                continue;
            }
            path_.push_back(candidate);
            if (extend(candidate)) {
                return true;
            }
            path_.pop_back();
        }
        return false;
    }

    [[nodiscard]] std::vector<Certificate> take() && { return std::move(path_); }
    [[nodiscard]] std::string explain() const {
        return checks_left_ <= 0 ? fmt::format("more than {} signatures would have to be checked", max_signature_checks)
               : unfit_.empty()  ? "no issuing certificate is there that leads to it"
                                 : unfit_;
    }

 private:
    bool is_usable(const Certificate& candidate, const Certificate& child) {
        if (path_.size() >= static_cast<std::size_t>(std::max(limits_.max_path, 0)) || !candidate.is_ca() ||
            candidate == child || std::ranges::find(path_, candidate) != path_.end()) {
            return false;
        }
        const std::string reason = unfitness(candidate, at_, limits_);
        if (!reason.empty() && X509_check_issued(candidate.get(), child.get()) == X509_V_OK) {
            unfit_ = fmt::format("the CA certificate '{}' is not acceptable: {}",
                                 printable(candidate.subject().text(), 200), reason);
        }
        return reason.empty();
    }

    bool issued(const Certificate& child, const Certificate& parent) {
        if (X509_check_issued(parent.get(), child.get()) != X509_V_OK || checks_left_ <= 0) {
            return false;
        }
        --checks_left_;
        return is_issued_by(child, parent);
    }

    const std::vector<Certificate>& pool_;
    const Certificate& anchor_;
    TimePoint at_;
    const ParseLimits& limits_;
    std::vector<Certificate> path_;
    int checks_left_ = max_signature_checks;
    std::string unfit_;
};

/// libcrypto's own judgement of a path that is already known to hold together. Times are not its affair: unfitness()
/// judged them.
Status validate(const Certificate& leaf, const std::vector<Certificate>& path, const Certificate& anchor,
                const ParseLimits& limits) {
    const OpenSslPtr<X509_STORE> store(X509_STORE_new());
    const OpenSslPtr<STACK_OF(X509)> untrusted(sk_X509_new_null());
    const OpenSslPtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
    bool ready = store && untrusted && context && X509_STORE_add_cert(store.get(), anchor.get()) == 1;
    for (const Certificate& certificate : path) {
        ready = ready && X509_add_cert(untrusted.get(), certificate.get(), X509_ADD_FLAG_UP_REF) == 1;
    }
    if (!ready || X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), untrusted.get()) != 1) {
        return fail(openssl_error("a certificate path cannot be validated"));
    }
    X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_depth(parameters, limits.max_path);
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
    const int valid = X509_verify_cert(context.get());
    ERR_clear_error();
    if (valid == 1) {
        return {};
    }
    const int problem = X509_STORE_CTX_get_error(context.get());
    const int depth = X509_STORE_CTX_get_error_depth(context.get());
    return fail(ErrorCode::scep_chain, "the issued certificate's path to the pinned CA is not valid",
                fmt::format("{} (certificate {} of the path)", X509_verify_cert_error_string(problem), depth));
}

}  // namespace

bool is_issued_by(const Certificate& certificate, const Certificate& issuer) {
    const bool issued = X509_check_issued(issuer.get(), certificate.get()) == X509_V_OK &&
                        X509_verify(certificate.get(), issuer.public_key().get()) == 1;
    ERR_clear_error();
    return issued;
}

Result<std::vector<Certificate>> find_path(const Certificate& leaf, const std::vector<Certificate>& pool,
                                           const Certificate& anchor, TimePoint at, const ParseLimits& limits) {
    if (std::string reason = unfitness(anchor, at, limits); !reason.empty()) {
        return fail(ErrorCode::scep_chain,
                    fmt::format("the pinned CA '{}' is not acceptable", printable(anchor.subject().text(), 200)),
                    std::move(reason));
    }
    PathSearch search(pool, anchor, at, limits);
    if (!search.extend(leaf)) {
        return fail(ErrorCode::scep_chain,
                    fmt::format("the issued certificate does not chain to the pinned CA '{}'",
                                printable(anchor.subject().text(), 200)),
                    search.explain());
    }
    std::vector<Certificate> path = std::move(search).take();
    if (Status valid = validate(leaf, path, anchor, limits); !valid) {
        return fail(std::move(valid).error());
    }
    return path;
}

}  // namespace hwenroll::scep
