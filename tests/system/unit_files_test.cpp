// The files of systemd/, as systemd, journald and AppArmor understand them.
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/child_process.h"
#include "tests/support/required_tokens.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using testing::AnyOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::filesystem::path shipped(const std::string& name) {
    return source_file("systemd/" + name);
}

std::string text_of(const std::string& name) {
    return read_file(shipped(name));
}

/// The assignments of a unit's section, in order: `Key=value`.
std::vector<std::string> assignments(const std::string& unit, const std::string& section) {
    std::vector<std::string> found;
    std::istringstream lines(unit);
    std::string current;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with('[')) {
            current = line;
        } else if (current == "[" + section + "]" && line.find('=') != std::string::npos && !line.starts_with('#')) {
            found.push_back(line);
        }
    }
    return found;
}

std::string key_of(const std::string& assignment) {
    return assignment.substr(0, assignment.find('='));
}

/// Skips the test where a program is missing, unless nothing may be.
#define NEEDS(...)                                             \
    if (const auto missing = missing_package({__VA_ARGS__})) { \
        ASSERT_FALSE(tokens_are_required()) << *missing;       \
        GTEST_SKIP() << *missing;                              \
    }                                                          \
    static_assert(true)

class UnitFiles : public testing::Test {
 protected:
    /// A copy of `unit` as `name`, with programs that are here in place of those of an installation.
    std::string copy(const std::string& unit, const std::string& name, const std::string& drop_in = {}) {
        const auto path = directory_ / name;
        write_file(path, std::regex_replace(text_of(unit), std::regex("/usr/(sbin|libexec/hwenroll)/hwenroll[a-z-]*"),
                                            "/bin/true") +
                             drop_in);
        return path.string();
    }

    /// Whether systemd-analyze finds `unit` exposed by at most `tenths`.
    bool is_exposed_by_at_most(int tenths, const std::string& unit, const std::string& drop_in = {}) {
        const std::string name = std::regex_replace(unit, std::regex("@"), "@tpm");
        last_ = run({"systemd-analyze", "security", "--offline=true", "--no-pager",
                     fmt::format("--threshold={}", tenths), copy(unit, name, drop_in)});
        return last_.exit_code == 0;
    }

    TemporaryDirectory directory_;
    RunResult last_;
};

TEST_F(UnitFiles, are_understood_by_systemd) {
    NEEDS({"systemd-analyze", "systemd"});
    std::vector<std::string> command{"systemd-analyze", "verify", "--man=no"};
    for (const auto& entry : std::filesystem::directory_iterator(shipped(""))) {
        const std::string name = entry.path().filename();
        if (std::regex_match(name, std::regex(".*\\.(service|socket|path|timer)"))) {
            const std::string copied = copy(name, name);
            command.push_back(std::regex_replace(copied, std::regex("@\\."), "@1."));
        }
    }
    ASSERT_GE(command.size(), 10U);
    last_ = run(command);
    EXPECT_EQ(last_.exit_code, 0);
    EXPECT_THAT(last_.out + last_.err, Not(HasSubstr(directory_.path().string())));

    const std::string unknown = copy("hwenroll-once.timer", "hwenroll-once.timer", "\n[Timer]\nOnWhim=yes\n");
    EXPECT_THAT(run({"systemd-analyze", "verify", "--man=no", unknown}).err, HasSubstr("OnWhim"));
}

TEST_F(UnitFiles, expose_the_agent_by_1_5_and_the_worker_of_a_tpm_by_1_0_at_most) {
    NEEDS({"systemd-analyze", "systemd"});
    const std::string tpm = "\n[Service]\nSupplementaryGroups=tss\nDeviceAllow=/dev/tpmrm0 rw\n";
    EXPECT_TRUE(is_exposed_by_at_most(15, "hwenrolld.service")) << last_.out;
    EXPECT_TRUE(is_exposed_by_at_most(15, "hwenrolld.service", tpm + "BindPaths=/dev/tpmrm0\n")) << last_.out;
    EXPECT_TRUE(is_exposed_by_at_most(15, "hwenroll-once.service")) << last_.out;
    EXPECT_TRUE(is_exposed_by_at_most(10, "hwenroll-token@.service")) << last_.out;
    EXPECT_TRUE(is_exposed_by_at_most(10, "hwenroll-token@.service", tpm)) << last_.out;

    EXPECT_FALSE(is_exposed_by_at_most(15, "hwenrolld.service", "\n[Service]\nPrivateTmp=no\nProtectSystem=no\n"));
    EXPECT_FALSE(
        is_exposed_by_at_most(10, "hwenroll-token@.service", "\n[Service]\nPrivateNetwork=no\nIPAddressDeny=\n"));
}

