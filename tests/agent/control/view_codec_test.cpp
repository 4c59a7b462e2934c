// The interface's values survive the wire, and nothing malformed is taken for one.
#include "agent/control/view_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "agent/control/identity_view.h"
#include "agent/control/key_test_codec.h"
#include "tests/agent/control/control_service_fake.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using namespace control;

TEST(ViewCodec, views_survive) {
    IdentityView bare;
    bare.name = "bare";
    bare.enabled = false;
    bare.at = sample_time();
    for (const IdentityView& view : {full_view("web"), bare}) {
        const auto read = identity_view_of(to_json(view));
        ASSERT_TRUE(read) << read.error().line();
        EXPECT_TRUE(*read == view) << to_json(*read).dump();
    }
}

TEST(ViewCodec, metrics_survive_and_labels_that_are_no_text_are_refused) {
    const observe::MetricFamily family{
        "hwenroll_state", "gauge", "x", {{{{"identity", "web"}, {"state", "OK"}}, 1}, {{}, -2}}};
    const json good = to_json(family);
    const auto read = metric_family_of(good);
    ASSERT_TRUE(read) << read.error().line();
    EXPECT_EQ(*read, family);
    json bad = good;
    bad["samples"][0]["labels"]["state"] = 1;
    EXPECT_THAT(metric_family_of(bad).error().line(), HasSubstr("'samples'"));
    bad = good;
    bad["samples"][0].erase("labels");
    EXPECT_FALSE(metric_family_of(bad));
    bad["samples"] = 1;
    EXPECT_FALSE(metric_family_of(bad));
}

TEST(ViewCodec, overviews_survive) {
    IdentityView bare;
    bare.name = "bare";
    bare.enabled = false;
    bare.at = sample_time();
    const Overview overview = overview_of({bare, full_view("web")});
    const auto read = overview_of(to_json(overview));
    ASSERT_TRUE(read) << read.error().line();
    EXPECT_TRUE(*read == overview) << to_json(*read).dump();
}

TEST(ViewCodec, every_member_of_an_overview_of_another_type_is_named) {
    const json good = to_json(overview_of({full_view("web")}));
    for (const auto& [name, value] : good.items()) {
        json bad = good;
        bad[name] = json::array({1});
        EXPECT_THAT(overview_of(bad).error().line(), HasSubstr("'" + name + "'"));
        bad[name] = 1;
        EXPECT_FALSE(overview_of(bad)) << name;
        bad.erase(name);
        EXPECT_FALSE(overview_of(bad)) << name;
    }
    for (const auto& [name, value] : good["rows"][0].items()) {
        json bad = good;
        bad["rows"][0][name] = json::array({1});
        EXPECT_FALSE(overview_of(bad)) << name;
    }
    EXPECT_FALSE(overview_of(json::array()));
}

TEST(ViewCodec, events_and_outcomes_survive) {
    for (const IdentityEvent& event :
         {sample_event("web", "sent"), sample_event("web", "done", true, ErrorCode::ca_rejected)}) {
        EXPECT_TRUE(identity_event_of(to_json(event)).value() == event);
    }
    const Acceptance acceptance{true, "renews"};
    EXPECT_TRUE(acceptance_of(to_json(acceptance)).value() == acceptance);
    const ResumptionView resumption{"lab", true, false, true, true};
    EXPECT_TRUE(resumption_of(to_json(resumption)).value() == resumption);
    json of_before = to_json(resumption);
    of_before.erase("delivery_retried");
    EXPECT_FALSE(resumption_of(of_before).value().delivery_retried) << "an agent of the version before tells nothing";
    EXPECT_TRUE(health_of(to_json(full_health())).value() == full_health());
    EXPECT_TRUE(health_of(to_json(Health())).value() == Health());
    const HistoryEvent entry{"token", "lab", sample_time(), "logged in"};
    EXPECT_TRUE(history_event_of(to_json(entry)).value() == entry);
}

