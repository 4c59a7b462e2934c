// The commands of `hwenroll` as users run them, with a fake agent behind a real socket, and without one.
#include <chrono>
#include <sys/socket.h>
#include <sys/un.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "agent/store/store.h"
#include "base/file_descriptor.h"
#include "tests/agent/control/server_thread.h"
#include "tests/support/child_process.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ControlCommand : public testing::Test {
 protected:
    void SetUp() override {
        const std::string here = directory_.path().string();
        write_file(directory_ / "hwenroll.toml",
                   "[agent]\nstate_dir = \"" + here + "/state\"\nruntime_dir = \"" + here + "\"\npublish_dir = \"" +
                       here +
                       "/live\"\nadmin_group = \"staff\"\n"
                       "[token.lab]\ntype = \"pkcs11\"\nmodule = \"/usr/lib/softhsm/libsofthsm2.so\"\n"
                       "uri = \"pkcs11:token=lab\"\npin = \"file:/etc/hwenroll/lab.pin\"\n"
                       "[ca.corp]\nurl = \"http://ca.example.com/scep\"\nfingerprint = \"SHA256:" +
                       std::string(64, 'A') +
                       "\"\nchallenge = \"file:/etc/hwenroll/corp.challenge\"\n"
                       "[identity.web]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=web.example.com\"\n");
    }

    void start() {
        server_ = std::make_unique<ServerThread>(directory_.path());
        server_->do_on_loop([](ControlServiceFake& service, PeerSourceFake&) {
            service.views["web"] = full_view("web");
            service.views["web"].failure.reset();
            service.views["web"].delivery.reset();
        });
    }
    void with_agent(const std::function<void(ControlServiceFake&)>& task) {
        server_->do_on_loop([&](ControlServiceFake& service, PeerSourceFake&) { task(service); });
    }
    void unsettle() {
        with_agent([](ControlServiceFake& service) { service.views["web"].settled = false; });
    }
    void report(const control::IdentityEvent& event) {
        with_agent([&](ControlServiceFake& service) { service.report(event); });
    }
    std::vector<std::string> asked() {
        std::vector<std::string> all;
        with_agent([&](ControlServiceFake& service) { all = service.asked; });
        return all;
    }

    [[nodiscard]] std::vector<std::string> command(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), program("hwenroll"));
        arguments.insert(arguments.end(), {"--config", (directory_ / "hwenroll.toml").string()});
        return arguments;
    }
    [[nodiscard]] RunResult hwenroll(std::vector<std::string> arguments) const {
        return run(command(std::move(arguments)));
    }
    /// A file with a certificate, made once.
    [[nodiscard]] std::string one_certificate() const {
        const std::string file = (directory_ / "one.pem").string();
        if (!std::filesystem::exists(file)) {
            const RunResult made = run({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x",
                                        "-keyout", (directory_ / "one.key").string(), "-out", file});
            EXPECT_EQ(made.exit_code, 0) << made.err;
        }
        return file;
    }
    static json parsed(const RunResult& result) {
        json value = json::parse(result.out, nullptr, false);
        EXPECT_FALSE(value.is_discarded()) << result.out << result.err;
        EXPECT_EQ(value.value("schema", 0), 1);
        return value;
    }
    /// Waits until `process` has printed `text`.
    static void expect_printed(const ChildProcess& process, const std::string& text) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (process.out().find(text) == std::string::npos && std::chrono::steady_clock::now() < end) {
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
        EXPECT_THAT(process.out(), HasSubstr(text)) << process.err();
    }

    TemporaryDirectory directory_;
    std::unique_ptr<ServerThread> server_;
};

