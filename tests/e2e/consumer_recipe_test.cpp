// docs/consumers.md, run as it stands there: other programs use a certificate and a key that hwenrolld has just
// brought.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "tests/e2e/daemon_world.h"
#include "tests/e2e/recipe_book.h"
#include "tests/support/free_port.h"
#include "tests/support/software_tpm.h"
#include "tests/support/tpm_broker.h"

namespace hwenroll::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr const char* no_pkcs11_provider = "no pkcs11-provider here: Debian has it from 13 on";

bool has_pkcs11_provider() {
    return std::filesystem::exists("/usr/lib/x86_64-linux-gnu/ossl-modules/pkcs11.so");
}

/// A recipe that goes on until it is told to end. coreutils' timeout gives the shell and what it starts a process
/// group, and passes SIGTERM on to all of it.
class RunningRecipe {
 public:
    RunningRecipe(const std::string& script, const std::vector<std::string>& environment)
        : process_({"timeout", "60", "sh", "-euc", script}, ChildOptions{environment, {}, {}}) {}
    RunningRecipe(const RunningRecipe&) = delete;
    RunningRecipe& operator=(const RunningRecipe&) = delete;
    ~RunningRecipe() {
        process_.kill(SIGTERM);
        process_.wait(10s);
    }

    [[nodiscard]] std::string said() const { return process_.out() + process_.err(); }

 private:
    ChildProcess process_;
};

/// The recipes with the places of a world, and what several of them have in common.
class ConsumerRecipe : public testing::Test {
 protected:
    /// `world` has an identity that is enrolled, or will be.
    void use(const EnrollmentWorld& world, const Places& more = {}) {
        directory_ = world.directory().path();
        places_ = more;
        places_.insert({{"/var/lib/hwenroll/live/web/current", world.live().string()},
                        {"/etc/hwenroll/", directory_.string() + "/"},
                        {"8443", std::to_string(port_)}});
    }

    [[nodiscard]] std::string text(const std::string& recipe) const { return book_.text(recipe, places_); }

    [[nodiscard]] RunResult run_recipe(const std::string& recipe) const {
        return run({"sh", "-euc", text(recipe)}, {environment_, {}, {}}, 30s);
    }

    void expect_done(const std::string& recipe) const {
        const RunResult done = run_recipe(recipe);
        EXPECT_EQ(done.exit_code, 0) << recipe << ": " << done.out << done.err;
    }

    /// Starts the server of a recipe, and returns when it accepts connections.
    void serve(const std::string& recipe) {
        server_ = std::make_unique<RunningRecipe>(text(recipe), environment_);
        ASSERT_TRUE(wait_until_listening(port_, 10s)) << recipe << ": " << server_->said();
    }

    /// The client of a recipe is let in, and the server saw its certificate.
    void expect_let_in(const std::string& recipe) const {
        const RunResult client = run_recipe(recipe);
        EXPECT_EQ(client.exit_code, 0) << recipe << ": " << client.err << server_->said();
        EXPECT_THAT(client.out, HasSubstr("Client certificate")) << recipe;
        EXPECT_THAT(client.out, HasSubstr("web01.example.com")) << recipe;
    }

    void expect_refused(const std::string& recipe) const {
        const RunResult client = run_recipe(recipe);
        EXPECT_NE(client.exit_code, 0) << recipe << ": " << client.out;
        EXPECT_THAT(client.err, HasSubstr("certificate required")) << recipe;
    }

    RecipeBook book_ = RecipeBook::of_consumers();
    std::uint16_t port_ = free_port();
    Places places_;
    std::filesystem::path directory_;
    std::vector<std::string> environment_;  ///< of all recipes
    std::unique_ptr<RunningRecipe> server_;
};

void enroll(EnrollmentWorld& world, const std::vector<std::string>& environment = {}) {
    const RunResult enrolled = world.once({environment, {}, {}});
    ASSERT_EQ(enrolled.exit_code, 0) << enrolled.err;
}

TEST_F(ConsumerRecipe, openssl_and_curl_use_a_softhsm_key_by_libp11s_engine) {
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    ASSERT_NO_FATAL_FAILURE(enroll(world));
    use(world);
    ASSERT_NO_FATAL_FAILURE(serve("engine server"));
    expect_let_in("engine client");
    expect_let_in("engine curl");
    expect_refused("curl");
}

TEST_F(ConsumerRecipe, a_line_feed_after_the_pin_is_part_of_it_for_libp11s_engine_and_none_for_hwenroll) {
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    write_file(world.pin_path(), std::string(canary_pin) + "\n", 0600);
    ASSERT_NO_FATAL_FAILURE(enroll(world));
    use(world);
    const RunResult server = run_recipe("engine server");
    EXPECT_FALSE(server.timed_out) << "it serves: the document need not forbid the line feed any more";
    EXPECT_NE(server.exit_code, 0);
    EXPECT_THAT(server.err, HasSubstr("PIN incorrect"));
}

