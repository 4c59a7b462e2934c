#include "agent/cli/found_tokens.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>

#include "agent/runtime/queries.h"
#include "keystore/worker/worker_token.h"

namespace hwenroll::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds patience{10};
constexpr const char* resource_managed_tpm = "/dev/tpmrm0";

/// Entries of a directory that may not be there, in the order of their names.
std::vector<fs::path> entries_of(const fs::path& directory) {
    std::vector<fs::path> entries;
    std::error_code failure;
    for (fs::directory_iterator at(directory, failure), end; !failure && at != end; at.increment(failure)) {
        entries.push_back(at->path());
    }
    std::ranges::sort(entries);
    return entries;
}

/// Directories of libraries: those of multiarch and the plain ones.
std::vector<fs::path> library_directories() {
    std::vector<fs::path> directories{"/usr/lib", "/usr/lib64", "/usr/local/lib"};
    for (const fs::path& entry : entries_of("/usr/lib")) {
        if (entry.filename().string().find("-linux-") != std::string::npos) {
            directories.push_back(entry);
        }
    }
    return directories;
}

/// `module:` of pkcs11.conf(5), unless it is p11-kit's own or serves trust policy, which is no token.
std::string module_of(const fs::path& file) {
    std::ifstream lines(file);
    std::string module;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("trust-policy:") && line.find("yes") != std::string::npos) {
            return {};
        }
        if (line.starts_with("module:")) {
            module = line.substr(line.find(':') + 1);
            module.erase(0, module.find_first_not_of(" \t"));
            module.erase(module.find_last_not_of(" \t\r") + 1);
        }
    }
    return module.find("p11-kit-") == std::string::npos ? module : std::string();
}

std::vector<fs::path> candidates() {
    const std::vector<fs::path> libraries = library_directories();
    std::vector<fs::path> found{"/usr/lib/softhsm/libsofthsm2.so"};
    for (const char* const configured : {"/usr/share/p11-kit/modules", "/etc/pkcs11/modules"}) {
        for (const fs::path& file : entries_of(configured)) {
            const fs::path module = file.extension() == ".module" ? module_of(file) : std::string();
            if (module.is_absolute()) {
                found.push_back(module);
            } else if (!module.empty()) {
                for (const fs::path& library : libraries) {
                    found.push_back(library / "pkcs11" / module);
                }
            }
        }
    }
    for (const fs::path& library : libraries) {
        for (const char* const usual : {"softhsm/libsofthsm2.so", "opensc-pkcs11.so", "pkcs11/libtpm2_pkcs11.so"}) {
            found.push_back(library / usual);
        }
    }
    return found;
}

/// Those that are there, each once: several names may lead to one file.
std::vector<std::string> modules_of_this_machine() {
    std::vector<std::string> modules;
    std::set<fs::path> files;
    for (const fs::path& candidate : candidates()) {
        std::error_code failure;
        const fs::path file = fs::canonical(candidate, failure);
        if (!failure && files.insert(file).second) {
            modules.push_back(candidate.string());
        }
    }
    return modules;
}

bool can_hold_keys(const keystore::TokenDescription& token) {
    return !token.uri.empty() && (!token.login_required || token.initialized);
}

void ask_module(TokenSearch& search, const std::string& module) {
    search.modules.push_back(module);
    const auto tokens = keystore::list_tokens(runtime::worker_beside_this_program(), module, false, patience);
    if (!tokens) {
        search.failures.push_back(tokens.error());
        return;
    }
    for (const keystore::TokenDescription& token : *tokens) {
        const bool known = std::ranges::any_of(
            search.tokens, [&](const FoundToken& other) { return other.description.uri == token.uri; });
        if (can_hold_keys(token) && !known) {
            search.tokens.push_back({module, {}, token});
        }
    }
}

void ask_tpm(TokenSearch& search, const std::string& tcti) {
    search.tpms.push_back(tcti);
    keystore::Tpm2Options options;
    options.name = "tpm";
    options.tcti = tcti;
    keystore::WorkerToken tpm(runtime::worker_beside_this_program(), options);
    auto description = tpm.describe();
    if (description) {
        search.tokens.push_back({{}, tcti, *std::move(description)});
    } else {
        search.failures.push_back(description.error());
    }
}

}  // namespace

TokenSearch find_tokens(const std::optional<std::string>& module, const std::optional<std::string>& tcti) {
    TokenSearch search;
    if (module) {
        ask_module(search, *module);
    }
    if (tcti) {
        ask_tpm(search, *tcti);
    }
    if (module || tcti) {
        return search;
    }
    for (const std::string& path : modules_of_this_machine()) {
        ask_module(search, path);
    }
    std::error_code failure;
    if (fs::is_character_file(resource_managed_tpm, failure)) {
        ask_tpm(search, std::string("device:") + resource_managed_tpm);
    }
    return search;
}

bool is_meant(const FoundToken& token, const std::string& wanted) {
    if (token.module.empty()) {
        return wanted == "tpm2" || wanted == token.tcti;
    }
    const keystore::TokenDescription& description = token.description;
    if (wanted == description.label || wanted == description.serial || wanted == description.uri) {
        return true;
    }
    // A URI with fewer attributes means every token that has them.
    constexpr std::string_view scheme = "pkcs11:";
    if (!wanted.starts_with(scheme) || wanted == scheme) {
        return false;
    }
    const std::string attributes = ";" + description.uri.substr(scheme.size()) + ";";
    std::string rest = wanted.substr(scheme.size()) + ";";
    while (!rest.empty()) {
        const std::string attribute = rest.substr(0, rest.find(';') + 1);
        if (attributes.find(";" + attribute) == std::string::npos) {
            return false;
        }
        rest.erase(0, attribute.size());
    }
    return true;
}

}  // namespace hwenroll::cli
