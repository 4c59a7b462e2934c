// Status and Overview of all identities: replies of which each is a page.
#include <algorithm>
#include <array>
#include <sys/socket.h>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "agent/control/connection.h"
#include "agent/control/view_codec.h"
#include "tests/agent/control/server_fixture.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::SizeIs;

constexpr std::size_t page_size = 128;

std::string numbered(int number) {
    return fmt::format("id{:04}", number);
}

class ControlPage : public ServerFixture {
 protected:
    void know(int count) {
        service_.views.clear();
        for (int i = 0; i < count; ++i) {
            service_.views[numbered(i)] = full_view(numbered(i));
        }
    }
    static const json& entries(const json& reply) {
        return reply["parameters"][reply["parameters"].contains("rows") ? "rows" : "identities"];
    }
    /// The names in the replies that follow, by page; nothing for an error.
    std::vector<std::vector<std::string>> pages_for(RawClient& client) {
        std::vector<std::vector<std::string>> pages;
        for (bool continues = true; continues;) {
            const json reply = answer(client);
            EXPECT_FALSE(reply.contains("error")) << reply.dump();
            continues = reply.value("continues", false);
            auto& page = pages.emplace_back();
            for (const json& entry : entries(reply)) {
                page.push_back(entry["name"]);
            }
        }
        return pages;
    }
    std::vector<std::vector<std::string>> pages_of(std::string_view method) {
        RawClient client(path());
        client.call(method, json::object(), true);
        return pages_for(client);
    }
    static std::vector<std::string> joined(const std::vector<std::vector<std::string>>& pages) {
        std::vector<std::string> all;
        for (const auto& page : pages) {
            all.insert(all.end(), page.begin(), page.end());
        }
        return all;
    }
    [[nodiscard]] std::vector<std::string> known() const {
        std::vector<std::string> names;
        for (const auto& [name, view] : service_.views) {
            names.push_back(name);
        }
        return names;
    }
};

TEST_F(ControlPage, tell_of_every_identity_once_and_in_order) {
    for (const char* const method : {"Status", "Overview"}) {
        for (const int count : {0, 1, 127, 128, 129, 300}) {
            know(count);
            const auto pages = pages_of(method);
            EXPECT_EQ(joined(pages), known()) << method << count;
            EXPECT_THAT(pages, SizeIs(static_cast<std::size_t>(count) / page_size + 1));
            EXPECT_TRUE(std::ranges::all_of(pages, [](const auto& page) { return page.size() <= page_size; }));
        }
    }
}

TEST_F(ControlPage, are_for_clients_that_expect_more) {
    know(300);
    RawClient client(path());
    for (const char* const method : {"Status", "Overview"}) {
        const json all = ask(client, method);
        EXPECT_FALSE(all.contains("continues"));
        EXPECT_THAT(entries(all), SizeIs(300U));
    }
    const json one = ask(client, "Status", {{"identity", "id0200"}}, true);
    EXPECT_FALSE(one.contains("continues"));
    EXPECT_THAT(entries(one), SizeIs(1U));
}

TEST_F(ControlPage, have_no_parameters_of_their_own) {
    RawClient client(path());
    const json refused = ask(client, "Overview", {{"identity", "web"}}, true);
    EXPECT_EQ(refused["error"], "org.varlink.service.InvalidParameter");
    EXPECT_EQ(refused["parameters"]["parameter"], "identity");
    EXPECT_EQ(ask(client, "Status", {{"after", "web"}}, true)["parameters"]["parameter"], "after");
    EXPECT_THAT(service_.pages, SizeIs(0U));
}

TEST_F(ControlPage, are_not_made_for_a_oneway_call) {
    know(300);
    RawClient client(path());
    client.send(std::string(R"({"method":"io.hwenroll.Agent.Overview","more":true,"oneway":true})") + '\0');
    EXPECT_THAT(entries(ask(client, "Status", {{"identity", "id0000"}})), SizeIs(1U)) << "the only answer";
}

TEST_F(ControlPage, tell_in_a_row_what_a_view_says) {
    service_.views["mail"] = full_view("mail");
    service_.views["mail"].failure.reset();
    service_.views["mail"].delivery.reset();
    service_.views["mail"].certificate.reset();
    RawClient client(path());
    const json reply = ask(client, "Overview", json::object(), true)["parameters"];
    EXPECT_EQ(reply["at"], "2026-11-23T18:00:00Z");
    EXPECT_EQ(reply["notices"], json::array({"CA 'corp' announces its successor"})) << "once for both";
    EXPECT_EQ(reply["rows"][0], (json{{"name", "mail"},
                                      {"enabled", true},
                                      {"state", "OK"},
                                      {"next", "nothing due"},
                                      {"renew_at", "2026-11-23T18:00:02Z"},
                                      {"settled", true}}));
    EXPECT_EQ(reply["rows"][1]["failure"], "E-CA-TIMEOUT it took too long; retried later");
    EXPECT_EQ(reply["rows"][1]["not_after"], "2026-11-24T18:00:00Z");
}

TEST_F(ControlPage, bear_identities_that_come_and_go_meanwhile) {
    know(300);
    service_.on_page = [&] {
        if (service_.pages.size() == 2) {
            service_.views.erase("id0127");  // the last one that was sent
            service_.views.erase("id0128");
            service_.views["id0000a"] = full_view("id0000a");  // where the client has been already
            service_.views["id0129a"] = full_view("id0129a");
        }
    };
    const auto all = joined(pages_of("Overview"));
    EXPECT_TRUE(std::ranges::is_sorted(all));
    EXPECT_THAT(all, SizeIs(300U));
    EXPECT_TRUE(std::ranges::binary_search(all, "id0127"));
    EXPECT_FALSE(std::ranges::binary_search(all, "id0128"));
    EXPECT_FALSE(std::ranges::binary_search(all, "id0000a"));
    EXPECT_TRUE(std::ranges::binary_search(all, "id0129a"));
}