TEST_F(ConsumerRecipe, openssl_and_curl_use_a_tpm2_pkcs11_key_by_libp11s_engine) {
    const SoftwareTpm tpm;
    const TpmBroker broker(tpm);
    EnrollmentWorld world;
    const std::string store = (world.directory() / "tpm2-pkcs11").string();
    std::filesystem::create_directory(store);
    write_file(world.directory() / "lab.so-pin", "87654321", 0600);
    environment_ = {broker.environment(), "TPM2_PKCS11_LOG_LEVEL=0"};
    use(world, {{"device:/dev/tpmrm0", TpmBroker::tcti()}, {"/var/lib/tpm2-pkcs11", store}});
    expect_done("tpm2-pkcs11 token");

    world.start_lab_ca();
    const std::string token = text("tpm2-pkcs11 hwenroll.toml");
    world.configure({.token = token.substr(token.find('\n') + 1)});
    ASSERT_NO_FATAL_FAILURE(enroll(world, {broker.environment(), "TPM2_PKCS11_LOG_LEVEL=0",
                                           "TPM2_PKCS11_STORE=" + store, "TPM2_PKCS11_TCTI=" + TpmBroker::tcti()}));
    ASSERT_NO_FATAL_FAILURE(serve("tpm2-pkcs11 server"));
    expect_let_in("tpm2-pkcs11 client");
    expect_let_in("tpm2-pkcs11 curl");
    expect_refused("curl");
}

TEST_F(ConsumerRecipe, openssl_uses_a_key_that_a_tpm_has_wrapped_by_tpm2_openssl) {
    const SoftwareTpm tpm;
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure({.token = "type = \"tpm2\"\ntcti = \"" + tpm.tcti() + "\"\n"});
    ASSERT_NO_FATAL_FAILURE(enroll(world));
    use(world, {{"device:/dev/tpmrm0", tpm.tcti()}});
    ASSERT_NO_FATAL_FAILURE(serve("tpm2 server"));
    const RunResult client = run_recipe("curl");
    EXPECT_EQ(client.exit_code, 0) << client.err << server_->said();
    EXPECT_THAT(client.out, HasSubstr("TLSv1.3"));
}

TEST_F(ConsumerRecipe, openssl_and_curl_use_a_softhsm_key_by_pkcs11_provider) {
    if (!has_pkcs11_provider()) {
        GTEST_SKIP() << no_pkcs11_provider;
    }
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    ASSERT_NO_FATAL_FAILURE(enroll(world));
    use(world);
    book_.install("/etc/hwenroll/openssl-provider.cnf", places_);
    ASSERT_NO_FATAL_FAILURE(serve("provider server"));
    expect_let_in("provider client");
    expect_let_in("provider curl");
    expect_refused("curl");
}

/// nginx and a daemon whose certificates live for four days. The daemon's clock is behind the machine's, which nginx
/// and curl read, by as much as makes the certificates before and after the renewal valid today.
class NginxRecipe : public ConsumerRecipe {
 protected:
    static constexpr double day_of_renewal = 3.1;

    static TimePoint before_today() {
        return std::chrono::floor<Seconds>(std::chrono::system_clock::now()) - std::chrono::hours(24 * 3 + 6);
    }

    NginxRecipe() {
        use(world_, {{"/etc/nginx/", (world_.directory() / "nginx").string() + "/"},
                     {"/usr/local/sbin/", (world_.directory() / "sbin").string() + "/"},
                     {"/run/nginx.pid", (world_.directory() / "nginx.pid").string()},
                     {"/etc/softhsm/softhsm2.conf", world_.hsm().config_path().string()}});
        book_.install("/etc/nginx/modules-enabled/hwenroll.conf", places_);
        write_main_configuration();
    }

    ~NginxRecipe() override {
        if (nginx_) {
            nginx_->kill(SIGTERM);
            nginx_->wait(10s);
        }
    }

