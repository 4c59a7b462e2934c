#include "agent/cli/service_access.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <grp.h>
#include <iterator>
#include <pwd.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "agent/cli/configuration_draft.h"
#include "agent/runtime/command_output.h"

namespace hwenroll::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* systemctl = "/usr/bin/systemctl";
constexpr std::array units{"hwenrolld.service", "hwenroll-once.service"};
constexpr const char* agent_user = "hwenroll";
constexpr std::chrono::seconds patience{10};

std::string group_of(const fs::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        return {};
    }
    const group* const entry = ::getgrgid(status.st_gid);
    return entry == nullptr || status.st_gid == 0 ? std::string() : entry->gr_name;
}

std::vector<std::string> words_of(const std::string& text) {
    std::istringstream words(text);
    return {std::istream_iterator<std::string>(words), {}};
}

std::vector<std::string> groups_of(const passwd& user) {
    std::array<gid_t, 64> ids{};
    int count = static_cast<int>(ids.size());
    if (::getgrouplist(user.pw_name, user.pw_gid, ids.data(), &count) < 0) {
        count = static_cast<int>(ids.size());
    }
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) {
        if (const group* const entry = ::getgrgid(ids.at(static_cast<std::size_t>(i))); entry != nullptr) {
            names.emplace_back(entry->gr_name);
        }
    }
    return names;
}

bool has_group(const ServiceGrants& grants, const std::string& group) {
    return std::ranges::find(grants.groups, group) != grants.groups.end();
}

bool may_read_and_write(const struct stat& status, const ServiceGrants& grants) {
    constexpr mode_t both = 06;
    if (status.st_uid == grants.user) {
        return (status.st_mode >> 6U & both) == both;
    }
    const group* const owner = ::getgrgid(status.st_gid);
    const bool member = owner != nullptr && has_group(grants, owner->gr_name);
    return ((member ? status.st_mode >> 3U : status.st_mode) & both) == both;
}

/// SoftHSM2 names a token's directory by a UUID whose last two parts are its serial number.
fs::path directory_of_token(const fs::path& tokens, const std::string& serial) {
    std::error_code failure;
    for (const auto& entry : fs::directory_iterator(tokens, failure)) {
        std::string name = entry.path().filename().string();
        std::erase(name, '-');
        if (!serial.empty() && name.ends_with(serial)) {
            return entry.path();
        }
    }
    return {};
}

/// `grants`, which has what the user has by itself, and what the unit adds. Nothing: systemd does not know the unit.
std::optional<ServiceGrants> grants_of_unit(ServiceGrants grants) {
    const std::string shown =
        runtime::output_of({systemctl, "show", grants.unit, "--property=LoadState,SupplementaryGroups",
                            "--property=ReadWritePaths,BindPaths,DeviceAllow"},
                           patience);
    bool loaded = false;
    std::istringstream lines(shown);
    for (std::string line; std::getline(lines, line);) {
        const std::string value = line.substr(std::min(line.find('='), line.size() - 1) + 1);
        if (line.starts_with("SupplementaryGroups=")) {
            const auto more = words_of(value);
            grants.groups.insert(grants.groups.end(), more.begin(), more.end());
        } else if (line.starts_with("LoadState=")) {
            loaded = value == "loaded";
        } else {
            grants.paths += value + ' ';
        }
    }
    return loaded ? std::optional(std::move(grants)) : std::nullopt;
}

}  // namespace

fs::path token_directory_of(const std::string& softhsm_configuration) {
    std::istringstream lines(softhsm_configuration);
    for (std::string line; std::getline(lines, line);) {
        line.erase(0, line.find_first_not_of(" \t"));
        const auto equals = line.find('=');
        if (!line.starts_with("directories.tokendir") || equals == std::string::npos) {
            continue;
        }
        line.erase(0, line.find_first_not_of(" \t", equals + 1));
        line.erase(line.find_last_not_of(" \t\r/") + 1);
        return line;
    }
    return {};
}

ServiceNeeds service_needs(const std::string& module, const std::string& tcti, const std::string& serial) {
    ServiceNeeds needs;
    constexpr std::string_view device = "device:";
    if (tcti.starts_with(device)) {
        needs.place = tcti.substr(device.size());
        needs.device = true;
    } else if (fs::path(module).filename().string().find("softhsm") != std::string::npos) {
        const char* const named = std::getenv("SOFTHSM2_CONF");
        std::ifstream in(named != nullptr ? named : "/etc/softhsm/softhsm2.conf");
        needs.place = token_directory_of({std::istreambuf_iterator<char>(in), {}});
        needs.objects = needs.place.empty() ? fs::path() : directory_of_token(needs.place, serial);
    }
    needs.group = needs.place.empty() ? std::string() : group_of(needs.place);
    return needs;
}

