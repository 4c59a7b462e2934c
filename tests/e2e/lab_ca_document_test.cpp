// docs/lab-ca.md, run as it stands there.
#include <chrono>
#include <csignal>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/enrollment_world.h"
#include "tests/e2e/recipe_book.h"
#include "tests/support/free_port.h"
#include "tests/support/required_tokens.h"

namespace hwenroll::test {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

std::string document() {
    return read_file(source_file("docs/lab-ca.md"));
}

class LabCaDocument : public testing::Test {
 protected:
    /// A command of the document, in a directory of its own where the programs of this build are found.
    [[nodiscard]] ChildOptions here() const {
        const std::string programs = std::filesystem::path(program("scep-lab-ca")).parent_path().string();
        const char* const path = std::getenv("PATH");
        return {{"PATH=" + programs + ":" + (path == nullptr ? "/usr/bin:/bin" : path)}, directory_.path(), {}};
    }

    [[nodiscard]] std::string text(const std::string& recipe) const {
        return book_.text(recipe, {{"8080", std::to_string(port_)}, {"8443", std::to_string(tls_port_)}});
    }

    [[nodiscard]] RunResult run_recipe(const std::string& recipe) const {
        return run({"sh", "-euc", text(recipe)}, here(), 60s);
    }

    /// Starts what goes on until it is told to end, and waits until it accepts connections.
    [[nodiscard]] std::unique_ptr<ChildProcess> serve(const std::string& recipe, std::uint16_t port) const {
        auto child = std::make_unique<ChildProcess>(std::vector<std::string>{"sh", "-euc", text(recipe)}, here());
        EXPECT_TRUE(wait_until_listening(port, 30s)) << recipe << ": " << child->out() << child->err();
        return child;
    }

    void expect_done(const std::string& recipe, const std::string& says) const {
        const RunResult done = run_recipe(recipe);
        EXPECT_EQ(done.exit_code, 0) << recipe << ": " << done.out << done.err;
        EXPECT_THAT(done.out, HasSubstr(says)) << recipe;
    }

    TemporaryDirectory directory_;
    RecipeBook book_{document()};
    std::uint16_t port_ = free_port();
    std::uint16_t tls_port_ = free_port();
};

TEST_F(LabCaDocument, a_CA_is_there_in_a_minute) {
    const auto ca = serve("start", port_);
    EXPECT_THAT(ca->out(), HasSubstr("http://127.0.0.1:" + std::to_string(port_) + "/scep"));
    expect_done("fingerprint", "sha256 Fingerprint=");
    expect_done("fingerprint", "SCEPStandard\n");
    expect_done("findings", "\"operation\":\"GetCACaps\"");
    ca->kill(SIGTERM);
    const auto end = ca->wait(10s);
    ASSERT_TRUE(end);
    EXPECT_EQ(end->exit_code, 0);
}

TEST_F(LabCaDocument, SRV_21_strongswan_enrolls_and_renews) {
    if (const auto missing =
            missing_package({{"pki", "strongswan-pki"},
                             {"/usr/lib/ipsec/plugins/libstrongswan-curl.so", "libstrongswan-extra-plugins"}})) {
        ASSERT_EQ(std::getenv("HWENROLL_REQUIRE_PEERS"), nullptr) << *missing;
        GTEST_SKIP() << *missing;
    }
    const auto ca = serve("start for strongSwan", port_);
    expect_done("strongSwan", "new-cert.pem: OK");
}

TEST_F(LabCaDocument, SRV_6_a_request_is_approved) {
    const auto ca = serve("start with approval", port_);
    const RunResult sent = run({"scepclient", "-private-key", "client.key", "-certificate", "client.pem", "-server-url",
                                "http://127.0.0.1:" + std::to_string(port_) + "/scep", "-cn", "gateway"},
                               here(), 2s);
    EXPECT_NE(sent.exit_code, 0) << "it asks again for as long as it is let";
    const RunResult approved = run_recipe("approval");
    EXPECT_EQ(approved.exit_code, 0) << approved.err;
    EXPECT_THAT(approved.out, AllOf(HasSubstr("CN=gateway"), HasSubstr("done")));
}

TEST_F(LabCaDocument, SRV_18_the_CA_is_like_NDES) {
    const auto ca = serve("start as NDES", port_);
    const RunResult fetched = run_recipe("NDES");
    EXPECT_EQ(fetched.exit_code, 0) << fetched.err;
    EXPECT_THAT(fetched.out,
                AllOf(HasSubstr("hwenroll lab RA signing"), HasSubstr("hwenroll lab RA encryption"), HasSubstr("404")));
}

TEST_F(LabCaDocument, SRV_18_it_is_reached_over_HTTPS) {
    const auto ca = serve("start", port_);
    write_file(directory_ / "lab" / "nginx.conf", text("lab/nginx.conf"));
    const auto proxy = serve("https", tls_port_);
    expect_done("https client", "SCEPStandard\n");
    proxy->kill(SIGTERM);
    proxy->wait(10s);
}

TEST_F(LabCaDocument, runs_every_recipe) {
    const std::set<std::string> run_above{
        "start",    "fingerprint",         "start for strongSwan", "strongSwan",     "findings",
        "approval", "start with approval", "start as NDES",        "lab/nginx.conf", "NDES",
        "https",    "https client"};
    EXPECT_EQ(book_.names(), run_above);
    EXPECT_EQ(book_.places(), (std::set<std::string>{"8080", "8443"}));
}

TEST_F(LabCaDocument, names_every_option_and_no_other) {
    const std::string help = run({program("scep-lab-ca"), "--help"}).out;
    const std::string page = document();
    std::set<std::string> options;
    const std::regex declared("\n  (?:-h,)?(--[a-z0-9.-]+)");
    for (std::sregex_iterator one(help.begin(), help.end(), declared); one != std::sregex_iterator(); ++one) {
        options.insert((*one)[1]);
    }
    EXPECT_GT(options.size(), 50U);
    for (const std::string& option : options) {
        EXPECT_TRUE(option == "--help" || page.find("`" + option) != std::string::npos) << option;
    }
    const std::regex named("`(--[a-z0-9.-]+)");
    for (std::sregex_iterator one(page.begin(), page.end(), named); one != std::sregex_iterator(); ++one) {
        EXPECT_TRUE(options.contains((*one)[1])) << (*one)[1];
    }
}

TEST_F(LabCaDocument, says_what_each_emulation_sets) {
    const std::string page = document();
    const RunResult usage = run({program("scep-lab-ca"), "--emulate", "nobody", "--dir", "x"});
    EXPECT_EQ(usage.exit_code, 64);
    for (const char* name : {"ndes", "dogtag", "cisco-ios"}) {
        EXPECT_THAT(page, HasSubstr(std::string("| `") + name + "` | `--"));
        EXPECT_THAT(usage.out + usage.err, HasSubstr(name));
    }
}

}  // namespace
}  // namespace hwenroll::test
