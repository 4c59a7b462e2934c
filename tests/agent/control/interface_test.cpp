// The interface description is data; here it is held against what exists.
#include <regex>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "agent/control/identity_view.h"
#include "agent/control/key_test_codec.h"
#include "agent/control/methods.h"
#include "agent/control/view_codec.h"
#include "tests/agent/control/server_fixture.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::ElementsAreArray;
using namespace control;

/// The description without comments and line ends.
std::string description() {
    std::string text(interface_description());
    text = std::regex_replace(text, std::regex("#[^\n]*\n"), "\n");
    return std::regex_replace(text, std::regex("\\s+"), " ");
}

std::vector<std::string> matches(const std::string& text, const std::string& expression) {
    const std::regex compiled(expression);
    std::vector<std::string> found;
    for (std::sregex_iterator at(text.begin(), text.end(), compiled), end; at != end; ++at) {
        found.push_back((*at)[1]);
    }
    return found;
}

/// Members of a parenthesised list, with their types: `?string`.
std::map<std::string, std::string> members_of(const std::string& list) {
    static const std::regex member("(\\w+): ([\\w\\[\\]?]+)");
    std::map<std::string, std::string> members;
    for (std::sregex_iterator at(list.begin(), list.end(), member), end; at != end; ++at) {
        members[(*at)[1]] = (*at)[2];
    }
    return members;
}

std::map<std::string, std::string> type(const std::string& name) {
    return members_of(matches(description(), "type " + name + " \\(([^)]*)\\)").at(0));
}

std::set<std::string> names(const std::map<std::string, std::string>& members) {
    std::set<std::string> out;
    for (const auto& [name, unused] : members) {
        out.insert(name);
    }
    return out;
}

std::set<std::string> names(const json& object) {
    std::set<std::string> out;
    for (const auto& [name, unused] : object.items()) {
        out.insert(name);
    }
    return out;
}

TEST(Interface, has_the_methods_that_exist_and_no_others) {
    std::vector<std::string> existing;
    for (const Method& method : methods()) {
        existing.emplace_back(method.name);
    }
    EXPECT_THAT(matches(description(), "method (\\w+)\\("), ElementsAreArray(existing));
}

TEST(Interface, has_the_parameters_that_methods_take) {
    for (const Method& method : methods()) {
        const auto described =
            members_of(matches(description(), "method " + std::string(method.name) + "\\(([^)]*)\\)").at(0));
        std::map<std::string, std::string> taken;
        if (method.identity != Presence::absent) {
            taken["identity"] = method.identity == Presence::required ? "string" : "?string";
        }
        if (method.takes_rekey) {
            taken["rekey"] = "?bool";
        }
        if (method.takes_limit) {
            taken["limit"] = "?int";
        }
        if (method.names_ca) {
            taken["ca"] = "string";
        }
        if (method.takes_fingerprint) {
            taken["fingerprint"] = "?string";
        }
        if (method.takes_serial) {
            taken["serial"] = "string";
        }
        if (method.takes_certificate) {
            taken["certificate"] = "string";
        }
        EXPECT_EQ(described, taken) << method.name;
    }
}

TEST(Interface, has_the_members_that_are_sent) {
    const json view = to_json(full_view("web"));
    EXPECT_EQ(names(type("Identity")), names(view));
    EXPECT_EQ(names(type("Certificate")), names(view["certificate"]));
    EXPECT_EQ(names(type("Failure")), names(view["last_error"]));
    EXPECT_EQ(names(type("Crl")), names(view["crl"]));
    const json overview = to_json(overview_of({full_view("web")}));
    EXPECT_EQ(names(type("Row")), names(overview["rows"][0]));
    const json health = to_json(full_health());
    EXPECT_EQ(names(type("Authority")), names(health["authorities"][0]));
    EXPECT_EQ(names(type("Token")), names(health["tokens"][0]));
    EXPECT_EQ(names(type("KeyTest")), names(to_json(full_key_test("web"))));
    EXPECT_EQ(names(type("Event")), names(to_json(sample_event("web", "x", true, ErrorCode::internal))));
    const json metric = to_json(observe::MetricFamily{"hwenroll_up", "gauge", "x", {{{{"identity", "web"}}, 1}}});
    EXPECT_EQ(names(type("Metric")), names(metric));
    EXPECT_EQ(names(type("Sample")), names(metric["samples"][0]));
    EXPECT_EQ(names(type("HistoryEntry")), names(to_json(HistoryEvent{"identity", "web", sample_time(), "x"})));
}

