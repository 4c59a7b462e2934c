// The short way between an overview and its text says what the long way says, and leaves to it what it does not know.
#include "agent/control/overview_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "agent/control/identity_view.h"
#include "agent/control/message.h"
#include "agent/control/view_codec.h"
#include "tests/agent/control/control_service_fake.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using namespace control;

/// Rows with and without what may be missing, and text that JSON has to escape.
Overview sample() {
    IdentityView bare;
    bare.name = "bare";
    bare.enabled = false;
    bare.at = sample_time();
    IdentityView odd = full_view("odd");
    odd.word = "a \"quoted\" \\ word";
    odd.next = "line\nends\t\x1b\x7f";
    odd.failure->line = "Zürich 東京 \xff";
    odd.notice = "\"next\"";
    return overview_of({bare, full_view("web"), odd});
}

json reply() {
    return {{"parameters", json::parse(text_of(sample()))}, {"continues", true}};
}

TEST(OverviewText, is_that_of_the_json_value) {
    for (const Overview& overview : {sample(), Overview{sample_time(), {}, {}}}) {
        EXPECT_EQ(text_of(overview), text_of(to_json(overview)));
    }
}

TEST(OverviewText, survives) {
    Overview overview = sample();
    overview.rows.back().failure = "Zürich 東京 \xEF\xBF\xBD";  // U+FFFD, in place of what is no UTF-8
    for (const bool continues : {false, true}) {
        std::string frame = encode_reply(text_of(overview), continues);
        frame.pop_back();
        const auto read = read_overview_reply(frame);
        ASSERT_TRUE(read);
        EXPECT_EQ(read->continues, continues);
        EXPECT_TRUE(read->overview == overview);
        EXPECT_TRUE(overview_of(parse_reply(frame)->parameters) == read->overview);
    }
}

TEST(OverviewText, is_left_to_others_when_a_member_is_missing_or_of_another_type) {
    const json good = reply();
    ASSERT_TRUE(read_overview_reply(good.dump()));
    for (const char* const place : {"", "/parameters", "/parameters/rows/0"}) {
        for (const auto& [name, unused] : good.at(json::json_pointer(place)).items()) {
            json bad = good;
            json& object = bad.at(json::json_pointer(place));
            for (const json& other : {json(1), json(-1), json(1.5), json(nullptr), json::array({1}), json::object()}) {
                object[name] = other;
                EXPECT_FALSE(read_overview_reply(bad.dump())) << bad.dump();
            }
            object.erase(name);
            EXPECT_EQ(read_overview_reply(bad.dump()).has_value(), name == "continues") << bad.dump();
        }
    }
}

TEST(OverviewText, is_left_to_others_when_it_is_something_else) {
    json later = reply();
    later["parameters"]["rows"][0]["later"] = "x";
    json time = reply();
    time["parameters"]["at"] = "today";
    for (const std::string& frame : {std::string(), std::string("{}"), std::string("[]"), std::string("1"),
                                     std::string(R"({"error":"x","parameters":{}})"), later.dump(), time.dump(),
                                     reply().dump() + "x", reply().dump().substr(1), std::string(100'000, '[')}) {
        EXPECT_FALSE(read_overview_reply(frame)) << frame.substr(0, 100);
    }
}

}  // namespace
}  // namespace hwenroll::test