    /// What the recipe leaves to the machine's own nginx.conf, and where nginx of a user who is not root would write.
    void write_main_configuration() const {
        const std::string base = world_.directory().path().string();
        std::string main = geteuid() == 0 ? "user root;\n" : "";
        main += "daemon off;\npid " + base + "/nginx.pid;\nerror_log " + log_path() + " info;\ninclude " + base +
                "/nginx/modules-enabled/*.conf;\nevents {}\nhttp {\naccess_log off;\n";
        for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
            main += std::string(kind) + "_temp_path " + base + "/nginx-temporary;\n";
        }
        write_file(main_configuration(), main + "include " + base + "/nginx/conf.d/*.conf;\n}\n");
    }

    /// The three parts of a recipe for nginx.
    void configure(const std::string& openssl, const std::string& server, const std::string& identity) {
        environment_ = {"OPENSSL_CONF=" + book_.install(openssl, places_).string()};
        book_.install(server, places_);
        world_.configure({.identity_extra = "san = [\"dns:web01.example.com\"]\n"
                                            "extended_key_usage = [\"serverAuth\", \"clientAuth\"]\n" +
                                            text(identity)});
    }

    void configure_engine() {
        hook_ = book_.install("/usr/local/sbin/hwenroll-nginx", places_, 0755);
        configure("/etc/hwenroll/openssl-engine.cnf", "/etc/nginx/conf.d/web01.conf", "nginx hwenroll.toml");
    }

    [[nodiscard]] std::string log_path() const { return (world_.directory() / "nginx.log").string(); }
    [[nodiscard]] std::string main_configuration() const { return (world_.directory() / "nginx/nginx.conf").string(); }
    [[nodiscard]] std::filesystem::path include() const { return world_.directory() / "nginx/hwenroll-web.conf"; }
    [[nodiscard]] std::string log() const { return nginx_->err() + read_file(log_path()); }

    void start_nginx() {
        nginx_ = std::make_unique<ChildProcess>(
            std::vector<std::string>{"/usr/sbin/nginx", "-c", main_configuration(), "-e", log_path()},
            ChildOptions{environment_, {}, {}});
        ASSERT_TRUE(wait_until_listening(port_, 10s)) << nginx_->err();
    }

    /// The certificate that nginx serves now. Nobody who asks may be turned away.
    [[nodiscard]] std::optional<Certificate> served() const {
        const RunResult asked = run({"openssl", "s_client", "-connect", "127.0.0.1:" + std::to_string(port_)});
        auto certificates = certificates_from_pem(asked.out);
        const bool answered = certificates && !certificates->empty();
        EXPECT_TRUE(answered) << asked.err << log();
        return answered ? std::optional(certificates->front()) : std::nullopt;
    }

    /// Lets the daemon's time go on until `holds`.
    void settle(const std::string& what, const std::function<bool()>& holds) {
        world_.eventually(what, [&] {
            world_.advance(Seconds(20));
            return holds();
        });
    }

    /// The daemon enrolls, nginx is started, as after a machine's installation, and serves.
    void enroll_and_start() {
        world_.start_daemon();
        settle("the first delivery", [&] { return world_.said("E-VERIFY-FAILED") || world_.said("E-HOOK-FAILED"); });
        ASSERT_NO_FATAL_FAILURE(start_nginx());
        settle("the check", [&] { return world_.word() == "OK"; });
        EXPECT_EQ(served(), world_.leaf());
    }

    void expect_let_in_by_nginx(const std::string& recipe) const {
        const RunResult client = run_recipe(recipe);
        EXPECT_EQ(client.exit_code, 0) << client.err << log();
        EXPECT_EQ(client.out, "O=Example,CN=web01.example.com\n");
    }

    void expect_renewed_certificate_served() {
        const auto before = world_.leaf();
        world_.go_to_day(day_of_renewal);
        settle("the renewed certificate", [&] { return served() != before; });
        settle("the check", [&] { return world_.word() == "OK"; });
        EXPECT_EQ(world_.generation(), "gen-002");
        EXPECT_EQ(served(), world_.leaf());
        EXPECT_EQ(world_.objects("Private Key Object"), 2) << "the old key is kept for a day";
    }

    DaemonWorld world_{{"--lifetime", std::to_string(4 * 86400)}, before_today()};
    std::filesystem::path hook_;
    std::unique_ptr<ChildProcess> nginx_;
};

