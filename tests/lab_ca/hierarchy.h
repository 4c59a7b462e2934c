// What stands above and beside the issuing CA (SRV-4): a root, and registration authorities.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "tests/lab_ca/generations.h"

namespace hwenroll::lab_ca {

enum class Topology {
    root,          ///< one self-signed CA does everything
    intermediate,  ///< the CA is issued by a root that does nothing else
    one_ra,        ///< an RA signs replies and opens requests
    split_ra,      ///< one RA signs replies, another one opens requests (NDES, Q-NDES-4)
    ec_ca,         ///< one_ra, with a CA that has an EC key
};

/// What makes an RA's certificate one (SIG-13).
enum class RaPurpose {
    cmc_ra,     ///< id-kp-cmcRA
    microsoft,  ///< certificate request agent
};

struct HierarchyPolicy {
    Topology topology = Topology::root;
    RaPurpose purpose = RaPurpose::cmc_ra;
};

/// A root and RAs, as far as the topology has them. In DIR: root.pem, and ra.pem or ra-sign.pem and ra-encrypt.pem,
/// each with its .key. Movable.
class Hierarchy {
 public:
    /// What must be there before the CA is. The root begins with `rollover.backdate` and outlives the CA by its
    /// lifetime. Error codes: input_file, crypto, config_value (a rollover of anything but a single root).
    static Result<Hierarchy> open(const std::filesystem::path& directory, const HierarchyPolicy& policy,
                                  const RolloverPolicy& rollover, TimePoint now);

    /// How the CA differs from a root.
    [[nodiscard]] FirstAuthority first_authority() const;

    /// Makes or loads the RAs of `ca`. Error codes: input_file, crypto.
    Status add_ras(const std::filesystem::path& directory, const Authority& ca, TimePoint now);

    /// The RA that signs replies, or for which requests are enveloped; nullptr: the CA does it. Borrowed.
    [[nodiscard]] const SigningIdentity* signer() const { return signer_ ? &*signer_ : nullptr; }
    [[nodiscard]] const SigningIdentity* recipient() const { return recipient_ ? &*recipient_ : signer(); }

    /// The root above the CA.
    [[nodiscard]] std::optional<Certificate> root() const;

    /// What GetCACert hands out for `ca`: itself and whatever there is beside and above it.
    [[nodiscard]] std::vector<Certificate> certificates(const Certificate& ca) const;

 private:
    explicit Hierarchy(HierarchyPolicy policy) : policy_(policy) {}

    HierarchyPolicy policy_;
    std::optional<SigningIdentity> root_;
    std::optional<SigningIdentity> signer_;
    std::optional<SigningIdentity> recipient_;  ///< where it is another one than the signer
};

}  // namespace hwenroll::lab_ca