TEST(ViewCodec, a_test_of_a_key_comes_back_as_it_was_or_its_wrong_member_is_named) {
    EXPECT_TRUE(key_test_of(to_json(full_key_test("web"))).value() == full_key_test("web"));
    const KeyTestView bare{"web", "tested", {}, {}, {}, {}, {}};
    EXPECT_TRUE(key_test_of(to_json(bare)).value() == bare);
    const json good = to_json(full_key_test("web"));
    for (const auto& [name, value] : good.items()) {
        json bad = good;
        bad[name] = json::array({1});
        const auto read = key_test_of(bad);
        ASSERT_FALSE(read) << name;
        EXPECT_THAT(read.error().line(), HasSubstr("'" + name + "'"));
    }
    json later = good;
    later["error"] = "E-NEW-KIND";
    EXPECT_FALSE(key_test_of(later));
    EXPECT_FALSE(key_test_of(json::array()));
    EXPECT_FALSE(key_test_of(json::object()));
}

TEST(ViewCodec, what_is_not_set_is_not_sent) {
    const json sent = to_json(IdentityView{});
    EXPECT_FALSE(sent.contains("certificate"));
    EXPECT_FALSE(sent.contains("next_at"));
    EXPECT_FALSE(sent.contains("ca"));
}

TEST(ViewCodec, members_of_a_later_version_are_ignored) {
    json sent = to_json(full_view("web"));
    sent["later"] = {1, 2};
    EXPECT_TRUE(identity_view_of(sent));
}

TEST(ViewCodec, every_member_of_another_type_is_named) {
    const json good = to_json(full_view("web"));
    for (const auto& [name, value] : good.items()) {
        json bad = good;
        bad[name] = json::array({1});
        const auto read = identity_view_of(bad);
        ASSERT_FALSE(read) << name;
        EXPECT_EQ(read.error().code(), ErrorCode::control_protocol);
        EXPECT_THAT(read.error().line(), HasSubstr("'" + name + "'"));
    }
    EXPECT_FALSE(identity_view_of(json::array()));
    EXPECT_FALSE(identity_view_of(json(1)));
}

TEST(ViewCodec, O1_a_delivery_survives_with_and_without_a_failure_and_may_be_missing) {
    IdentityView view = full_view("web");
    view.delivery = DeliveryView{7, 0, {}, {}, {}, sample_time(), {}};
    const json sent = to_json(view);
    EXPECT_EQ(sent["delivery"], (json{{"generation", 7}, {"attempts", 0}, {"next_try", to_iso8601(sample_time())}}));
    EXPECT_TRUE(identity_view_of(sent).value() == view);
    json of_before = sent;
    of_before.erase("delivery");
    EXPECT_FALSE(identity_view_of(of_before).value().delivery);
    const json failed = to_json(full_view("web"))["delivery"];
    EXPECT_EQ(failed["error"], "E-HOOK-FAILED");
    EXPECT_EQ(failed["text"], "E-HOOK-FAILED no");
    EXPECT_EQ(failed["confirmed_not_after"], to_iso8601(sample_time() + Seconds(8)));
    for (const char* member : {"generation", "attempts", "next_try"}) {
        json bad = to_json(full_view("web"));
        bad["delivery"].erase(member);
        EXPECT_THAT(identity_view_of(bad).error().line(), HasSubstr("'delivery'")) << member;
    }
}

TEST(ViewCodec, times_have_one_spelling) {
    json sent = to_json(full_view("web"));
    for (const char* bad : {"", "2026-11-23", "2026-11-23T18:00:00", "2026-11-23T18:00:00+1", "2026-13-23T18:00:00Z",
                            "2026-02-30T18:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T18:60:00Z",
                            "2026-1a-23T18:00:00Z", " 2026-11-23T18:00:0Z"}) {
        sent["at"] = bad;
        EXPECT_FALSE(identity_view_of(sent)) << bad;
    }
    sent["at"] = "2026-02-28T23:59:59Z";
    EXPECT_EQ(to_iso8601(identity_view_of(sent)->at), "2026-02-28T23:59:59Z");
}

TEST(ViewCodec, an_error_code_that_is_unknown_here_is_refused) {
    json sent = to_json(sample_event("web", "x", true, ErrorCode::ca_rejected));
    sent["error"] = "E-NEW-KIND";
    EXPECT_FALSE(identity_event_of(sent));
}

}  // namespace
}  // namespace hwenroll::test