TEST_F(UnitFiles, the_timers_service_has_the_sandbox_of_the_resident_agent) {
    const std::set<std::string> own{"Type",           "ExecStart",   "ExecReload",        "Restart",
                                    "RestartSec",     "WatchdogSec", "SuccessExitStatus", "RestartPreventExitStatus",
                                    "TimeoutStartSec"};
    const auto sandbox = [&](const std::string& unit) {
        std::vector<std::string> lines = assignments(text_of(unit), "Service");
        std::erase_if(lines, [&](const std::string& line) { return own.contains(key_of(line)); });
        return lines;
    };
    EXPECT_GT(sandbox("hwenrolld.service").size(), 30U);
    EXPECT_EQ(sandbox("hwenroll-once.service"), sandbox("hwenrolld.service"));
}

// ADR 0025: a worker in C_Login is left to end; only a stop that takes too long kills it.
TEST_F(UnitFiles, T2_X13_kill_no_worker_before_its_login_has_ended) {
    for (const auto* const name : {"hwenrolld.service", "hwenroll-once.service", "hwenroll-token@.service"}) {
        int seconds = 0;
        for (const std::string& line : assignments(text_of(name), "Service")) {
            EXPECT_THAT(key_of(line), Not(AnyOf("KillMode", "SendSIGKILL", "FinalKillSignal", "TimeoutSec"))) << name;
            if (key_of(line) == "TimeoutStopSec") {
                seconds = std::stoi(line.substr(line.find('=') + 1));
            }
        }
        EXPECT_GE(seconds, 10) << name;
    }
}

// Not 243 either, a credential that cannot be opened: it may come by itself.
TEST_F(UnitFiles, X18_no_end_of_a_service_is_for_good_but_that_by_its_configuration) {
    const std::string agent = text_of("hwenrolld.service");
    const std::string worker = text_of("hwenroll-token@.service");
    for (const std::string& unit : {agent, worker}) {
        EXPECT_THAT(assignments(unit, "Unit"), Contains("StartLimitIntervalSec=0"));
    }
    EXPECT_THAT(assignments(agent, "Service"), Contains("Restart=always"));
    EXPECT_THAT(assignments(worker, "Service"), Contains("Restart=on-failure"));
    std::vector<std::string> prevented;
    for (const std::string& line : assignments(agent + worker, "Service")) {
        if (key_of(line).starts_with("RestartPrevent")) {
            prevented.push_back(line);
        }
    }
    EXPECT_THAT(prevented, ElementsAre("RestartPreventExitStatus=78"));
}

TEST_F(UnitFiles, have_each_setting_told_in_the_document) {
    const std::string document = read_file(source_file("docs/systemd.md"));
    for (const std::string unit : {"hwenrolld.service", "hwenroll-once.service", "hwenroll-once.timer",
                                   "hwenrolld-config.path", "hwenroll-token@.service"}) {
        for (const std::string section : {"Service", "Timer", "Path"}) {
            for (const std::string& line : assignments(text_of(unit), section)) {
                EXPECT_THAT(document, HasSubstr(key_of(line) + "=")) << unit;
            }
        }
    }
}

/// Name and value of each `…_message_id` of the header.
std::map<std::string, std::string> message_ids() {
    const std::string header = read_file(source_file("agent/observe/log_ids.h"));
    const std::regex definition("(\\w+)_message_id\\s*=\\s*\"([0-9a-f]{32})\"");
    std::map<std::string, std::string> found;
    for (std::sregex_iterator each(header.begin(), header.end(), definition), end; each != end; ++each) {
        found[(*each)[1]] = (*each)[2];
    }
    return found;
}

TEST(Catalog, journalctl_has_a_text_for_each_message_id_and_no_other) {
    NEEDS({"journalctl", "systemd"});
    const TemporaryDirectory root;
    std::filesystem::create_directories(root / "usr/lib/systemd/catalog");
    std::filesystem::create_directories(root / "var/lib/systemd/catalog");
    std::filesystem::copy_file(shipped("hwenroll.catalog"), root / "usr/lib/systemd/catalog/hwenroll.catalog");
    const std::string there = "--root=" + root.path().string();
    const RunResult updated = run({"journalctl", "--update-catalog", there});
    ASSERT_EQ(updated.exit_code, 0) << updated.err;
    EXPECT_EQ(updated.err, "");

    const RunResult listed = run({"journalctl", "--list-catalog", there});
    std::set<std::string> entries;
    std::istringstream lines(listed.out);
    for (std::string line; std::getline(lines, line);) {
        entries.insert(line.substr(0, 32));
    }
    std::set<std::string> ids;
    for (const auto& [name, id] : message_ids()) {
        ids.insert(id);
        const RunResult entry = run({"journalctl", "--dump-catalog", there, id});
        EXPECT_THAT(entry.out, HasSubstr("\nSubject: ")) << name;
        EXPECT_THAT(entry.out, HasSubstr("\nDefined-By: hwenroll\n")) << name;
        EXPECT_THAT(entry.out, HasSubstr("\n\n")) << name << " has no text";
    }
    EXPECT_THAT(ids, Not(IsEmpty()));
    EXPECT_EQ(entries, ids);
}

