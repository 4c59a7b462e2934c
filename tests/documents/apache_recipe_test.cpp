// The recipe for Apache of docs/guides/consumers.md, with a certificate and key that hwenrolld has just brought and
// renews.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "tests/e2e/daemon_world.h"
#include "tests/e2e/recipe_book.h"
#include "tests/support/free_port.h"
#include "tests/support/required_tokens.h"

namespace hwenroll::test {
namespace {

using namespace std::chrono_literals;

/// Apache and a daemon whose certificates live for four days. The daemon's clock is behind the machine's, by which
/// openssl verifies, so that the certificates before and after the renewal are valid today.
class ApacheRecipe : public testing::Test {
 protected:
    static constexpr double day_of_renewal = 3.1;

    static TimePoint before_today() {
        return std::chrono::floor<Seconds>(std::chrono::system_clock::now()) - std::chrono::hours(24 * 3 + 6);
    }

    void SetUp() override {
        if (const auto missing = missing_package({{"apache2", "apache2-bin"}})) {
            ASSERT_EQ(std::getenv("HWENROLL_REQUIRE_PEERS"), nullptr) << *missing;
            GTEST_SKIP() << *missing;
        }
        const Places etc{{"/etc/hwenroll/", world_.directory().path().string() + "/"}};
        places_ = {{"/var/lib/hwenroll/live/web/current", world_.live().string()},
                   {"/usr/local/sbin/", at("sbin") + "/"},
                   {"/etc/apache2/", at("apache2") + "/"},
                   {"/etc/softhsm/softhsm2.conf", world_.hsm().config_path().string()},
                   {"8443", std::to_string(port_)}};
        places_.insert(etc.begin(), etc.end());
        openssl_ = RecipeBook::of_consumers().install("/etc/hwenroll/openssl-engine.cnf", etc);
        book_.install("/etc/apache2/sites-available/web01.conf", places_);
        book_.install("/usr/local/sbin/hwenroll-apache", places_, 0755);
        write_main_configuration();
        world_.configure(
            {.identity_extra = "san = [\"dns:web01.example.com\"]\n" + book_.text("apache hwenroll.toml", places_)});
    }

    ~ApacheRecipe() override {
        if (apache_) {
            apache_->kill(SIGTERM);
            apache_->wait(10s);
        }
    }

    [[nodiscard]] std::string at(const std::string& name) const { return (world_.directory() / name).string(); }

    /// What the recipe leaves to the machine's own configuration.
    void write_main_configuration() const {
        std::string main = fmt::format(
            "ServerRoot {0}\nServerName web01.example.com\nPidFile {0}/apache2.pid\nErrorLog {0}/error.log\n"
            "Listen 127.0.0.1:{1}\n",
            world_.directory().path().string(), port_);
        for (const char* name : {"mpm_event", "authz_core", "socache_shmcb", "ssl"}) {
            main += fmt::format("LoadModule {0}_module /usr/lib/apache2/modules/mod_{0}.so\n", name);
        }
        write_file(at("apache2/apache2.conf"), main + "Include " + at("apache2/sites-available/*.conf") + "\n");
        write_file(at("apache2/envvars"), "export APACHE_PID_FILE=" + at("apache2.pid") + "\n");
    }

    /// Apache does not serve as root, and SoftHSM's files are for their owner alone: in a user namespace their owner
    /// has another number.
    void start_apache() {
        std::vector<std::string> line;
        if (geteuid() == 0) {
            line = {"unshare", "--user", "--map-user=1000", "--map-group=1000"};
        }
        line.insert(line.end(), {"apache2", "-f", at("apache2/apache2.conf"), "-DFOREGROUND"});
        apache_ = std::make_unique<ChildProcess>(line, ChildOptions{{"OPENSSL_CONF=" + openssl_.string()}, {}, {}});
        ASSERT_TRUE(wait_until_listening(port_, 20s)) << log();
    }

    [[nodiscard]] std::string log() const {
        const bool written = std::filesystem::exists(at("error.log"));
        return apache_->out() + apache_->err() + (written ? read_file(at("error.log")) : std::string());
    }

    [[nodiscard]] RunResult ask(const std::vector<std::string>& more) const {
        std::vector<std::string> line{"openssl",     "s_client",         "-connect", fmt::format("127.0.0.1:{}", port_),
                                      "-servername", "web01.example.com"};
        line.insert(line.end(), more.begin(), more.end());
        return run(line);
    }

    /// The certificate that Apache serves now.
    [[nodiscard]] std::optional<Certificate> served() const {
        auto certificates = certificates_from_pem(ask({}).out);
        return certificates && !certificates->empty() ? std::optional(certificates->front()) : std::nullopt;
    }

    /// Lets the daemon's time go on until `holds`.
    void settle(const std::string& what, const std::function<bool()>& holds) {
        world_.eventually(what, [&] {
            world_.advance(Seconds(20));
            return holds();
        });
    }

    void enroll_and_start() {
        world_.start_daemon();
        settle("the first delivery", [&] { return world_.said("E-VERIFY-FAILED") || world_.said("E-HOOK-FAILED"); });
        ASSERT_NO_FATAL_FAILURE(start_apache());
        settle("the check", [&] { return world_.word() == "OK"; });
        EXPECT_EQ(served(), world_.leaf()) << log();
    }

    DaemonWorld world_{{"--lifetime", std::to_string(4 * 86400)}, before_today()};
    RecipeBook book_{read_file(source_file("docs/guides/consumers.md"))};
    std::uint16_t port_ = free_port();
    Places places_;
    std::filesystem::path openssl_;
    std::unique_ptr<ChildProcess> apache_;
};

TEST_F(ApacheRecipe, serves_a_renewed_certificate_by_libp11s_engine) {
    ASSERT_NO_FATAL_FAILURE(enroll_and_start());
    const auto before = world_.leaf();
    world_.go_to_day(day_of_renewal);
    settle("the renewed certificate", [&] { return world_.leaf() != before && served() == world_.leaf(); });
    settle("the check", [&] { return world_.word() == "OK"; });
    const RunResult verified = ask({"-CAfile", (world_.live() / "ca.pem").string(), "-verify_hostname",
                                    "web01.example.com", "-verify_return_error"});
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err << log();
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(ApacheRecipe, O1_goes_on_with_the_old_certificate_while_its_configuration_has_a_mistake) {
    ASSERT_NO_FATAL_FAILURE(enroll_and_start());
    const auto before = world_.leaf();
    const std::string accepted = read_file(at("apache2/hwenroll-web.conf"));
    const std::filesystem::path mistake = at("apache2/sites-available/mistake.conf");
    write_file(mistake, "NoSuchDirective\n");
    world_.go_to_day(day_of_renewal);
    settle("the complaint", [&] { return world_.said("E-HOOK-FAILED web: "); });
    EXPECT_EQ(world_.word(), "DEPLOYING");
    EXPECT_EQ(served(), before);
    EXPECT_EQ(read_file(at("apache2/hwenroll-web.conf")), accepted) << "Apache would not start again";
    std::filesystem::remove(mistake);
    settle("the renewed certificate", [&] { return world_.leaf() != before && served() == world_.leaf(); });
    EXPECT_EQ(world_.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
