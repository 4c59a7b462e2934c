// What the services that run the agent have to be given for a token that its sandbox does not let them reach, and
// whether they have it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "agent/config/configuration.h"
#include "keystore/token.h"

namespace hwenroll::cli {

/// What the unit gives the agent, or its user has by itself.
struct ServiceGrants {
    uid_t user = 0;
    std::vector<std::string> groups;  ///< SupplementaryGroups=, and the user's own
    std::string paths;                ///< ReadWritePaths=, BindPaths= and DeviceAllow=, as systemctl shows them
    std::string unit = "hwenrolld.service";
};

/// What the unit has to be given.
struct ServiceNeeds {
    std::string group;              ///< of `place`; empty: everybody may use it
    std::filesystem::path place;    ///< SoftHSM2's directory of tokens, or a TPM's device; empty: nothing is needed
    bool device = false;            ///< `place` is a device
    std::filesystem::path objects;  ///< SoftHSM2: the directory of this token, if it was found
};

/// What has to be typed so that the service can use a token, and why.
struct ServiceStep {
    std::string why;
    std::string command;
};

/// Of a SoftHSM2 module with `serial`, or of a TPM's device in `tcti`. Reads SoftHSM2's configuration.
ServiceNeeds service_needs(const std::string& module, const std::string& tcti, const std::string& serial);

/// The directory of tokens that a configuration of SoftHSM2 names; empty: it names none.
std::filesystem::path token_directory_of(const std::string& softhsm_configuration);

/// What hwenrolld.service and hwenroll-once.service on this machine have, in this order. Nothing: this is not root,
/// systemd does not run here, or it does not know the units. Asks systemctl.
std::vector<ServiceGrants> service_grants();

/// Lines of a [Service] section for what `grants` lacks; empty: nothing.
std::string drop_in_text(const ServiceNeeds& needs, const ServiceGrants& grants);

/// `/etc/systemd/system/UNIT.d/TOKEN.conf`, or with a number where that is there: systemd reads them all.
std::filesystem::path new_drop_in(const std::string& token, const std::string& unit);

/// A drop-in that is to be written.
struct DropIn {
    std::filesystem::path path;
    std::string text;
};

/// What each of `services` lacks for `token`; empty: nothing.
std::vector<DropIn> missing_drop_ins(const std::string& token, const ServiceNeeds& needs,
                                     const std::vector<ServiceGrants>& services);

/// The first thing that keeps the services from `token`; nothing: they may use it.
std::optional<ServiceStep> missing_access(const std::string& token, const ServiceNeeds& needs,
                                          const std::vector<ServiceGrants>& services);

/// Files of the token that the service's user may not read and write, given its groups; nothing: none.
std::optional<ServiceStep> closed_objects(const ServiceNeeds& needs, const ServiceGrants& grants);

/// Whether hwenrolld.service is started by itself when its configuration appears (hwenrolld-config.path).
bool starts_with_configuration();

/// Lets systemd read its units again. What it says about a failure; empty: it is done.
std::string reload_units();

}  // namespace hwenroll::cli