TEST_F(ControlCommand, status_and_list_ask_the_running_agent) {
    start();
    const RunResult all = hwenroll({"status"});
    EXPECT_EQ(all.exit_code, 0) << all.err;
    EXPECT_THAT(all.out, AllOf(HasSubstr("web"), HasSubstr("OK"), HasSubstr("1 d"), HasSubstr("renews in 2 s")));
    const RunResult one = hwenroll({"status", "web"});
    EXPECT_THAT(one.out, AllOf(HasSubstr("generation 7"), HasSubstr("event 0"), HasSubstr("2026-11-23T18:00:02Z")));
    const json view = parsed(hwenroll({"status", "--json"}))["identities"][0];
    EXPECT_EQ(view["certificate"]["serial"], "1F");
    EXPECT_EQ(view["renew_at"], "2026-11-23T18:00:02Z");
    EXPECT_THAT(hwenroll({"list"}).out,
                AllOf(HasSubstr("web"), HasSubstr("corp"), HasSubstr("lab"), HasSubstr("CN=web")));
    EXPECT_EQ(parsed(hwenroll({"list", "--json"}))["identities"][0]["ca"], "corp");
    EXPECT_EQ(hwenroll({"status", "nobody"}).exit_code, 64);
}

TEST_F(ControlCommand, status_of_all_is_a_table_with_each_notice_below_it) {
    start();
    with_agent([](ControlServiceFake& service) {
        service.views["mail.example.com"] = full_view("mail.example.com");
        service.views["off"] = full_view("off");
        service.views["off"].enabled = false;
        service.views["off"].word = "DISABLED";
        service.views["off"].certificate.reset();
        service.views["off"].next = "correct it\033";
    });
    EXPECT_EQ(
        hwenroll({"status"}).out,
        "IDENTITY          STATE     EXPIRES IN  NEXT\n"
        "off               DISABLED  -           correct it\\x1b\n"
        "mail.example.com  OK        1 d         E-CA-TIMEOUT it took too long; retried later\n"
        "web               OK        1 d         renews in 2 s (2026-11-23 18:00Z)\n"
        "CA corp: trusted, ends in 1 s (2026-11-23 18:00Z), successor known, valid in 2 s (2026-11-23 18:00Z); "
        "last asked in vain: E-CA-TIMEOUT it took too long; retried later\n"
        "token lab: no answer for 42 s, a call is under way, few PIN tries left: E-TOKEN-DEADLINE token 'lab' did "
        "not answer\n"
        "clock not trusted: no time server\n"
        "agent: the new configuration is not in force\n"
        "CA 'corp' announces its successor\n"
        "3 identities: 1 disabled, 2 ok; next expiry: mail.example.com in 1 d (2026-11-24 18:00Z)\n"
        "next: hwenroll explain E-CA-TIMEOUT --config " +
            (directory_ / "hwenroll.toml").string() + "\n");
    with_agent([](ControlServiceFake& service) { service.views.clear(); });
    EXPECT_THAT(hwenroll({"status"}).out, AllOf(StartsWith("no identity is configured: "), HasSubstr("\nnext: man ")));
}

TEST_F(ControlCommand, F1_status_finds_the_agent_beside_a_broken_configuration_and_says_so_in_one_line) {
    start();
    const std::string good = read_file(directory_ / "hwenroll.toml");
    for (const std::string& broken :
         {"[agent]\nnonsense = 1\n" + good.substr(good.find('\n') + 1), "= broken\n" + good, good + "[agent]\n"}) {
        write_file(directory_ / "hwenroll.toml", broken);
        const RunResult all = hwenroll({"status"});
        EXPECT_EQ(all.exit_code, 0) << all.err << broken;
        EXPECT_THAT(all.out,
                    AllOf(StartsWith("the configuration on disk is broken, the agent goes on with what it had: "),
                          HasSubstr("\nweb       OK ")))
            << broken;
        const RunResult one = hwenroll({"status", "web"});
        EXPECT_EQ(one.exit_code, 0) << one.err;
        EXPECT_THAT(one.out, AllOf(StartsWith("the configuration on disk is broken"), HasSubstr("generation 7")));
        EXPECT_THAT(parsed(hwenroll({"status", "--json"}))["remark"].get<std::string>(), HasSubstr("E-CONFIG-"));
    }
}

