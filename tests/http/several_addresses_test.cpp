// N2: a name that has several addresses, of which one leads nowhere.
#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <netdb.h>
#include <netinet/in.h>
#include <optional>
#include <ostream>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/http/child_observation.h"
#include "tests/http/exchange_fixture.h"
#include "tests/support/covered_files.h"

namespace hwenroll::test {
namespace {

using namespace std::chrono_literals;

/// A port of an address that listens with a full queue, so that a SYN stays unanswered.
class BlackHole {
 public:
    BlackHole(const char* address, std::uint16_t port) {
        const addrinfo numeric{
            AI_NUMERICHOST | AI_NUMERICSERV, AF_UNSPEC, SOCK_STREAM, 0, 0, nullptr, nullptr, nullptr};
        if (::getaddrinfo(address, std::to_string(port).c_str(), &numeric, &address_) != 0) {
            return;
        }
        listener_ = ::socket(address_->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        stands_ = ::bind(listener_, address_->ai_addr, address_->ai_addrlen) == 0 && ::listen(listener_, 0) == 0;
        for (int i = 0; stands_ && i < 4; ++i) {
            const int waiting = ::socket(address_->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            static_cast<void>(
                ::connect(waiting, address_->ai_addr, address_->ai_addrlen));  // open until the child ends
        }
    }
    BlackHole(const BlackHole&) = delete;
    BlackHole& operator=(const BlackHole&) = delete;
    ~BlackHole() {
        if (address_ != nullptr) {
            ::freeaddrinfo(address_);
        }
    }

    [[nodiscard]] bool stands() const { return stands_; }

 private:
    addrinfo* address_ = nullptr;
    int listener_ = -1;
    bool stands_ = false;
};

/// What the child saw.
struct Observation {
    bool entered = false;     ///< the namespaces could be had
    bool dead_first = false;  ///< the resolver names the address that leads nowhere first
    bool answered = false;
    std::size_t connections = 0;
};

bool is_named_first(const char* name, const char* address) {
    const addrinfo hints{0, AF_UNSPEC, SOCK_STREAM, 0, 0, nullptr, nullptr, nullptr};
    addrinfo* found = nullptr;
    if (::getaddrinfo(name, nullptr, &hints, &found) != 0) {
        return false;
    }
    std::array<char, NI_MAXHOST> text{};
    ::getnameinfo(found->ai_addr, found->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
    const bool more = found->ai_next != nullptr;
    ::freeaddrinfo(found);
    return more && std::string(text.data()) == address;
}

/// Both addresses of a name, as the resolver sorts them (RFC 6724).
struct Addresses {
    const char* name;
    bool swallows;  ///< connections to the first address are neither taken nor refused
    const char* dead;
    const char* alive;
    std::uint32_t alive_number;
};

std::ostream& operator<<(std::ostream& out, const Addresses& addresses) {
    return out << addresses.name;
}

Observation fetch_from(const Addresses& addresses) {
    Observation seen;
    seen.entered = enter_network_with_files(
        {{"/etc/hosts", fmt::format("{} ca.example\n{} ca.example\n", addresses.dead, addresses.alive)},
         {"/etc/nsswitch.conf", "hosts: files\n"}});
    if (!seen.entered) {
        return seen;
    }
    ScriptedServer server({answer(reply(200, "x"))}, addresses.alive_number);
    std::optional<BlackHole> hole;
    if (addresses.swallows) {
        hole.emplace(addresses.dead, server.port());
    }
    seen.dead_first = (!hole || hole->stands()) && is_named_first("ca.example", addresses.dead);
    PollReactor reactor;
    http::Client client(reactor, "hwenroll-test/1");
    http::Request request = get(fmt::format("http://ca.example:{}/scep", server.port()));
    request.limits.connect_timeout = 4s;
    request.limits.exchange_timeout = 60s;
    bool ended = false;
    client.start(request, [&](const Result<http::Response>& result) {
        ended = true;
        seen.answered = result.has_value();
    });
    static_cast<void>(reactor.run(client, [&] { return ended; }));
    seen.connections = server.connections();
    return seen;
}

/// In a child, whose namespaces and sockets end with it.
Observation in_a_child(const Addresses& addresses) {
    return seen_by_a_child([&] { return fetch_from(addresses); });
}

class SeveralAddresses : public testing::TestWithParam<Addresses> {};

TEST_P(SeveralAddresses, N2_after_one_that_leads_nowhere_the_next_is_tried) {
    const Observation seen = in_a_child(GetParam());
    if (!seen.entered) {
        GTEST_SKIP() << "no namespaces of our own here";
    }
    if (!seen.dead_first) {
        GTEST_SKIP() << "this address cannot be had here, or is not tried first";
    }
    EXPECT_TRUE(seen.answered);
    EXPECT_EQ(seen.connections, 1U);
}

constexpr std::uint32_t second = 0x7F000002;

INSTANTIATE_TEST_SUITE_P(
    First, SeveralAddresses,
    testing::Values(Addresses{"version_4_swallows", true, "127.0.0.1", "127.0.0.2", second},
                    Addresses{"version_4_refuses", false, "127.0.0.1", "127.0.0.2", second},
                    Addresses{"version_6_swallows", true, "::1", "127.0.0.1", ScriptedServer::usual_address},
                    Addresses{"version_6_refuses", false, "::1", "127.0.0.1", ScriptedServer::usual_address}),
    testing::PrintToStringParamName());

}  // namespace
}  // namespace hwenroll::test
