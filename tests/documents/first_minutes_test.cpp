// docs/first-five-minutes.md, run as it stands there, and each failure that it tells of.
#include <chrono>
#include <csignal>
#include <functional>
#include <regex>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/documents/program_help.h"
#include "tests/documents/sandbox.h"
#include "tests/e2e/enrollment_world.h"
#include "tests/e2e/recipe_book.h"
#include "tests/support/free_port.h"

namespace hwenroll::test {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string document() {
    return read_file(source_file("docs/first-five-minutes.md"));
}

class FirstMinutes : public testing::Test {
 protected:
    [[nodiscard]] std::string text(const std::string& recipe) const {
        return book_.text(recipe, {{"8080", std::to_string(port_)}});
    }

    std::string expect_done(const std::string& recipe) {
        const RunResult done = run({"sh", "-euc", text(recipe)}, here(), 120s);
        EXPECT_EQ(done.exit_code, 0) << recipe << ": " << done.out << done.err;
        return done.out;
    }

    [[nodiscard]] ChildOptions here() const { return sandbox_.options(directory_.path()); }

    TemporaryDirectory directory_;
    Sandbox sandbox_{directory_ / "nowhere.toml"};
    RecipeBook book_{document()};
    std::uint16_t port_ = free_port();
};

TEST_F(FirstMinutes, lead_from_nothing_to_a_certificate_in_use) {
    expect_done("token");
    ChildProcess ca({"sh", "-euc", text("ca")}, here());
    ASSERT_TRUE(wait_until_listening(port_, 30s)) << ca.err();
    expect_done("configuration");
    EXPECT_THAT(expect_done("ca show"), HasSubstr("configuration is good: 1 identities, 1 CAs, 1 tokens"));
    for (const std::string command : {"init", "doctor"}) {
        if (help_of({"hwenroll", command})) {
            expect_done(command);
        }
    }
    EXPECT_THAT(expect_done("enroll"), AllOf(HasSubstr("OK"), HasSubstr("CN=web01.example.com")));
    EXPECT_THAT(expect_done("deployed"), AllOf(HasSubstr(": OK"), HasSubstr("pkcs11:token=lab")));
    const std::string before = read_file(directory_ / "first" / "server" / "cert.pem");
    EXPECT_THAT(expect_done("renew"), HasSubstr("consumers use generation 2"));
    EXPECT_NE(read_file(directory_ / "first" / "server" / "cert.pem"), before);
    expect_done("end");
    ca.kill(SIGTERM);
    EXPECT_TRUE(ca.wait(10s));
}

TEST_F(FirstMinutes, have_no_block_that_is_neither_run_nor_left_to_root) {
    const std::set<std::string> run_above{"token",    "ca",    "configuration", "ca show", "enroll",
                                          "deployed", "renew", "end",           "init",    "doctor"};
    for (const std::string& name : book_.names()) {
        const std::string script = book_.text(name, {});
        if (name == "terminal") {
            EXPECT_THAT(text("enroll"), HasSubstr(script));
        } else if (name != "service hwenroll.toml") {  // see GuideConfiguration
            EXPECT_NE(run_above.contains(name), script.starts_with("# as root\n")) << name;
        }
    }
}

/// Codes in the table of failures.
std::set<std::string> told() {
    const std::string page = document();
    const std::regex row("\\| `(E-[A-Z-]+)` \\|");
    std::set<std::string> codes;
    for (std::sregex_iterator one(page.begin(), page.end(), row); one != std::sregex_iterator(); ++one) {
        codes.insert((*one)[1]);
    }
    return codes;
}

TEST(FirstMinutesFailures, look_as_the_document_says) {
    EnrollmentWorld world;
    world.start_lab_ca();
    std::set<std::string> seen;
    const auto expect_failure = [&](const std::string& code, const std::function<RunResult()>& attempt) {
        const RunResult failed = attempt();
        EXPECT_NE(failed.exit_code, 0) << code;
        EXPECT_THAT(failed.err, HasSubstr(code + " ")) << failed.err;
        seen.insert(code);
    };
    const auto once_with = [&](const ConfigurationChanges& changes) {
        std::filesystem::remove_all(world.directory() / "state");
        world.configure(changes);
        return world.once();
    };
    const auto secret = [&](const char* name, const char* content, unsigned mode) {
        write_file(world.directory() / name, content, mode);
        return "file:" + (world.directory() / name).string();
    };
    world.configure();
    expect_failure("E-CONTROL-NO-AGENT", [&] { return world.hwenroll({"enroll", "web"}); });
    expect_failure("E-CONFIG-KEY", [&] {
        world.configure({.ca_extra = "chalenge = \"file:/x\"\n"});
        return world.hwenroll({"check-config"});
    });
    expect_failure("E-TOKEN-ABSENT", [&] { return once_with({.uri = "pkcs11:token=other"}); });
    expect_failure("E-TOKEN-MODULE", [&] { return once_with({.module = "/nowhere.so"}); });
    expect_failure("E-TOKEN-PIN", [&] { return once_with({.pin = secret("wrong.pin", "0000", 0600)}); });
    expect_failure("E-TOKEN-PIN-SOURCE", [&] { return once_with({.pin = secret("open.pin", "1234", 0644)}); });
    expect_failure("E-CA-HTTP-REFUSED", [&] {
        world.start_lab_ca({"--path", "/elsewhere"});
        return once_with({.url = "http://127.0.0.1:" + std::to_string(world.port()) + "/scep"});
    });
    world.start_lab_ca();
    expect_failure("E-CA-FINGERPRINT", [&] { return once_with({.fingerprint = "SHA256:" + std::string(64, '0')}); });
    expect_failure("E-CA-REJECTED", [&] { return once_with({.challenge = secret("wrong.challenge", "no", 0600)}); });
    world.stop_ca();
    expect_failure("E-CA-UNREACHABLE", [&] { return once_with({}); });
    EXPECT_EQ(told(), seen);
}

}  // namespace
}  // namespace hwenroll::test