std::vector<ServiceGrants> service_grants() {
    std::error_code failure;
    const passwd* const entry = ::getpwnam(agent_user);
    if (::geteuid() != 0 || entry == nullptr || !fs::is_directory("/run/systemd/system", failure) ||
        !fs::exists(systemctl, failure)) {
        return {};
    }
    ServiceGrants of_user;
    of_user.user = entry->pw_uid;
    of_user.groups = groups_of(*entry);
    std::vector<ServiceGrants> all;
    for (const char* const unit : units) {
        of_user.unit = unit;
        if (auto grants = grants_of_unit(of_user)) {
            all.push_back(*std::move(grants));
        } else if (all.empty()) {
            return {};  // without the agent's own unit there is none of the package
        }
    }
    return all;
}

std::string drop_in_text(const ServiceNeeds& needs, const ServiceGrants& grants) {
    if (needs.place.empty()) {
        return {};
    }
    std::string lines;
    if (!needs.group.empty() && !has_group(grants, needs.group)) {
        lines += "SupplementaryGroups=" + needs.group + "\n";
    }
    const std::string place = needs.place.string();
    const bool has_place = std::ranges::any_of(
        words_of(grants.paths), [&](const std::string& word) { return word.find(place) != std::string::npos; });
    if (!has_place) {
        lines +=
            needs.device ? fmt::format("BindPaths={0}\nDeviceAllow={0} rw\n", place) : "ReadWritePaths=" + place + "\n";
    }
    return lines.empty() ? lines : "[Service]\n" + lines;
}

fs::path new_drop_in(const std::string& token, const std::string& unit) {
    const fs::path directory = "/etc/systemd/system/" + unit + ".d";
    fs::path path = directory / (token + ".conf");
    std::error_code failure;
    for (int number = 2; fs::exists(fs::symlink_status(path, failure)); ++number) {
        path = directory / fmt::format("{}-{}.conf", token, number);
    }
    return path;
}

std::vector<DropIn> missing_drop_ins(const std::string& token, const ServiceNeeds& needs,
                                     const std::vector<ServiceGrants>& services) {
    std::vector<DropIn> missing;
    for (const ServiceGrants& grants : services) {
        if (std::string text = drop_in_text(needs, grants); !text.empty()) {
            missing.push_back({new_drop_in(token, grants.unit), std::move(text)});
        }
    }
    return missing;
}

std::optional<ServiceStep> missing_access(const std::string& token, const ServiceNeeds& needs,
                                          const std::vector<ServiceGrants>& services) {
    const auto missing = missing_drop_ins(token, needs, services);
    if (missing.empty()) {
        return services.empty() ? std::nullopt : closed_objects(needs, services.front());
    }
    std::string command;
    for (const DropIn& drop_in : missing) {
        std::string escaped;
        for (const char c : drop_in.text) {
            escaped += c == '\n' ? "\\n" : std::string(1, c);
        }
        command += fmt::format("printf {} | install -D -m 0644 /dev/stdin {} && ", shell_word(escaped),
                               shell_word(drop_in.path.string()));
    }
    return ServiceStep{fmt::format("the sandbox of {} does not reach {}",
                                   missing.front().path.parent_path().stem().string(), needs.place.string()),
                       command + "systemctl daemon-reload && systemctl restart hwenrolld"};
}

std::optional<ServiceStep> closed_objects(const ServiceNeeds& needs, const ServiceGrants& grants) {
    if (needs.objects.empty() || needs.group.empty()) {
        return std::nullopt;
    }
    const auto is_closed = [&](const fs::path& path) {
        struct stat status {};
        return ::stat(path.c_str(), &status) == 0 && !may_read_and_write(status, grants);
    };
    std::error_code failure;
    bool closed = is_closed(needs.objects);
    for (const auto& entry : fs::directory_iterator(needs.objects, failure)) {
        closed = closed || is_closed(entry.path());
    }
    if (!closed) {
        return std::nullopt;
    }
    const std::string directory = shell_word(needs.objects.string());
    return ServiceStep{fmt::format("user {} may not read and write all of {}", agent_user, needs.objects.string()),
                       fmt::format("chgrp -R {0} {1} && chmod -R g+rwX {1} && systemctl restart hwenrolld",
                                   shell_word(needs.group), directory)};
}

bool starts_with_configuration() {
    std::error_code failure;
    return fs::exists(systemctl, failure) &&
           runtime::output_of({systemctl, "is-active", "hwenrolld-config.path"}, patience).starts_with("active");
}

std::string reload_units() {
    return runtime::output_of({systemctl, "daemon-reload"}, patience);
}

}  // namespace hwenroll::cli