TEST_F(ControlCommand, F8_status_finds_the_agent_beside_a_file_that_it_must_not_believe) {
    start();
    std::filesystem::permissions(directory_ / "hwenroll.toml", std::filesystem::perms::others_write,
                                 std::filesystem::perm_options::add);
    const RunResult all = hwenroll({"status"});
    EXPECT_EQ(all.exit_code, 0) << all.err;
    EXPECT_THAT(all.out, AllOf(StartsWith("the configuration on disk is broken, the agent goes on with what it had: "
                                          "E-CONFIG-FILE"),
                               HasSubstr("OK")));
}

TEST_F(ControlCommand, F1_status_beside_a_broken_configuration_and_no_agent_says_what_is_broken) {
    write_file(directory_ / "hwenroll.toml", "[agent\n");
    const RunResult result = hwenroll({"status"});
    EXPECT_EQ(result.exit_code, 78);
    EXPECT_THAT(result.err, HasSubstr("E-CONFIG-SYNTAX"));
}

TEST_F(ControlCommand, status_says_that_the_files_on_disk_are_not_in_force) {
    start();
    with_agent([](ControlServiceFake& service) { service.condition.notice.clear(); });
    EXPECT_THAT(hwenroll({"status"}).out, StartsWith("the configuration on disk is not in force yet: 'kill -HUP "));
    EXPECT_EQ(parsed(hwenroll({"status", "--json"}))["agent"]["tokens"][0]["busy"], 42);
    EXPECT_EQ(parsed(hwenroll({"status", "--json"}))["running"], true);
}

TEST_F(ControlCommand, status_and_list_work_without_an_agent) {
    EXPECT_THAT(hwenroll({"status"}).out,
                AllOf(StartsWith("hwenrolld does not run"), HasSubstr("web"), HasSubstr("NEW")));
    EXPECT_THAT(hwenroll({"list"}).out, AllOf(HasSubstr("CN=web.example.com"), HasSubstr("corp")));
    EXPECT_EQ(hwenroll({"status", "nobody"}).exit_code, 64);
}

TEST_F(ControlCommand, changes_are_handed_to_the_agent) {
    start();
    const RunResult enrolled = hwenroll({"enroll", "web"});
    EXPECT_EQ(enrolled.exit_code, 0) << enrolled.err;
    EXPECT_EQ(enrolled.out, "web: begun\n");
    EXPECT_EQ(hwenroll({"renew", "web"}).exit_code, 0);
    EXPECT_EQ(hwenroll({"renew", "web", "--rekey"}).exit_code, 0);
    EXPECT_EQ(hwenroll({"cancel", "web"}).exit_code, 0);
    const RunResult accepted = hwenroll({"ca", "accept-next", "corp"});
    EXPECT_EQ(accepted.exit_code, 0) << accepted.err;
    EXPECT_EQ(accepted.out, "corp: begun\n");
    EXPECT_EQ(parsed(hwenroll({"ca", "accept-next", "corp", "--fingerprint", "SHA256:AB", "--json"}))["ca"], "corp");
    EXPECT_THAT(asked(), testing::ElementsAre("enroll web", "renew web", "renew web rekey", "cancel web",
                                              "accept-next corp", "accept-next corp SHA256:AB"));
    for (const char* verb : {"enroll", "renew", "cancel"}) {
        const json answer = parsed(hwenroll({verb, "web", "--json"}));
        EXPECT_EQ(answer["command"], verb);
        EXPECT_EQ(answer["identity"], "web");
        EXPECT_EQ(answer["changed"], true);
        EXPECT_EQ(answer["text"], "begun");
    }
}