TEST(Interface, says_of_members_that_may_be_missing_that_they_may) {
    const IdentityView bare;
    const json row = to_json(overview_of({bare}))["rows"][0];
    for (const auto& [type_name, object] :
         {std::pair("Identity", to_json(bare)), std::pair("Row", row), std::pair("Authority", to_json(AuthorityView())),
          std::pair("Token", to_json(TokenView())), std::pair("KeyTest", to_json(KeyTestView()))}) {
        const std::set<std::string> sent = names(object);
        for (const auto& [name, spelled] : type(type_name)) {
            EXPECT_EQ(spelled.starts_with('?'), !sent.contains(name)) << name;
        }
    }
}

class InterfaceOfServer : public ServerFixture {
 protected:
    json ask_service(RawClient& client, const std::string& method, const std::string& parameters = "{}") {
        client.send("{\"method\":\"org.varlink.service." + method + "\",\"parameters\":" + parameters + "}" + '\0');
        return answer(client);
    }
};

TEST_F(InterfaceOfServer, every_method_of_the_description_is_answered) {
    for (const std::string& name : matches(description(), "method (\\w+)\\(")) {
        RawClient client(path());
        json parameters = json::object();
        if (find_method(name)->identity == Presence::required) {
            parameters["identity"] = "web";
        }
        if (find_method(name)->names_ca) {
            parameters["ca"] = "corp";
        }
        if (find_method(name)->takes_serial) {
            parameters["serial"] = "1F";
        }
        if (find_method(name)->takes_certificate) {
            parameters["certificate"] = "PEM";
        }
        const json reply = ask(client, name, parameters, find_method(name)->kind == MethodKind::stream);
        EXPECT_FALSE(reply.contains("error")) << name << reply.dump();
        const auto described =
            members_of(matches(description(), "method " + name + "\\([^)]*\\) -> \\(([^)]*)\\)").at(0));
        EXPECT_EQ(names(described), names(reply["parameters"])) << name;
    }
}

TEST_F(InterfaceOfServer, tells_who_it_is) {
    RawClient client(path());
    const json info = ask_service(client, "GetInfo")["parameters"];
    EXPECT_EQ(info["product"], "hwenrolld");
    EXPECT_EQ(info["version"], "1.2.3");
    EXPECT_EQ(info["interfaces"], json::array({"org.varlink.service", "io.hwenroll.Agent"}));
    EXPECT_TRUE(info["vendor"].is_string());
    EXPECT_TRUE(info["url"].is_string());
}

TEST_F(InterfaceOfServer, gives_the_description_of_each_of_its_interfaces) {
    RawClient client(path());
    const json ours = ask_service(client, "GetInterfaceDescription", R"({"interface":"io.hwenroll.Agent"})");
    EXPECT_EQ(ours["parameters"]["description"], interface_description());
    const json service = ask_service(client, "GetInterfaceDescription", R"({"interface":"org.varlink.service"})");
    EXPECT_THAT(service["parameters"]["description"].get<std::string>(), testing::HasSubstr("method GetInfo()"));
    const json none = ask_service(client, "GetInterfaceDescription", R"({"interface":"io.example"})");
    EXPECT_EQ(none["error"], "org.varlink.service.InterfaceNotFound");
    EXPECT_EQ(none["parameters"]["interface"], "io.example");
    EXPECT_EQ(ask_service(client, "GetInterfaceDescription")["error"], "org.varlink.service.InvalidParameter");
}

}  // namespace
}  // namespace hwenroll::test
