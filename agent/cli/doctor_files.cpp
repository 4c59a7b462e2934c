// Files and directories as `hwenroll doctor` sees them.
#include <array>
#include <cerrno>
#include <cstdlib>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "agent/cli/doctor_checks.h"
#include "agent/cli/late_renewal.h"
#include "agent/cli/secret_file_command.h"
#include "agent/control/listener.h"
#include "agent/hook/trusted_file.h"
#include "agent/runtime/hook_run.h"
#include "agent/runtime/orphan_identities.h"
#include "agent/runtime/queries.h"
#include "agent/store/state_directory.h"

namespace hwenroll::cli {
namespace {

constexpr mode_t permission_bits = 07777;

struct FileFacts {
    int error = 0;  ///< errno; 0: the rest is true
    struct stat status {};
    [[nodiscard]] mode_t mode() const { return status.st_mode & permission_bits; }
    [[nodiscard]] bool hidden() const { return error == EACCES; }
    [[nodiscard]] std::string problem() const { return std::generic_category().message(error); }
};

FileFacts facts_of(const std::filesystem::path& path) {
    FileFacts facts;
    facts.error = ::stat(path.c_str(), &facts.status) == 0 ? 0 : errno;
    return facts;
}

std::string user_name(uid_t user) {
    const passwd* const entry = ::getpwuid(user);
    return entry == nullptr ? std::to_string(user) : entry->pw_name;
}

std::string owner_and_mode(const FileFacts& facts) {
    return fmt::format("mode {:04o}, owner {}", facts.mode(), user_name(facts.status.st_uid));
}

/// Whose process reads: the agent is the owner of its state directory, wherever that has been made.
std::optional<uid_t> agent_user(const Examination& examination) {
    const FileFacts state = facts_of(examination.configuration.agent.state_dir);
    return state.error == 0 ? std::optional(state.status.st_uid) : std::nullopt;
}

/// A program of the configuration.
void check_program(DoctorReport& report, const std::string& about, const config::Command& command) {
    const FileFacts facts = facts_of(command.front());
    constexpr mode_t executable = S_IXUSR | S_IXGRP | S_IXOTH;
    if (facts.hidden()) {
        report.unseen(about, command.front() + " cannot be looked at");
    } else if (facts.error != 0) {
        report.fail(ErrorCode::config_value, about, command.front() + ": " + facts.problem(),
                    "install it or correct the configuration");
    } else if (!S_ISREG(facts.status.st_mode) || (facts.mode() & executable) == 0) {
        report.fail(ErrorCode::config_value, about, command.front() + " is no program", "chmod +x " + command.front());
    } else {
        report.ok(about, command.front() + " is there");
    }
}

/// Who reads a secret, and what its absence is.
struct SecretUse {
    std::string about;
    ErrorCode code = ErrorCode::challenge_source;
    std::optional<uid_t> reader;
    std::string service;  ///< whose credentials it may be among
};

void check_secret_file(DoctorReport& report, const SecretUse& use, const std::string& path) {
    const FileFacts facts = facts_of(path);
    if (facts.hidden()) {
        report.unseen(use.about, path + " cannot be looked at");
    } else if (facts.error != 0) {
        const bool of_another = use.reader && *use.reader != ::geteuid();
        report.fail(use.code, use.about, path + ": " + facts.problem(),
                    secret_file_command(path, of_another ? user_name(*use.reader) : std::string()));
    } else if ((facts.mode() & 0077U) != 0) {
        report.fail(use.code, use.about, path + ": others may use it (" + owner_and_mode(facts) + ")",
                    "chmod 600 " + path);
    } else if (use.reader && facts.status.st_uid != *use.reader && *use.reader != 0) {
        report.fail(
            use.code, use.about,
            fmt::format("{}: user {}, who reads it, may not ({})", path, user_name(*use.reader), owner_and_mode(facts)),
            fmt::format("chown {} {}", user_name(*use.reader), path));
    } else {
        report.ok(use.about, path + ": " + owner_and_mode(facts));
    }
}

void check_secret(DoctorReport& report, const SecretUse& use, const config::SecretSource& source) {
    switch (source.kind) {
        case config::SecretSource::Kind::file:
            return check_secret_file(report, use, source.location);
        case config::SecretSource::Kind::command:
            return check_program(report, use.about, {source.location});
        case config::SecretSource::Kind::credential:
            break;
    }
    report.untested(use.about,
                    fmt::format("{} is what systemd gives {} (LoadCredential= or LoadCredentialEncrypted=), and seen "
                                "there alone",
                                source.text(), use.service),
                    fmt::format("systemctl show {} --property=LoadCredential,LoadCredentialEncrypted", use.service));
}

void check_secrets(Examination& examination) {
    const auto agent = agent_user(examination);
    for (const auto& [name, token] : examination.configuration.tokens) {
        const auto& source = token.type == config::TokenType::tpm2 ? token.auth : token.pin;
        if (!source) {
            continue;
        }
        const FileFacts service = facts_of(examination.configuration.agent.runtime_dir / "token" / name);
        const passwd* const own = service.error == 0 ? ::getpwnam("hwenroll-token") : nullptr;
        check_secret(examination.report,
                     {"PIN of token " + name, ErrorCode::token_pin_source,
                      service.error == 0 ? (own == nullptr ? std::nullopt : std::optional(own->pw_uid)) : agent,
                      "hwenroll-token@" + name + ".service"},
                     *source);
        if (source->kind == config::SecretSource::Kind::credential && service.error == ENOENT) {
            examination.report.warn(
                "PIN of token " + name,
                fmt::format("the agent's own worker has no credentials, and {} is not there",
                            (examination.configuration.agent.runtime_dir / "token" / name).string()),
                fmt::format("systemctl enable --now hwenroll-token@{}.socket", name));
        }
    }
    for (const auto& [name, authority] : examination.configuration.authorities) {
        if (authority.challenge) {
            check_secret(examination.report,
                         {"challenge of CA " + name, ErrorCode::challenge_source, agent, "hwenrolld.service"},
                         *authority.challenge);
        }
    }
}

void check_directory(DoctorReport& report, const std::string& about, const std::filesystem::path& path) {
    const FileFacts facts = facts_of(path);
    if (facts.hidden()) {
        report.unseen(about, path.string() + " cannot be looked at");
    } else if (facts.error == ENOENT) {
        report.ok(about, path.string() + " is not there yet; the agent makes it");
    } else if (facts.error != 0 || !S_ISDIR(facts.status.st_mode)) {
        report.fail(ErrorCode::state_directory, about,
                    path.string() + ": " + (facts.error != 0 ? facts.problem() : "it is no directory"),
                    "correct [agent] or move it away");
    } else if ((facts.mode() & (S_IWGRP | S_IWOTH)) != 0) {
        report.fail(ErrorCode::state_directory, about,
                    path.string() + ": others may write into it (" + owner_and_mode(facts) + ")",
                    "chmod go-w " + path.string());
    } else {
        report.ok(about, path.string() + ": " + owner_and_mode(facts));
    }
}

/// Whoever may write to a directory above can put one of their own in its place, and root's commands work for the owner
/// that they find (ADR 0024). A sticky directory keeps what belongs to others.
void check_way_to(DoctorReport& report, const std::filesystem::path& path) {
    const FileFacts state = facts_of(path);
    const uid_t owner = state.error == 0 ? state.status.st_uid : 0;
    for (auto above = path.parent_path(); above.has_relative_path(); above = above.parent_path()) {
        const FileFacts facts = facts_of(above);
        if (facts.error != 0) {
            continue;
        }
        const bool open = (facts.mode() & (S_IWGRP | S_IWOTH)) != 0 && (facts.mode() & S_ISVTX) == 0;
        if (open || (facts.status.st_uid != 0 && facts.status.st_uid != owner)) {
            report.warn("state directory",
                        fmt::format("{} is not root's alone to write ({}): another directory may take the place of {}",
                                    above.string(), owner_and_mode(facts), path.string()),
                        (open ? "chmod go-w " : "chown root ") + above.string());
        }
    }
}

void check_database(DoctorReport& report, const std::filesystem::path& path) {
    const FileFacts facts = facts_of(path);
    const FileFacts directory = facts_of(path.parent_path());
    if (facts.error == 0 && directory.error == 0 && facts.status.st_uid != directory.status.st_uid) {
        report.fail(ErrorCode::state_directory, "database",
                    fmt::format("{} does not belong to user {}, whose the directory is ({})", path.string(),
                                user_name(directory.status.st_uid), owner_and_mode(facts)),
                    fmt::format("chown --reference={} {}", path.parent_path().string(), path.string()));
    } else if (facts.error == 0 && (facts.mode() & 0077U) != 0) {
        report.fail(ErrorCode::state_directory, "database",
                    path.string() + ": others may read it (" + owner_and_mode(facts) + ")",
                    "chmod 600 " + path.string());
    } else if (facts.error == 0) {
        report.ok("database", path.string() + ": " + owner_and_mode(facts));
    } else if (facts.hidden()) {
        report.unseen("database", path.string() + " cannot be looked at");
    } else {
        report.ok("database", "none yet; the agent makes it");
    }
}

void check_socket(DoctorReport& report, const std::filesystem::path& path) {
    const FileFacts facts = facts_of(path);
    if (facts.error != 0) {
        return;  // whether an agent listens is another question
    }
    if ((facts.mode() & S_IWOTH) != 0) {
        report.fail(ErrorCode::control_socket, "control socket",
                    path.string() + ": everybody may ask (" + owner_and_mode(facts) + ")",
                    "systemctl restart hwenrolld");
    } else {
        report.ok("control socket", path.string() + ": " + owner_and_mode(facts));
    }
}

/// Free space where `path` is, or will be.
void check_space(DoctorReport& report, const std::string& about, std::filesystem::path path) {
    constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
    constexpr std::uint64_t least = 1;
    constexpr std::uint64_t few = 32;
    constexpr std::uint64_t least_files = 16;
    constexpr std::uint64_t few_files = 256;
    struct statvfs space {};
    while (::statvfs(path.c_str(), &space) != 0) {
        if (errno != ENOENT || path == path.parent_path()) {
            return report.unseen(about, path.string() + ": " + std::generic_category().message(errno));
        }
        path = path.parent_path();
    }
    const std::uint64_t free = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize / mib;
    const bool counted = space.f_files != 0;
    const std::string text = fmt::format("{} MiB{} left at {}", free,
                                         counted ? fmt::format(" and {} files", space.f_favail) : "", path.string());
    const std::string next = "df -h " + path.string() + "; df -i " + path.string();
    if (free < least || (counted && space.f_favail < least_files)) {
        report.fail(ErrorCode::state_directory, about, text, next);
    } else if (free < few || (counted && space.f_favail < few_files)) {
        report.warn(about, text, next);
    } else {
        report.ok(about, text);
    }
}

void check_published_modes(DoctorReport& report, const config::IdentitySettings& identity,
                           const std::filesystem::path& current) {
    const FileFacts certificate = facts_of(current / "cert.pem");
    if (certificate.error == 0 && certificate.mode() != identity.mode) {
        report.warn("identity " + identity.name,
                    fmt::format("cert.pem has mode {:04o}, not {:04o}", certificate.mode(), identity.mode),
                    fmt::format("chmod {:04o} {}", identity.mode, (current / "cert.pem").string()));
    }
    if (identity.group.empty()) {
        return;
    }
    const group* const wanted = ::getgrnam(identity.group.c_str());
    if (wanted == nullptr) {
        return report.fail(ErrorCode::config_value, "identity " + identity.name,
                           "there is no group '" + identity.group + "'", "groupadd --system " + identity.group);
    }
    for (const char* const name : {"key.pem", "key.uri"}) {
        const FileFacts key = facts_of(current / name);
        if (key.error == 0 && key.status.st_gid != wanted->gr_gid) {
            report.warn("identity " + identity.name, fmt::format("{} is not of group '{}'", name, identity.group),
                        fmt::format("chgrp {} {}", identity.group, (current / name).string()));
        }
    }
}

/// Root looks as the agent does while this lives: directories of another user are what the publisher refuses.
class EyesOf {
 public:
    explicit EyesOf(std::optional<uid_t> user)
        : switched_(user && *user != 0 && ::geteuid() == 0 && ::seteuid(*user) == 0) {}
    EyesOf(const EyesOf&) = delete;
    EyesOf& operator=(const EyesOf&) = delete;
    ~EyesOf() {
        if (switched_ && ::seteuid(0) != 0) {
            std::abort();
        }
    }