TEST_F(ControlCommand, adopt_hands_the_certificates_of_a_file_to_the_agent_and_nothing_else_of_it) {
    start();
    const std::string pem = read_file(one_certificate());
    write_file(directory_ / "both.pem",
               "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\nsubject=CN=x\n" + pem + pem);
    const RunResult adopted = hwenroll({"adopt", "web", "--certificate", (directory_ / "both.pem").string()});
    EXPECT_EQ(adopted.exit_code, 0) << adopted.err;
    EXPECT_EQ(adopted.out, "web: begun\n");
    EXPECT_THAT(asked(), testing::ElementsAre("adopt web " + std::to_string(2 * pem.size())));
    const json answer = parsed(hwenroll({"adopt", "web", "--certificate", one_certificate(), "--json"}));
    EXPECT_EQ(answer["command"], "adopt");
    EXPECT_EQ(answer["identity"], "web");
    EXPECT_EQ(answer["changed"], true);
    const json waited = parsed(hwenroll({"adopt", "web", "--certificate", one_certificate(), "--wait", "--json"}));
    EXPECT_EQ(waited["event"]["identity"], "web");
    with_agent([](ControlServiceFake& service) { service.acceptance = {false, "it has a certificate"}; });
    unsettle();
    EXPECT_EQ(hwenroll({"adopt", "web", "--certificate", one_certificate(), "--wait"}).out,
              "web: it has a certificate\n")
        << "nothing was begun, so nothing is waited for";
    EXPECT_EQ(hwenroll({"adopt", "nobody", "--certificate", one_certificate()}).exit_code, 64);
    EXPECT_EQ(hwenroll({"adopt", "web"}).exit_code, 64);
}

TEST_F(ControlCommand, adopt_names_a_file_that_holds_no_certificate_or_too_many_and_asks_nobody) {
    start();
    const std::string pem = read_file(one_certificate());
    std::string many;
    while (many.size() <= control::max_adopted_text) {
        many += pem;
    }
    write_file(directory_ / "many.pem", many);
    write_file(directory_ / "large.pem", std::string((1U << 20U) + 1, 'x'));
    write_file(directory_ / "garbage.pem", "garbage\n");
    write_file(directory_ / "broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for (const auto& [name, why] :
         {std::pair("many.pem", "more than 49152"), std::pair("large.pem", "larger than 1 MiB"),
          std::pair("garbage.pem", "certificate"), std::pair("broken.pem", "certificate"),
          std::pair("missing.pem", "No such file"), std::pair(".", "directory")}) {
        const RunResult refused = hwenroll({"adopt", "web", "--certificate", (directory_ / name).string()});
        EXPECT_EQ(refused.exit_code, 66) << name;
        EXPECT_THAT(refused.err, AllOf(StartsWith("E-INPUT-FILE "), HasSubstr(name), HasSubstr(why)));
    }
    EXPECT_THAT(asked(), testing::IsEmpty());
}

