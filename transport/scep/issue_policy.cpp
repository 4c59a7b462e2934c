#include "transport/scep/issue_policy.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include "transport/scep/reply_algorithms.h"
#include "transport/scep/usage_names.h"

namespace hwenroll::scep {
namespace {

tl::unexpected<Error> refuse(std::string what, std::string why = {}, std::string next = {}) {
    return fail(ErrorCode::scep_certificate, "the issued certificate " + std::move(what), std::move(why),
                std::move(next));
}

Status check_form(const Certificate& leaf, std::vector<std::string>& warnings) {
    constexpr std::size_t max_size = 65536;        // CERT-10
    constexpr std::size_t max_serial_octets = 20;  // RFC 5280 §4.1.2.2
    if (leaf.der().size() > max_size) {
        return refuse(fmt::format("has {} octets", leaf.der().size()));
    }
    const ASN1_INTEGER* serial = X509_get0_serialNumber(leaf.get());
    const OpenSslPtr<BIGNUM> number(ASN1_INTEGER_to_BN(serial, nullptr));
    if (!number || BN_is_negative(number.get()) == 1 || leaf.serial().size() > max_serial_octets) {
        ERR_clear_error();
        return refuse("has a serial number that is negative or too long");
    }
    if (BN_is_zero(number.get()) == 1) {
        warnings.emplace_back("the issued certificate has the serial number 0");
    }
    const std::uint32_t flags = X509_get_extension_flags(leaf.get());
    if ((flags & EXFLAG_INVALID) != 0) {
        return refuse("has a malformed extension");
    }
    if ((flags & EXFLAG_CRITICAL) != 0) {
        return refuse("has a critical extension that is unknown here");
    }
    if (leaf.is_ca()) {
        return refuse("is a CA certificate");
    }
    return {};
}

Status check_validity(const Certificate& leaf, const IssueExpectation& expected, std::vector<std::string>& warnings) {
    const std::string validity = fmt::format("valid from {} to {}, now it is {}", to_iso8601(leaf.not_before()),
                                             to_iso8601(leaf.not_after()), to_iso8601(expected.now));
    if (!expected.limits.judges_time) {
        warnings.push_back(
            "this machine's clock is not trusted, so it was not judged whether the issued certificate is " + validity);
        return {};
    }
    if (leaf.not_after() <= expected.now) {
        return refuse("has already expired", validity);
    }
    const Seconds skew = for_lifetime(expected.limits.clock_skew, leaf.not_after() - leaf.not_before());
    if (!expected.rollover && leaf.not_before() > expected.now + skew) {
        return refuse("is not valid yet", validity, "check the clock of this machine and of the CA");
    }
    const Certificate& usual = expected.current ? *expected.current : leaf;
    const Seconds tenth = (usual.not_after() - usual.not_before()) / 10;
    const Seconds least = std::max(Seconds(1), std::min(expected.limits.min_lifetime, tenth));
    const TimePoint start = expected.rollover ? first_use(leaf, expected) : expected.now;
    if (leaf.not_after() < start + least) {
        return refuse("expires too soon", validity, "ask the CA's operator for a longer lifetime");
    }
    if (leaf.not_after() > expected.issuer.not_after()) {
        warnings.emplace_back("the issued certificate outlives its CA");
    }
    if (expected.rollover && expected.current && start > expected.current->not_after()) {
        warnings.push_back(fmt::format(
            "the shadow certificate cannot be used before {}, when the present one has ended", to_iso8601(start)));
    }
    return {};
}

Status check_subject(const Certificate& leaf, const IssueExpectation& expected, std::vector<std::string>& warnings) {
    if (leaf.subject() == expected.subject) {
        return {};
    }
    const std::string difference = fmt::format("'{}' instead of '{}'", printable(leaf.subject().text(), 200),
                                               printable(expected.subject.text(), 200));
    const bool same_rdns = leaf.subject().same_rdns(expected.subject);
    using Rule = IssueExpectation::Subject;
    if (expected.subject_rule == Rule::exact || (expected.subject_rule == Rule::same_rdns && !same_rdns)) {
        return refuse("has another subject", difference,
                      fmt::format("ask the CA's operator, or set accept = {{ subject = \"{}\" }}",
                                  same_rdns ? "same-rdns" : "any"));
    }
    warnings.push_back(same_rdns ? "the CA changed the order or encoding of the subject: " + difference
                                 : "the CA changed the subject: " + difference);
    return {};
}

/// One spelling for names that mean the same.
std::string canonical(const std::string& name) {
    constexpr std::string_view ip = "ip:";
    constexpr std::string_view dns = "dns:";
    if (name.starts_with(dns)) {
        std::string lower = name;
        std::ranges::transform(lower, lower.begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        return lower;
    }
    if (!name.starts_with(ip)) {
        return name;
    }
    const std::string address = name.substr(ip.size());
    std::array<unsigned char, sizeof(in6_addr)> octets{};
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
    if (inet_pton(family, address.c_str(), octets.data()) != 1 ||
        inet_ntop(family, octets.data(), text.data(), text.size()) == nullptr) {
        return name;
    }
    return std::string(ip) + text.data();
}

std::vector<std::string> missing_from(const std::vector<std::string>& wanted, const std::vector<std::string>& given) {
    std::vector<std::string> missing;
    std::ranges::copy_if(wanted, std::back_inserter(missing), [&](const std::string& one) {
        return std::ranges::none_of(given, [&](const auto& other) { return canonical(other) == canonical(one); });
    });
    return missing;
}

Status check_alt_names(const Certificate& leaf, const IssueExpectation& expected, std::vector<std::string>& warnings) {
    const std::vector<std::string> given = leaf.subject_alt_names();
    const auto missing = missing_from(expected.subject_alt_names, given);
    if (!missing.empty()) {
        const std::string lacks =
            fmt::format("lacks the subjectAltName {}", printable(fmt::format("{}", fmt::join(missing, ", "))));
        if (expected.alt_names_rule == IssueExpectation::AltNames::superset) {
            return refuse(lacks, given.empty() ? "the CA put no names into it" : "",
                          "ask the CA's operator to copy requested names, or set accept = { san = \"any\" }");
        }
        warnings.push_back("the issued certificate " + lacks);
    }
    if (const auto added = missing_from(given, expected.subject_alt_names); !added.empty()) {
        warnings.push_back(printable(fmt::format("the CA added the subjectAltName {}", fmt::join(added, ", "))));
    }
    return {};
}

std::vector<std::string> missing_key_usages(const Certificate& leaf, const IssueExpectation& expected) {
    const std::uint32_t given = leaf.key_usage();
    const bool absent = (X509_get_extension_flags(leaf.get()) & EXFLAG_KUSAGE) == 0;
    std::vector<std::string> missing;
    std::ranges::copy_if(expected.key_usage, std::back_inserter(missing), [&](const std::string& name) {
        const auto flag = key_usage_flag(name);
        return absent || !flag || (given & *flag) == 0;
    });
    return missing;
}

std::vector<std::string> missing_purposes(const Certificate& leaf, const IssueExpectation& expected) {
    const OpenSslPtr<EXTENDED_KEY_USAGE> given(
        static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(leaf.get(), NID_ext_key_usage, nullptr, nullptr)));
    std::vector<std::string> missing;
    std::ranges::copy_if(expected.extended_key_usage, std::back_inserter(missing), [&](const std::string& name) {
        const auto wanted = extended_key_usage_object(name);
        for (int i = 0; wanted && given && i < sk_ASN1_OBJECT_num(given.get()); ++i) {
            if (OBJ_cmp(sk_ASN1_OBJECT_value(given.get(), i), wanted.get()) == 0) {
                return false;
            }
        }
        return true;
    });
    return missing;
}

Status check_usages(const Certificate& leaf, const IssueExpectation& expected, std::vector<std::string>& warnings) {
    std::vector<std::string> missing = missing_key_usages(leaf, expected);
    std::ranges::copy(missing_purposes(leaf, expected), std::back_inserter(missing));
    if (missing.empty()) {
        return {};
    }
    const std::string lacks = fmt::format("lacks the usage {}", printable(fmt::format("{}", fmt::join(missing, ", "))));
    if (expected.require_usage) {
        return refuse(lacks, {}, "ask the CA's operator, or set accept = { usage = \"warn\" }");
    }
    warnings.push_back("the issued certificate " + lacks);
    return {};
}

}  // namespace

TimePoint first_use(const Certificate& leaf, const IssueExpectation& expected) {
    TimePoint start = std::max(expected.now, leaf.not_before());
    if (expected.rollover) {
        start = std::max({start, expected.issuer.not_before(), expected.anchor.not_before()});
        for (const Certificate& intermediate : expected.intermediates) {
            start = std::max(start, intermediate.not_before());
        }
    }
    return start;
}

Status check_leaf(const Certificate& leaf, const IssueExpectation& expected, std::vector<std::string>& warnings) {
    if (Status form = check_form(leaf, warnings); !form) {
        return form;
    }
    for (auto* check : {check_validity, check_subject, check_alt_names, check_usages}) {
        if (Status passed = check(leaf, expected, warnings); !passed) {
            return passed;
        }
    }
    return check_signature_algorithm(leaf, expected.legacy,
                                     fmt::format("the certificate '{}'", printable(leaf.subject().text(), 200)));
}

}  // namespace hwenroll::scep
