// The certificate that a successful reply is about (CERT-1 … CERT-10, DEG-3 … DEG-8).
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "transport/scep/cert_rep.h"
#include "transport/scep/certificate_path.h"
#include "transport/scep/issue_policy.h"
#include "transport/scep/reply_algorithms.h"

namespace hwenroll::scep {
namespace {

bool same_serial_and_issuer(const Certificate& a, const Certificate& b) {
    return a.serial() == b.serial() && a.issuer() == b.issuer();
}

std::string subjects_of(const std::vector<Certificate>& certificates) {
    constexpr std::size_t shown = 4;
    std::string text;
    for (std::size_t i = 0; i < std::min(certificates.size(), shown); ++i) {
        text += fmt::format("{}'{}'", i == 0 ? "" : ", ", printable(certificates[i].subject().text(), 120));
    }
    return text + (certificates.size() > shown ? ", …" : "");
}

/// DEG-4: those that a renewal may bring.
std::vector<Certificate> later_ones(const std::vector<Certificate>& ours, const IssueExpectation& expected) {
    std::vector<Certificate> later = ours;
    if (const auto& current = expected.current) {
        std::erase_if(later, [&](const Certificate& c) {
            return same_serial_and_issuer(c, *current) || c.not_after() <= current->not_after();
        });
    }
    return later;
}

tl::unexpected<Error> no_progress(const Certificate& leaf, const Certificate& current) {
    if (same_serial_and_issuer(leaf, current)) {
        return fail(ErrorCode::scep_no_progress, "the server returned the existing certificate instead of a new one",
                    {}, "some servers do so for a renewal with the same key: set new_key = \"require\"");
    }
    return fail(ErrorCode::scep_no_progress,
                "the server returned a certificate that ends no later than the present one",
                fmt::format("it ends at {}, the present one at {}", to_iso8601(leaf.not_after()),
                            to_iso8601(current.not_after())));
}

/// ROLL-15: a server that does not look at the recipient lets the CA in force issue what was asked of the next one.
Status check_generation(const Certificate& leaf, const IssueExpectation& expected) {
    if (!expected.rollover || is_issued_by(leaf, expected.issuer)) {
        return {};
    }
    const auto& present = expected.rollover->present_signers;
    const auto issuer = std::ranges::find_if(present, [&](const Certificate& c) { return is_issued_by(leaf, c); });
    if (issuer == present.end()) {
        return {};
    }
    return fail(
        ErrorCode::scep_rollover_issuer, "the present CA issued the certificate that was asked of the next one",
        fmt::format("'{}' ends at {}", printable(issuer->subject().text(), 200), to_iso8601(issuer->not_after())));
}

/// DEG-3, DEG-4: our key decides, then the expected issuer, then the latest notBefore.
Result<Certificate> choose_leaf(const std::vector<Certificate>& received, const IssueExpectation& expected) {
    std::vector<Certificate> ours;
    std::ranges::copy_if(received, std::back_inserter(ours),
                         [&](const Certificate& c) { return c.public_key() == expected.public_key; });
    if (ours.empty()) {
        return fail(ErrorCode::scep_key_mismatch, "the reply holds no certificate for the key that was requested",
                    fmt::format("it holds {}", received.empty() ? "none at all" : subjects_of(received)));
    }
    const auto better = later_ones(ours, expected);
    const auto rank = [&](const Certificate& c) { return std::pair(is_issued_by(c, expected.issuer), c.not_before()); };
    Certificate leaf = *std::ranges::max_element(better.empty() ? ours : better, {}, rank);
    if (expected.current && same_serial_and_issuer(leaf, *expected.current)) {
        return no_progress(leaf, *expected.current);
    }
    if (Status generation = check_generation(leaf, expected); !generation) {
        return fail(std::move(generation).error());
    }
    if (better.empty()) {
        return no_progress(leaf, *expected.current);
    }
    return leaf;
}

/// Where a path may lead through: what is trusted already, then what came along (DEG-5, DEG-8).
std::vector<Certificate> path_pool(const std::vector<Certificate>& received, const IssueExpectation& expected) {
    std::vector<Certificate> pool{expected.issuer};
    pool.insert(pool.end(), expected.intermediates.begin(), expected.intermediates.end());
    pool.insert(pool.end(), received.begin(), received.end());
    return pool;
}

/// CERT-3. A renewed certificate of the expected issuer counts; and where only the anchor is known, an intermediate
/// that came along with the reply may stand between.
Status check_issuer(const std::vector<Certificate>& path, const IssueExpectation& expected,
                    std::vector<std::string>& warnings) {
    const Certificate& issuer = path.empty() ? expected.anchor : path.front();
    if (issuer.subject() == expected.issuer.subject() && issuer.public_key() == expected.issuer.public_key()) {
        return {};
    }
    const std::string difference = fmt::format("'{}' instead of '{}'", printable(issuer.subject().text(), 200),
                                               printable(expected.issuer.subject().text(), 200));
    if (expected.issuer == expected.anchor) {
        warnings.push_back("the certificate was issued by an intermediate that only the reply shows: " + difference);
        return {};
    }
    return fail(ErrorCode::scep_chain, "the certificate was issued by another CA than expected", difference);
}

Status check_intermediates(const std::vector<Certificate>& path, const IssueExpectation& expected) {
    for (const Certificate& intermediate : path) {
        const std::string what = fmt::format("the certificate '{}'", printable(intermediate.subject().text(), 200));
        if (Status algorithm = check_signature_algorithm(intermediate, expected.legacy, what); !algorithm) {
            return algorithm;
        }
    }
    return {};
}

/// A root in a reply is never trusted (DEG-5, BAD-121).
void note_foreign_roots(const std::vector<Certificate>& received, const IssueExpectation& expected,
                        std::vector<std::string>& warnings) {
    for (const Certificate& certificate : received) {
        if (certificate.is_ca() && certificate.is_self_issued() && certificate != expected.anchor) {
            warnings.push_back(fmt::format("a root certificate '{}' in the reply was dropped",
                                           printable(certificate.subject().text(), 200)));
        }
    }
}

}  // namespace

Result<IssuedCertificate> accept_certificate(const std::vector<Certificate>& received,
                                             const IssueExpectation& expected) {
    Result<Certificate> leaf = choose_leaf(received, expected);
    if (!leaf) {
        return fail(std::move(leaf).error());
    }
    IssuedCertificate issued{*std::move(leaf), {}, {}};
    if (Status fit = check_leaf(issued.leaf, expected, issued.warnings); !fit) {
        return fail(std::move(fit).error());
    }
    // A certificate from the near future is accepted (CERT-4), so its path is judged when it starts.
    const TimePoint at = first_use(issued.leaf, expected);
    Result<std::vector<Certificate>> path =
        find_path(issued.leaf, path_pool(received, expected), expected.anchor, at, expected.limits);
    if (!path) {
        return fail(std::move(path).error());
    }
    issued.chain = *std::move(path);
    if (Status issuer = check_issuer(issued.chain, expected, issued.warnings); !issuer) {
        return fail(std::move(issuer).error());
    }
    if (Status intermediates = check_intermediates(issued.chain, expected); !intermediates) {
        return fail(std::move(intermediates).error());
    }
    note_foreign_roots(received, expected, issued.warnings);
    return issued;
}

}  // namespace hwenroll::scep