TEST_F(ControlPage, end_when_all_that_was_to_come_has_gone) {
    know(200);
    service_.on_page = [&] {
        if (service_.pages.size() == 2) {
            service_.views.clear();
        }
    };
    EXPECT_THAT(pages_of("Status"), ElementsAre(SizeIs(page_size), SizeIs(0U)));
}

TEST_F(ControlPage, end_with_the_error_of_an_identity_that_cannot_be_shown) {
    know(300);
    service_.unreadable = "id0200";
    RawClient client(path());
    EXPECT_EQ(ask(client, "Status", json::object(), true)["continues"], true);
    const json failed = answer(client);
    EXPECT_EQ(failed["error"], "io.hwenroll.Agent.Failed");
    EXPECT_EQ(failed["parameters"]["code"], "E-INTERNAL");
    EXPECT_FALSE(failed.contains("continues"));
    EXPECT_FALSE(ask(client, "Status", {{"identity", "id0000"}}).contains("error")) << "the next call is answered";
}

TEST_F(ControlPage, are_made_one_a_turn_beside_other_clients) {
    know(1000);
    RawClient reading(path());
    RawClient other(path());
    reading.call("Overview", json::object(), true);
    EXPECT_TRUE(loop_.run([&] { return !service_.pages.empty(); }));
    other.call("Enroll", {{"identity", "id0000"}});
    EXPECT_TRUE(loop_.run([&] { return !service_.asked.empty(); }));
    EXPECT_LE(service_.pages.size(), 3U) << "the other one did not wait for all pages";
    EXPECT_EQ(joined(pages_for(reading)), known());
    loop_.settle();
    const std::size_t turns = loop_.turns();
    loop_.settle();
    EXPECT_EQ(loop_.turns(), turns + 1) << "nothing wakes the loop afterwards";
}

TEST_F(ControlPage, come_before_the_answer_to_the_next_call) {
    know(300);
    RawClient client(path());
    client.call("Overview", json::object(), true);
    client.call("Enroll", {{"identity", "id0000"}});
    EXPECT_EQ(joined(pages_for(client)), known());
    EXPECT_EQ(answer(client)["parameters"]["text"], "begun");
}

TEST_F(ControlPage, go_on_for_a_client_that_only_sends_no_more) {
    know(300);
    RawClient client(path());
    client.call("Overview", json::object(), true);
    client.finish();
    EXPECT_EQ(joined(pages_for(client)), known());
    EXPECT_TRUE(ends(client));
}

// What waits for a client that does not read is bounded: a calm queue, one page, and what the kernel takes.
TEST_F(ControlPage, wait_for_a_client_that_does_not_read) {
    start({.max_kernel_buffer = 4096});
    know(3000);
    const std::size_t octets = to_json(*service_.overview_page({}, page_size)).dump().size();
    service_.pages.clear();
    RawClient client(path());
    client.call("Overview", json::object(), true);
    loop_.settle();
    EXPECT_LE((service_.pages.size() - 1) * octets, (64U << 10U) + octets + (64U << 10U));
    EXPECT_LT(service_.pages.size(), 10U);
    const std::size_t turns = loop_.turns();
    loop_.settle();
    EXPECT_EQ(loop_.turns(), turns + 1) << "nothing wakes the loop";
    RawClient other(path());
    EXPECT_FALSE(ask(other, "Status", {{"identity", "id0000"}}).contains("error"));
    EXPECT_EQ(joined(pages_for(client)), known()) << "it goes on when it reads";
}

TEST_F(ControlPage, end_with_a_client_that_hangs_up) {
    start({.max_kernel_buffer = 4096});
    know(3000);
    auto client = std::make_unique<RawClient>(path());
    client->call("Status", json::object(), true);
    loop_.settle();
    const std::size_t made = service_.pages.size();
    EXPECT_LT(made, 10U);
    client.reset();
    EXPECT_TRUE(loop_.run([&] { return server_->clients() == 0; }));
    EXPECT_EQ(service_.pages.size(), made) << "none is made for nobody";
    EXPECT_EQ(loop_.watched(), 1U) << "the listener";
}

TEST_F(ControlPage, end_with_the_server) {
    know(3000);
    RawClient client(path());
    client.call("Overview", json::object(), true);
    EXPECT_TRUE(loop_.run([&] { return !service_.pages.empty(); }));
    server_.reset();
    EXPECT_EQ(loop_.watched(), 0U);
}

TEST_F(ControlPage, of_a_client_that_never_catches_up_are_not_kept_once_they_are_sent) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    control::Connection connection{FileDescriptor(ends[0]), control::Peer{}, 1000};
    const FileDescriptor reader(ends[1]);
    const std::string page(64'000, 'x');
    std::vector<char> buffer(page.size());
    for (int i = 0; i < 1000; ++i) {
        connection.queue(page);
        ASSERT_TRUE(connection.flush());
        static_cast<void>(::recv(reader.get(), buffer.data(), i < 10 ? 1 : buffer.size(), 0));
    }
    EXPECT_GT(connection.queued(), page.size()) << "it never caught up";
    EXPECT_LE(connection.held(), 2 * (connection.queued() + page.size()));
}

}  // namespace
}  // namespace hwenroll::test
