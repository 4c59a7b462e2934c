// What is proposed works as it stands: with the configuration that was read, by systemd or without.
#include "agent/cli/proposed_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hwenroll::cli {
namespace {

ProposalGround usual() {
    ProposalGround ground;
    ground.service = true;
    return ground;
}

ProposalGround with_file(const std::string& file, std::optional<pid_t> agent = {}) {
    ProposalGround ground = usual();
    ground.configuration = file;
    ground.agent = [agent] { return agent; };
    return ground;
}

TEST(ProposedCommand, stays_as_it_is_with_the_configuration_of_the_machine) {
    for (const char* const command :
         {"hwenroll resume web", "hwenrolld --once", "systemctl start hwenrolld", "systemctl reload hwenrolld",
          "chmod 600 /etc/hwenroll/lab.pin", "hwenroll status | less"}) {
        EXPECT_EQ(proposed_command(usual(), command), command);
    }
}

TEST(ProposedCommand, names_the_file_of_the_configuration_that_was_read) {
    const ProposalGround ground = with_file("/srv/a b/h.toml");
    EXPECT_EQ(proposed_command(ground, "hwenroll resume web"), "hwenroll resume web --config '/srv/a b/h.toml'");
    EXPECT_EQ(proposed_command(ground, "hwenrolld --once"), "hwenrolld --once --config '/srv/a b/h.toml'");
    EXPECT_EQ(proposed_command(ground, "sudo hwenroll doctor"), "sudo hwenroll doctor --config '/srv/a b/h.toml'");
    EXPECT_EQ(proposed_command(ground, "hwenroll status | less"), "hwenroll status --config '/srv/a b/h.toml' | less");
    EXPECT_EQ(proposed_command(ground, "hwenroll resume web && hwenroll status"),
              "hwenroll resume web --config '/srv/a b/h.toml' && hwenroll status --config '/srv/a b/h.toml'");
    EXPECT_EQ(proposed_command(ground, "hwenroll init --subject 'CN=a;b'"),
              "hwenroll init --subject 'CN=a;b' --config '/srv/a b/h.toml'");
}

TEST(ProposedCommand, says_nothing_twice_and_nothing_to_commands_that_read_no_configuration) {
    const ProposalGround ground = with_file("/srv/h.toml");
    for (const char* const command :
         {"hwenroll doctor --config /etc/other.toml", "hwenroll renew --help", "hwenroll scep decode reply.der",
          "hwenroll token list --module /usr/lib/p11.so", "hwenroll ca show http://ca.example.com/scep",
          "chmod 600 /srv/lab.pin", "install -m 0600 /dev/stdin /srv/lab.pin", "hwenroll-hook --socket", ""}) {
        EXPECT_EQ(proposed_command(ground, command), command);
    }
}

TEST(ProposedCommand, of_systemd_is_the_program_or_its_signal_where_systemd_does_not_run_the_agent) {
    const ProposalGround none = with_file("/srv/h.toml");
    EXPECT_EQ(proposed_command(none, "systemctl start hwenrolld"), "hwenrolld --config /srv/h.toml");
    EXPECT_EQ(proposed_command(none, "systemctl reload hwenrolld"), "hwenrolld --config /srv/h.toml") << "none runs";
    const ProposalGround running = with_file("/srv/h.toml", 4711);
    EXPECT_EQ(proposed_command(running, "systemctl reload hwenrolld"), "kill -HUP 4711");
    EXPECT_EQ(proposed_command(running, "systemctl restart hwenrolld"),
              "kill 4711; kill -CONT 4711; tail --pid=4711 -f /dev/null; hwenrolld --config /srv/h.toml");
    ProposalGround plain;
    EXPECT_EQ(proposed_command(plain, "systemctl start hwenrolld"), "hwenrolld");
    EXPECT_EQ(proposed_command(plain, "systemctl enable --now hwenrolld"), "hwenrolld");
}

TEST(ProposedCommand, starts_the_timers_service_where_that_is_what_the_machine_has) {
    ProposalGround ground = usual();
    ground.timer = true;
    EXPECT_EQ(proposed_command(ground, "systemctl start hwenrolld"), "systemctl start hwenroll-once.service");
    EXPECT_EQ(proposed_command(ground, "systemctl start nginx"), "systemctl start nginx");
}

TEST(ProposedCommand, stands_between_quotes_in_a_sentence) {
    const ProposalGround ground = with_file("/srv/h.toml");
    EXPECT_EQ(
        with_proposed_commands(
            ground, "correct 'pin' or the CA's file, then 'hwenroll resume web'; hwenroll says more in 'hwenroll x'"),
        "correct 'pin' or the CA's file, then 'hwenroll resume web --config /srv/h.toml'; hwenroll says more in "
        "'hwenroll x --config /srv/h.toml'");
    EXPECT_EQ(with_proposed_commands(ground, "start it with 'systemctl start hwenrolld', or 'hwenrolld --once'"),
              "start it with 'hwenrolld --config /srv/h.toml', or 'hwenrolld --once --config /srv/h.toml'");
    EXPECT_EQ(with_proposed_commands(ground, "no 'quote ends here"), "no 'quote ends here");
    EXPECT_EQ(with_proposed_commands(usual(), "as 'hwenroll list' shows"), "as 'hwenroll list' shows");
}

TEST(ProposedCommand, is_what_comes_next_of_an_error_and_nothing_else_of_it) {
    const Error error = Error(ErrorCode::token_pin, "'hwenroll x' is no command", "why", "try 'hwenroll resume web'");
    const Error proposed = with_proposed_commands(with_file("/srv/h.toml"), Error(error).about("web"));
    EXPECT_EQ(proposed.line(),
              "E-TOKEN-PIN web: 'hwenroll x' is no command (why); try 'hwenroll resume web --config /srv/h.toml'");
}

}  // namespace
}  // namespace hwenroll::cli