// What journalctl puts in place of @…@ is a field that records really have.
TEST(Catalog, names_no_field_that_records_do_not_have) {
    const std::string catalog = text_of("hwenroll.catalog");
    const std::string log = read_file(source_file("agent/observe/log.cpp"));
    const std::string audit = read_file(source_file("agent/control/audit.cpp"));  // its fields lack the prefix there
    const std::regex place("@(\\w+)@");
    std::size_t count = 0;
    for (std::sregex_iterator each(catalog.begin(), catalog.end(), place), end; each != end; ++each, ++count) {
        const std::string field = (*each)[1];
        const std::string prefix = "HWENROLL_";
        EXPECT_TRUE(log.find('"' + field + '"') != std::string::npos ||
                    audit.find("{\"" + field.substr(prefix.size()) + "\",") != std::string::npos)
            << field;
    }
    EXPECT_GT(count, 0U);
}

TEST(AppArmorProfile, is_understood_by_its_parser) {
    NEEDS({"/usr/sbin/apparmor_parser", "apparmor"});
    const TemporaryDirectory directory;
    const auto parsed = [&](const std::string& text) {
        write_file(directory / "profile", text);
        return run({"/usr/sbin/apparmor_parser", "--skip-kernel-load", "--skip-cache", "--names",
                    (directory / "profile").string()});
    };
    const std::string text = text_of("apparmor.hwenrolld");
    const RunResult names = parsed(text);
    EXPECT_EQ(names.exit_code, 0) << names.err;
    EXPECT_THAT(names.out, HasSubstr("hwenrolld\n"));
    EXPECT_THAT(names.out, HasSubstr("hwenroll-token\n"));
    const RunResult compiled = run({"/usr/sbin/apparmor_parser", "-Q", "-K", shipped("apparmor.hwenrolld").string()});
    EXPECT_EQ(compiled.exit_code, 0) << compiled.err;

    write_file(directory / "broken", std::regex_replace(text, std::regex("rwkl,"), "rwkl"));
    EXPECT_NE(run({"/usr/sbin/apparmor_parser", "-Q", "-K", (directory / "broken").string()}).exit_code, 0);
}

std::string mode_and_owner(const std::filesystem::path& path, const std::string& users) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        return "not there";
    }
    const std::regex entry(fmt::format("(^|\n)([a-z-]+):[^:]*:{}:", status.st_uid));
    std::smatch user;
    return fmt::format("{:o} {}", status.st_mode & 07777U,
                       std::regex_search(users, user, entry) ? user[2].str() : std::to_string(status.st_uid));
}

TEST(InstalledFiles, users_and_directories_are_made_as_the_units_need_them) {
    NEEDS({"systemd-sysusers", "systemd"}, {"systemd-tmpfiles", "systemd"});
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root can give files to other users";
    }
    const TemporaryDirectory root;
    std::filesystem::create_directories(root / "etc");
    write_file(root / "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    write_file(root / "etc/group", "root:x:0:\n");
    const std::string there = "--root=" + root.path().string();
    const RunResult users = run({"systemd-sysusers", there, shipped("hwenroll.sysusers").string()});
    ASSERT_EQ(users.exit_code, 0) << users.err;
    const RunResult made = run({"systemd-tmpfiles", there, "--create", shipped("hwenroll.tmpfiles").string()});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    EXPECT_EQ(made.err, "");

    const std::string names = read_file(root / "etc/passwd");
    EXPECT_THAT(read_file(root / "etc/group"), HasSubstr("\nhwenroll-admin:"));
    std::vector<std::string> directories;
    for (const char* const directory :
         {"run/hwenroll", "run/hwenroll/token", "var/lib/hwenroll", "etc/hwenroll", "etc/hwenroll/conf.d"}) {
        directories.push_back(mode_and_owner(root / directory, names));
    }
    EXPECT_THAT(directories, ElementsAre("755 hwenroll", "755 root", "711 hwenroll", "755 root", "755 root"));
}

}  // namespace
}  // namespace hwenroll::test
