// The examples of docs/man, run in the order of their page against scep-lab-ca with a SoftHSM2 token.
#include <algorithm>
#include <csignal>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/documents/manual_page.h"
#include "tests/documents/program_help.h"
#include "tests/documents/sandbox.h"
#include "tests/e2e/daemon_world.h"
#include "tests/support/free_port.h"

namespace hwenroll::test {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

/// What a test knows of an example: words of its output.
using Expected = std::map<std::string, testing::Matcher<const std::string&>>;

/// Of the CA, as the world's configuration has it.
std::string fingerprint_of(const EnrollmentWorld& world) {
    std::string fingerprint = read_file(world.config());
    fingerprint.erase(0, fingerprint.find("SHA256:"));
    fingerprint.resize(fingerprint.find('"'));
    return fingerprint;
}

/// The places of the world that this page names.
Places places_of(const EnrollmentWorld& world, const ManualPage& page) {
    Places all{{"/etc/hwenroll/", world.directory().path().string() + "/"},
               {"/var/lib/hwenroll/live", (world.directory() / "live").string()},
               {"/run/hwenroll", (world.directory() / "run").string()},
               {"http://ca.example.com/scep", world.url()}};
    for (const std::string& place : page.book().places()) {
        if (place.starts_with("SHA256:")) {
            all[place] = fingerprint_of(world);
        }
    }
    std::erase_if(all, [&](const auto& place) { return !page.book().places().contains(place.first); });
    return all;
}

/// The names of the shell examples.
std::vector<std::string> runnable(const ManualPage& page) {
    std::vector<std::string> names;
    for (const ManualExample& example : page.examples()) {
        if (example.kind == "sh") {
            names.push_back(example.name);
        }
    }
    return names;
}

void expect_as(const Expected& expected, const std::string& name, const RunResult& result) {
    EXPECT_EQ(result.exit_code, 0) << name << ": " << result.out << result.err;
    if (const auto known = expected.find(name); known != expected.end()) {
        EXPECT_THAT(result.out, known->second) << name;
    }
}

TEST(ManualExamples, of_hwenroll_do_what_the_page_says) {
    const Expected expected{
        {"look around", AllOf(HasSubstr("pkcs11:"), HasSubstr("fingerprint = "))},
        {"enroll", AllOf(HasSubstr("configuration is good"), HasSubstr("CN=web01.example.com"), HasSubstr(": OK"))},
        {"renew", HasSubstr("web")},
        {"json", AllOf(HasSubstr("\"schema\": 1"), HasSubstr("\"state\": \"OK\""))},
        {"trouble", AllOf(HasSubstr("refused the PIN"), HasSubstr("[identity.web]"))},
        {"init", HasSubstr("written: ")}};
    // The world's clock stays behind the machine's, by which openssl judges.
    DaemonWorld world({"--lifetime", "10368000", "--backdate", "0", "--renewal", "both"},
                      std::chrono::floor<Seconds>(std::chrono::system_clock::now()) - std::chrono::hours(48));
    world.start_daemon();
    const ManualPage page = ManualPage::of("hwenroll.1");
    const Sandbox sandbox(world.config(), {"HWENROLL_CLOCK_FILE=" + world.clock_path().string()});
    world.eventually("the first certificate is there", [&] { return world.word() == "OK"; });
    for (const std::string& name : runnable(page)) {
        world.advance(Seconds(3600));  // a certificate that ends in the same second is no progress
        expect_as(expected, name, sandbox.run(page.book().text(name, places_of(world, page))));
    }
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(ManualExamples, of_hwenrolld_do_what_the_page_says) {
    const Expected expected{{"once", AllOf(HasSubstr("fullchain.pem"), HasSubstr("notAfter="))},
                            {"again", AllOf(HasSubstr("OK"), HasSubstr("never extractable: yes"))},
                            {"background", HasSubstr("CN=web01.example.com")}};
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    const ManualPage page = ManualPage::of("hwenrolld.8");
    const Sandbox sandbox(world.config());
    for (const std::string& name : runnable(page)) {
        expect_as(expected, name, sandbox.run(page.book().text(name, places_of(world, page))));
    }
}

TEST(ManualExamples, of_scep_lab_ca_do_what_the_page_says) {
    const ManualPage page = ManualPage::of("scep-lab-ca.1");
    ASSERT_EQ(runnable(page), (std::vector<std::string>{"start", "look", "ndes"}));
    const std::uint16_t port = free_port();
    const TemporaryDirectory directory;
    write_file(directory / "hwenroll.toml", "");
    const Sandbox sandbox(directory / "hwenroll.toml");
    const auto script = [&](const std::string& name) {
        return page.book().text(name, {{"8080", std::to_string(port)}});
    };
    const auto serve = [&](const std::string& name) {
        auto child = std::make_unique<ChildProcess>(std::vector<std::string>{"sh", "-euc", script(name)},
                                                    sandbox.options(directory.path()));
        EXPECT_TRUE(wait_until_listening(port, 30s)) << name << ": " << child->err();
        return child;
    };
    auto ca = serve("start");
    const RunResult look = run({"sh", "-euc", script("look")}, sandbox.options(directory.path()));
    EXPECT_EQ(look.exit_code, 0) << look.err;
    EXPECT_THAT(look.out, AllOf(HasSubstr("sha256 Fingerprint="), HasSubstr("SCEPStandard"), HasSubstr("[ca."),
                                HasSubstr("\"operation\":\"GetCACert\"")));
    ca->kill(SIGTERM);
    ASSERT_TRUE(ca->wait(10s));
    ca = serve("ndes");
    EXPECT_EQ(run({"curl", "-sS", "-f", "-o", "/dev/null",
                   fmt::format("http://127.0.0.1:{}/certsrv/mscep/mscep.dll?operation=GetCACaps", port)})
                  .exit_code,
              0);
}

TEST(ManualExamples, of_the_configuration_are_good) {
    const ManualPage page = ManualPage::of("hwenroll.toml.5");
    const TemporaryDirectory directory;
    const Sandbox sandbox(directory / "hwenroll.toml");
    EXPECT_GE(page.examples().size(), 4U);
    for (const ManualExample& example : page.examples()) {
        ASSERT_EQ(example.kind, "toml");
        write_file(directory / "hwenroll.toml", page.book().text(example.name, {}));
        const RunResult check = sandbox.run("hwenroll check-config");
        EXPECT_EQ(check.exit_code, 0) << example.name << ": " << check.err;
    }
}

TEST(ManualExamples, of_the_least_configuration_enrolls) {
    const ManualPage page = ManualPage::of("hwenroll.toml.5");
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    const Places places = places_of(world, page);
    const std::string agent = fmt::format(
        "[agent]\nstate_dir = \"{0}/state\"\nruntime_dir = \"{0}/run\"\n"
        "publish_dir = \"{0}/live\"\n",
        world.directory().path().string());
    write_file(world.config(), agent + page.book().text("least", places));
    const RunResult once = world.once();
    EXPECT_EQ(once.exit_code, 0) << once.err;
    world.expect_published();
}

TEST(ManualExamples, of_hwenroll_show_what_a_new_operator_types) {
    const ManualPage page = ManualPage::of("hwenroll.1");
    std::string scripts;
    for (const std::string& name : runnable(page)) {
        scripts += page.book().text(name, {}) + '\n';
    }
    for (const char* command : {"init", "plan", "check", "doctor", "enroll", "status", "bugreport", "metrics"}) {
        EXPECT_THAT(scripts, testing::ContainsRegex(fmt::format("hwenroll {}( |\n)", command)));
    }
}

}  // namespace
}  // namespace hwenroll::test
