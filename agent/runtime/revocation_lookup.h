// Looks into the CRLs at hand: for the published certificates (SM-18) and for the CA's RAs (SIG-14).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agent/lifecycle/crl_state.h"
#include "agent/runtime/identity_runner.h"
#include "transport/scep/crl.h"

namespace hwenroll::runtime {

/// On the loop's thread. The lists are those that a CrlWatch has judged; they are read from the database each time.
/// While the clock is not trusted nothing is held against a certificate: then it is not known which list is the present
/// one.
class RevocationLookup {
 public:
    /// The identities of the CA that are there now.
    using Runners = std::function<std::vector<IdentityRunner*>()>;

    /// The references outlive it. `warn` is told what goes wrong.
    RevocationLookup(const Surroundings& surroundings, Runners runners, std::function<void(const std::string&)> warn)
        : at_(surroundings), runners_(std::move(runners)), warn_(std::move(warn)) {}

    /// Looks every published certificate up in its list, once in every list. What an identity could not write down it
    /// is told again (SM-18).
    void look(const std::vector<lifecycle::CrlState>& states);

    /// When look() has something to do; nothing: not by time alone.
    [[nodiscard]] std::optional<TimePoint> next_due(const std::vector<lifecycle::CrlState>& states) const;

    /// Whether a list of the CA that issued it names the certificate. `wanted`: the lists that are still fetched.
    [[nodiscard]] bool is_revoked(const Certificate& certificate, const std::vector<lifecycle::CrlState>& states,
                                  const std::vector<lifecycle::CrlName>& wanted) const;

    /// There are no lists any more.
    void forget();

 private:
    [[nodiscard]] bool was_looked_up(const IdentityRunner& runner, const lifecycle::CrlState& list) const;
    bool look_into(const lifecycle::CrlState& list, const std::map<Bytes, IdentityRunner*>& by_serial);
    void report(IdentityRunner& runner, const scep::Revocation& found);

    Surroundings at_;
    Runners runners_;
    std::function<void(const std::string&)> warn_;
    std::map<std::string, Bytes> looked_up_;  ///< by identity: the list and the certificate that were compared last
    std::map<std::string, Bytes> on_hold_;    ///< by identity: serial of a certificate that the CA has suspended
    TimePoint look_again_{};                  ///< after a look that could not be written down
    bool must_look_ = true;                   ///< a crash may have kept an identity from hearing of its list
};

}  // namespace hwenroll::runtime