TEST_F(NginxRecipe, serves_a_renewed_certificate_by_libp11s_engine_and_turns_nobody_away) {
    configure_engine();
    ASSERT_NO_FATAL_FAILURE(enroll_and_start());
    expect_let_in_by_nginx("engine curl");
    expect_renewed_certificate_served();
    expect_let_in_by_nginx("engine curl");
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(NginxRecipe, serves_a_renewed_certificate_by_pkcs11_provider_and_turns_nobody_away) {
    if (!has_pkcs11_provider()) {
        GTEST_SKIP() << no_pkcs11_provider;
    }
    configure("/etc/hwenroll/openssl-provider.cnf", "/etc/nginx/conf.d/web01-provider.conf",
              "nginx-provider hwenroll.toml");
    ASSERT_NO_FATAL_FAILURE(enroll_and_start());
    expect_let_in_by_nginx("provider curl");
    expect_renewed_certificate_served();
    expect_let_in_by_nginx("provider curl");
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(NginxRecipe, O1_goes_on_with_the_old_certificate_while_its_configuration_has_a_mistake) {
    configure_engine();
    ASSERT_NO_FATAL_FAILURE(enroll_and_start());
    const auto before = world_.leaf();
    const std::string accepted = read_file(include());
    const std::filesystem::path mistake = world_.directory() / "nginx/conf.d/mistake.conf";
    write_file(mistake, "no_such_directive;\n");
    world_.go_to_day(day_of_renewal);
    settle("the complaint", [&] { return world_.said("E-HOOK-FAILED web: "); });
    EXPECT_EQ(world_.word(), "DEPLOYING");
    EXPECT_EQ(world_.generation(), "gen-002");
    EXPECT_EQ(read_file(include()), accepted) << "nginx would not start again";
    EXPECT_EQ(served(), before);
    EXPECT_EQ(world_.objects("Private Key Object"), 2);

    std::filesystem::remove(mistake);
    settle("the renewed certificate", [&] { return served() != before; });
    settle("the check", [&] { return world_.word() == "OK"; });
    EXPECT_NE(read_file(include()), accepted);
    expect_let_in_by_nginx("engine curl");
    EXPECT_EQ(world_.issued().size(), 2U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(NginxRecipe, the_hook_writes_nothing_that_is_no_plain_uri) {
    configure_engine();
    const std::filesystem::path generation = world_.directory() / "generation";
    std::filesystem::create_directory(generation);
    const std::vector<std::string> environment{"HWENROLL_PATH=" + generation.string()};
    write_file(generation / "key.uri", "pkcs11:token=lab\"; load_module /tmp/x.so; #\n");
    const RunResult forged = run({hook_.string()}, {environment, {}, {}});
    EXPECT_EQ(forged.exit_code, 1);
    EXPECT_THAT(forged.out, HasSubstr("no plain URI"));

    write_file(world_.directory() / "elsewhere", "pkcs11:token=lab\n");
    std::filesystem::remove(generation / "key.uri");
    std::filesystem::create_symlink(world_.directory() / "elsewhere", generation / "key.uri");
    EXPECT_EQ(run({hook_.string()}, {environment, {}, {}}).exit_code, 1);
    EXPECT_FALSE(std::filesystem::exists(include()));
}

/// The document against this file.
TEST(RecipeBook, each_recipe_of_the_document_is_run_by_a_test) {
    const std::string tests = read_file(source_file("tests/e2e/consumer_recipe_test.cpp"));
    const auto names = RecipeBook::of_consumers().names();
    EXPECT_GT(names.size(), 10U);
    for (const std::string& name : names) {
        EXPECT_THAT(tests, HasSubstr("\"" + name + "\""));
    }
}

TEST(RecipeBook, each_name_of_the_documents_table_has_a_place_in_a_test) {
    const std::string tests = read_file(source_file("tests/e2e/consumer_recipe_test.cpp"));
    const std::set<std::string> places = RecipeBook::of_consumers().places();
    EXPECT_GT(places.size(), 5U);
    for (const std::string& name : places) {
        EXPECT_THAT(tests, HasSubstr("{\"" + name + "\", "));
    }
}

TEST(RecipeBook, puts_places_into_blocks_and_paths) {
    const RecipeBook book(
        "## Names in the recipes\n| `/etc/x/` | a |\n| `80` | b |\n## More\n| `c` | d |\n"
        "<!-- recipe: one -->\n```sh\ncat /etc/x/80\n```\n<!-- recipe: /etc/x/f -->\n```\n80\n```\n");
    EXPECT_THAT(book.places(), testing::ElementsAre("/etc/x/", "80"));
    const TemporaryDirectory directory;
    const Places places{{"/etc/x/", directory.path().string() + "/80/"}, {"80", "81"}};
    EXPECT_EQ(book.text("one", places), "cat " + directory.path().string() + "/80/81\n");
    EXPECT_EQ(read_file(book.install("/etc/x/f", places)), "81\n");
    EXPECT_TRUE(std::filesystem::exists(directory / "80/f"));
}

TEST(RecipeBook, tells_what_nothing_would_run) {
    const auto read = [](const std::string& markdown) { return RecipeBook(markdown).names().size(); };
    EXPECT_EQ(read("<!-- recipe: a -->\n```\n```\n"), 1U);
    EXPECT_THROW(read("```sh\nx\n```\n"), std::runtime_error);
    EXPECT_THROW(read("<!-- recipe: a -->\n```sh\nx\n"), std::runtime_error);
    EXPECT_THROW(read("<!-- recipe: a -->\n```\n```\n<!-- recipe: a -->\n```\n```\n"), std::runtime_error);
    const RecipeBook book("<!-- recipe: a -->\n```\n```\n");
    EXPECT_THROW(static_cast<void>(book.text("b", {})), std::out_of_range);
    EXPECT_THROW(static_cast<void>(book.text("a", {{"x", "y"}})), std::runtime_error);
}

}  // namespace
}  // namespace hwenroll::test