TEST_F(ControlCommand, nothing_to_do_is_no_failure) {
    start();
    with_agent([](ControlServiceFake& service) { service.acceptance = {false, "nothing to do: it is valid"}; });
    const RunResult result = hwenroll({"enroll", "web"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.out, "web: nothing to do: it is valid\n");
    EXPECT_EQ(hwenroll({"enroll", "web", "--wait"}).exit_code, 0);
}

TEST_F(ControlCommand, a_refusal_of_the_agent_is_its_line_and_its_exit_code) {
    start();
    with_agent([](ControlServiceFake& service) {
        service.failure = Error(ErrorCode::token_pin, "token 'lab' refused the PIN").about("web");
    });
    const RunResult refused = hwenroll({"renew", "web"});
    EXPECT_EQ(refused.exit_code, 77);
    EXPECT_THAT(refused.err, StartsWith("E-TOKEN-PIN web: token 'lab' refused the PIN; "));
    EXPECT_EQ(hwenroll({"renew", "nobody"}).exit_code, 64);
}

TEST_F(ControlCommand, without_an_agent_changes_end_with_69_and_say_how_to_start_one) {
    for (const std::vector<std::string>& arguments : {std::vector<std::string>{"enroll", "web"},
                                                      {"enroll", "web", "--wait"},
                                                      {"adopt", "web", "--certificate", one_certificate()},
                                                      {"renew", "web"},
                                                      {"cancel", "web"},
                                                      {"ca", "accept-next", "corp"},
                                                      {"crl", "fetch", "corp"},
                                                      {"cert", "fetch", "corp", "1F"},
                                                      {"wait", "web"},
                                                      {"monitor"}}) {
        const RunResult result = hwenroll(arguments);
        EXPECT_EQ(result.exit_code, 69) << arguments[0];
        EXPECT_THAT(result.err, AllOf(StartsWith("E-CONTROL-NO-AGENT "),
                                      HasSubstr("start it with 'hwenrolld --config "), HasSubstr("hwenrolld --once")));
        EXPECT_EQ(result.out, "");
    }
}

TEST_F(ControlCommand, whoever_may_not_change_things_is_told_who_may) {
    start();
    server_->do_on_loop([](ControlServiceFake&, PeerSourceFake& peers) { peers.standard = {54321, 1, 1}; });
    const RunResult denied = hwenroll({"renew", "web"});
    EXPECT_EQ(denied.exit_code, 77);
    EXPECT_THAT(denied.err, AllOf(StartsWith("E-CONTROL-DENIED "), HasSubstr("member of the group")));
    EXPECT_EQ(hwenroll({"status"}).exit_code, 0);
}

TEST_F(ControlCommand, wait_ends_when_the_identity_has_settled) {
    start();
    EXPECT_EQ(hwenroll({"wait", "web"}).exit_code, 0) << "it is settled already";
    unsettle();
    ChildProcess waiting(command({"wait", "web"}));
    expect_printed(waiting, "nothing due\n");
    report(sample_event("web", "sent"));
    expect_printed(waiting, "REQUESTED  sent\n");
    report(sample_event("web", "published", true));
    const auto end = waiting.wait(std::chrono::seconds(20));
    ASSERT_TRUE(end);
    EXPECT_EQ(end->exit_code, 0);
    EXPECT_THAT(waiting.out(), HasSubstr("2026-11-23T18:00:00Z  web  OK  published\n"));
}

TEST_F(ControlCommand, wait_has_the_exit_code_of_the_failure_that_it_ends_with) {
    start();
    unsettle();
    ChildProcess waiting(command({"enroll", "web", "--wait", "--json"}));
    ASSERT_TRUE(server_->wait_for_clients(1));
    with_agent([](ControlServiceFake& service) {
        service.views["web"].failure = {ErrorCode::ca_rejected, "E-CA-REJECTED no", sample_time(), 1};
        service.views["web"].settled = true;
        service.report(sample_event("web", "E-CA-REJECTED no", true, ErrorCode::ca_rejected));
    });
    const auto end = waiting.wait(std::chrono::seconds(20));
    ASSERT_TRUE(end);
    EXPECT_EQ(end->exit_code, 76);
    const json answer = json::parse(waiting.out());
    EXPECT_EQ(answer["command"], "enroll");
    EXPECT_EQ(answer["event"]["error"], "E-CA-REJECTED");
    EXPECT_EQ(answer["changed"], true);
}

TEST_F(ControlCommand, wait_gives_up_after_its_timeout) {
    start();
    unsettle();
    const RunResult late = hwenroll({"wait", "web", "--timeout", "0.05"});
    EXPECT_EQ(late.exit_code, 75);
    EXPECT_THAT(late.err, StartsWith("E-WAIT-TIMEOUT web: "));
    EXPECT_EQ(hwenroll({"wait", "web", "--timeout", "-1"}).exit_code, 64);
}

TEST_F(ControlCommand, wait_notices_that_the_agent_ends) {
    start();
    unsettle();
    ChildProcess waiting(command({"wait", "web"}));
    expect_printed(waiting, "nothing due\n");
    server_.reset();
    const auto end = waiting.wait(std::chrono::seconds(20));
    ASSERT_TRUE(end);
    EXPECT_EQ(end->exit_code, 69);
    EXPECT_THAT(waiting.err(), HasSubstr("'hwenrolld --config "));
}

TEST_F(ControlCommand, monitor_prints_each_event_as_it_happens) {
    start();
    ChildProcess people(command({"monitor"}));
    ChildProcess scripts(command({"monitor", "--json"}));
    expect_printed(people, "nothing due\n");
    expect_printed(scripts, "nothing due");
    report(sample_event("web", "re\033[31mnewed", true));
    expect_printed(people, "re\\x1b[31mnewed\n");
    expect_printed(scripts, "newed");
    const std::string lines = scripts.out();
    const json last = json::parse(lines.substr(lines.find('\n') + 1));
    EXPECT_EQ(last["schema"], 1);
    EXPECT_EQ(last["command"], "monitor");
    EXPECT_EQ(last["identity"], "web");
    EXPECT_EQ(hwenroll({"monitor", "--timeout", "0.01"}).exit_code, 0);
}

TEST_F(ControlCommand, resume_goes_through_the_agent) {
    start();
    const RunResult text = hwenroll({"resume", "web"});
    EXPECT_EQ(text.exit_code, 0) << text.err;
    EXPECT_EQ(text.out, "web: released, tried again now\nweb: the PIN of token 'lab' may be tried once more\n");
    EXPECT_THAT(asked(), testing::ElementsAre("resume web"));
    const json answer = parsed(hwenroll({"resume", "web", "--json"}));
    EXPECT_EQ(answer["token"], "lab");
    EXPECT_EQ(answer["hold_released"], true);
    EXPECT_FALSE(std::filesystem::exists(directory_ / "state")) << "the command itself has written nothing";
}

TEST_F(ControlCommand, resume_acts_by_itself_without_an_agent) {
    EXPECT_EQ(hwenroll({"resume", "web"}).out, "web: nothing to resume\n");
}

TEST_F(ControlCommand, history_asks_the_agent) {
    start();
    const RunResult all = hwenroll({"history"});
    EXPECT_EQ(all.exit_code, 0) << all.err;
    EXPECT_THAT(all.out, AllOf(HasSubstr("any"), HasSubstr("event 2")));
    const json two = parsed(hwenroll({"history", "web", "--limit", "2", "--json"}))["events"];
    ASSERT_EQ(two.size(), 2U);
    EXPECT_EQ(two[0]["name"], "web");
    EXPECT_EQ(hwenroll({"history", "--limit", "0"}).exit_code, 64);
}

TEST_F(ControlCommand, history_reads_the_state_without_an_agent) {
    EXPECT_EQ(hwenroll({"history"}).out, "nothing has happened yet\n");
    {
        auto store = store::Store::open(directory_ / "state", {});
        ASSERT_TRUE(store) << store.error().line();
        ASSERT_TRUE(store->commit("web", "lab", {}, "first", sample_time()));
        ASSERT_TRUE(store->commit("corp", lifecycle::AuthorityState{}, "the CA", sample_time() + Seconds(1)));
        ASSERT_TRUE(store->commit("web", "lab", {}, "second", sample_time() + Seconds(2)));
        const json all = parsed(hwenroll({"history", "--json"}))["events"];
        ASSERT_EQ(all.size(), 3U);
        EXPECT_EQ(all[0]["text"], "second");
        EXPECT_EQ(all[1],
                  (json{{"kind", "authority"}, {"name", "corp"}, {"text", "the CA"}, {"at", "2026-11-23T18:00:01Z"}}));
        EXPECT_EQ(all[2]["text"], "first");
        EXPECT_EQ(parsed(hwenroll({"history", "--limit", "1", "--json"}))["events"].size(), 1U);
    }
    EXPECT_THAT(hwenroll({"history", "web"}).out, AllOf(HasSubstr("second"), Not(HasSubstr("the CA"))));
    EXPECT_EQ(hwenroll({"history", "nobody"}).exit_code, 64);
}

TEST_F(ControlCommand, an_agent_that_cannot_be_asked_is_not_taken_for_none) {
    const FileDescriptor other(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (directory_ / "control").string().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(other.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    for (const char* verb : {"status", "list", "history"}) {
        const RunResult result = hwenroll({verb});
        EXPECT_EQ(result.exit_code, 75) << result.out;
        EXPECT_THAT(result.err, StartsWith("E-CONTROL-SOCKET "));
    }
}

}  // namespace
}  // namespace hwenroll::test