 private:
    bool switched_;
};

Result<std::string> difference_seen(Examination& examination, const config::IdentitySettings& identity) {
    const EyesOf agent(agent_user(examination));
    return runtime::published_difference(*examination.store, examination.configuration, identity);
}

/// Whether consumers were told of what they see.
void check_delivery(DoctorReport& report, const std::string& name, const lifecycle::IdentityState& state) {
    const std::uint32_t failures = lifecycle::delivery_failures(state);
    if (failures == 0) {
        return;
    }
    const auto& failure = state.delivery->failure;
    const auto confirmed = lifecycle::confirmed_end(state);
    report.warn("identity " + name,
                fmt::format("its consumers were told in vain {}{}; {}",
                            failures == 1 ? "1 time" : fmt::format("{} times", failures),
                            failure ? " since " + to_iso8601(failure->since) + ": " + failure->line : std::string(),
                            confirmed ? "the certificate that they use ends at " + to_iso8601(*confirmed)
                                      : std::string("it is not known that they use any")),
                "hwenroll resume " + name);
}

void check_published(Examination& examination, const config::IdentitySettings& identity) {
    DoctorReport& report = examination.report;
    const std::string about = "identity " + identity.name;
    const auto difference = difference_seen(examination, identity);
    if (!difference) {
        return report.fail(about, difference.error());
    }
    const auto state = examination.store->identity(identity.name);
    if (state) {
        check_delivery(report, identity.name, *state);
    }
    if (difference->empty() && state && !state->current) {
        report.ok(about, "nothing is published yet");
    } else if (difference->empty()) {
        report.ok(about, "what consumers see is what the agent has published");
    } else {
        report.warn(about, *difference, "hwenroll history " + identity.name);
    }
    check_published_modes(report, identity, examination.configuration.agent.publish_dir / identity.name / "current");
}

void check_renewal(Examination& examination, const config::IdentitySettings& identity) {
    const auto state = examination.store->identity(identity.name);
    if (!state || !state->current) {
        return;
    }
    const Seconds lifetime = state->current->issued.not_after - state->current->issued.not_before;
    if (const std::string late = late_renewal(identity, lifetime); !late.empty()) {
        examination.report.warn("identity " + identity.name, late, "renew_at = \"75%\"");
    }
}

void check_orphans(Examination& examination) {
    if (!examination.store) {
        return;
    }
    const auto orphans = runtime::orphan_identities(*examination.store, examination.configuration);
    if (!orphans) {
        return examination.report.fail("state", orphans.error());
    }
    for (const auto& [name, orphan] : *orphans) {
        examination.report.warn("identity " + name, orphan.what() + " (" + orphan.why() + ")",
                                std::string(orphan.next()));
    }
}

void check_hooks(Examination& examination) {
    DoctorReport& report = examination.report;
    bool any = false;
    for (const auto& [name, identity] : examination.configuration.identities) {
        for (const config::Command& command : identity.on_change) {
            check_program(report, "hook of identity " + name, command);
            any = true;
        }
        if (!identity.verify_command.empty()) {
            check_program(report, "verify of identity " + name, identity.verify_command);
        }
    }
    if (!any) {
        return;
    }
    const std::filesystem::path socket = examination.configuration.agent.runtime_dir / runtime::hook_socket_name;
    if (facts_of(socket).error != 0) {
        return report.ok("hooks", "run by the agent as its own user, since " + socket.string() + " is not there");
    }
    const Status trusted = hook::check_root_owned(examination.context.paths);
    trusted ? report.ok("hooks", "run by hwenroll-hook as root; nobody else can write the configuration")
            : report.fail("hooks", trusted.error());
}

}  // namespace

void check_configuration(Examination& examination) {
    DoctorReport& report = examination.report;
    report.begin("configuration");
    for (const config::Finding& finding : examination.configuration.findings) {
        report.fail(finding.error.subject(), finding.error);
    }
    if (examination.configuration.findings.empty()) {
        report.ok({},
                  fmt::format("{} identities, {} CAs, {} tokens in {} file(s)",
                              examination.configuration.identities.size(), examination.configuration.authorities.size(),
                              examination.configuration.tokens.size(), examination.configuration.files.size()));
    }
    for (const std::filesystem::path& file : examination.configuration.files) {
        const FileFacts facts = facts_of(file);
        if (facts.error == 0 && (facts.mode() & S_IWGRP) != 0) {
            report.warn(file.string(), "its group may write to it (" + owner_and_mode(facts) + ")",
                        "chmod g-w " + file.string());
        } else if (facts.error == 0 && facts.status.st_uid != 0) {
            report.warn(file.string(), "it does not belong to root (" + owner_and_mode(facts) + ")",
                        "chown root " + file.string());
        }
    }
}

void check_files(Examination& examination) {
    DoctorReport& report = examination.report;
    const config::AgentSettings& agent = examination.configuration.agent;
    report.begin("files");
    check_directory(report, "state directory", agent.state_dir);
    check_way_to(report, agent.state_dir);
    check_database(report, store::database_path(agent.state_dir));
    check_directory(report, "published files", agent.publish_dir);
    check_directory(report, "runtime directory", agent.runtime_dir);
    check_socket(report, control::socket_path(agent.runtime_dir));
    check_space(report, "space for the state", agent.state_dir);
    check_space(report, "space for published files", agent.publish_dir);
    check_secrets(examination);
}

void check_consumers(Examination& examination) {
    DoctorReport& report = examination.report;
    report.begin("consumers");
    if (examination.store) {
        for (const auto& [name, identity] : examination.configuration.identities) {
            check_published(examination, identity);
            check_renewal(examination, identity);
        }
    }
    check_orphans(examination);
    check_hooks(examination);
    if (const config::Command& command = examination.configuration.agent.on_alert; !command.empty()) {
        check_program(report, "on_alert", command);
    } else {
        report.ok("on_alert", "none: alerts are journal records and metrics only");
    }
}

}  // namespace hwenroll::cli
