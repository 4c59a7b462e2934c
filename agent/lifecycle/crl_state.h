// What is known of the CRL of one CA certificate, or of some distribution points of one, and when it is fetched again
// (QRY-4, QRY-6). Pure.
#pragma once

#include <optional>
#include <vector>

#include "agent/lifecycle/identity_state.h"

namespace hwenroll::lifecycle {

/// A CRL that was judged and found good.
struct CrlRecord {
    Bytes digest;  ///< SHA-256 of its DER; empty: there is none
    Bytes number;  ///< cRLNumber, most significant octet first; empty: it has none
    TimePoint this_update;
    std::optional<TimePoint> next_update;
    std::uint64_t entries = 0;
    friend bool operator==(const CrlRecord&, const CrlRecord&) = default;
};

/// Stored: times outlive the process, so that restarts ask no CA more often.
struct CrlState {
    Bytes issuer;                ///< DER of the CA certificate
    Bytes scope;                 ///< IssuedRecord::crl_scope of the certificates that it speaks of
    CrlRecord crl;               ///< the one at hand, which is published; stays after its end (nothing better is there)
    TimePoint fetched_at;        ///< the last success
    TimePoint next_try;          ///< nothing is fetched before
    std::uint32_t failures = 0;  ///< consecutive
    std::optional<FailureRecord> failure;  ///< the last one since the last success
    std::optional<TimePoint> told_at;      ///< when people were last told that the CRL at hand has ended
    friend bool operator==(const CrlState&, const CrlState&) = default;
};

/// No CRL is left unlooked at for longer, whatever its nextUpdate: CAs issue before that when something is revoked.
inline constexpr Seconds longest_crl_pause{86400};

/// DER of the CA certificate that issued this one, whose CRL speaks of it; nothing: not known.
const Bytes* issuer_of(const IssuedRecord& issued);

/// Which CRL speaks of a certificate.
struct CrlName {
    Bytes issuer;  ///< CrlState::issuer
    Bytes scope;   ///< CrlState::scope
    friend bool operator==(const CrlName&, const CrlName&) = default;
};

/// Nothing: the certificate's issuer is not known.
std::optional<CrlName> crl_of(const IssuedRecord& issued);

/// The one of that name; nullptr: there is none. Borrowed.
const CrlState* find_crl(const std::vector<CrlState>& states, const CrlName& name);

/// `received` is what the CA gives now, perhaps what it gave before. The next try is a tenth of the list's life before
/// its nextUpdate, moved earlier by up to a twentieth by `fraction` of 2^32; within that tenth it is after a quarter of
/// what is left; after a day at most, and never sooner than min(1 min, 1 % of the life).
CrlState after_fetch(CrlState state, const CrlRecord& received, TimePoint now, std::uint32_t fraction);

/// 1 min, doubled up to 6 h, drawn from [step/2, step] by `fraction`, for lists and certificates of minutes scaled by
/// `life`, the lifetime of the certificate in question; no sooner than error.retry_after().
CrlState after_failure(CrlState state, const Error& error, Seconds life, TimePoint now, std::uint32_t fraction);

/// When it is fetched next. K3: a time that a clock that was ahead has put off is bound by a day from `now`.
TimePoint next_fetch(const CrlState& state, TimePoint now);

/// True when the list at hand has ended and people have not been told for a day.
bool is_to_be_told(const CrlState& state, TimePoint now);

}  // namespace hwenroll::lifecycle
