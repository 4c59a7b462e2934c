// The table of mutators: reachable by rule, and each of them changes what a client gets.
#include "tests/lab_ca/mutator.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "tests/lab_ca/test_lab_ca.h"

namespace hwenroll::lab_ca {
namespace {

using testing::MatchesRegex;
using testing::StartsWith;
using namespace test;

TEST(Mutator, SRV_13_ids_are_unique_and_readable_in_a_rule) {
    std::set<std::string_view> ids;
    for (const Mutator* one : mutators()) {
        EXPECT_TRUE(ids.insert(one->id).second) << one->id;
        EXPECT_THAT(std::string(one->id), MatchesRegex("BAD-[0-9]+([a-z]|-set)?"));
        const std::string text = "PKCSReq:1:mutate-" + std::string(one->id);
        const auto rule = FaultRule::from_text(text);
        ASSERT_TRUE(rule) << text;
        EXPECT_EQ(rule->mutator, one);
        EXPECT_EQ(to_text(*rule), text);
    }
    for (const char* text : {"PKCSReq:1:mutate", "PKCSReq:1:mutate-", "PKCSReq:1:mutate-BAD-0", "PKCSReq:1:BAD-45"}) {
        EXPECT_FALSE(FaultRule::from_text(text)) << text;
    }
}

/// The reply to one operation, honest and through each mutator. `next_` has the key of a renewal.
class EachMutator : public LabCaTest {
 protected:
    void start_with(const std::vector<std::string>& rules) {
        LabCaOptions faulty = options();
        faulty.rollover.lifetime = Seconds(100 * 86400L);
        faulty.rollover.auto_rollover = Seconds(99 * 86400L);
        for (const std::string& rule : rules) {
            faulty.faults.push_back(FaultRule::from_text(rule).value());
        }
        start(std::move(faulty));
    }

    void SetUp() override {
        start_with({});
        clock_.advance(Seconds(2 * 86400L));
    }

    HttpReply answer(const std::string& operation) {
        return operation == "PKCSReq" ? ca_->answer(post_request(message_))
                                      : ca_->answer(get_request("operation=" + operation));
    }

    static std::string operation_of(std::string_view id) {
        const int number = std::stoi(std::string(id.substr(4)));
        if (id.ends_with("-set")) {
            return "GetCACert";
        }
        if (number >= 125 && number != 133) {
            return "GetNextCACert";
        }
        if (number >= 19 && number <= 40) {
            return number <= 24 ? "GetCACaps" : "GetCACert";
        }
        return "PKCSReq";
    }

    Bytes message_;
};

TEST_F(EachMutator, SRV_13_changes_the_answer) {
    message_ = request({});
    std::map<std::string, HttpReply> honest;
    for (const char* operation : {"PKCSReq", "GetCACaps", "GetCACert", "GetNextCACert"}) {
        honest[operation] = answer(operation);
        ASSERT_EQ(honest[operation].status, 200) << operation;
    }
    std::map<std::string, int> asked;
    std::vector<std::string> rules;
    for (const Mutator* one : mutators()) {
        const std::string operation = operation_of(one->id);
        rules.push_back(operation + ":" + std::to_string(++asked[operation]) + ":mutate-" + std::string(one->id));
    }
    start_with(rules);
    for (const Mutator* one : mutators()) {
        const std::string operation = operation_of(one->id);
        const HttpReply reply = answer(operation);
        const HttpReply& before = honest[operation];
        const bool changed =
            reply.status != before.status || reply.body != before.body || reply.content_type != before.content_type ||
            reply.headers.size() != before.headers.size() || reply.delivery.end != before.delivery.end ||
            !reply.delivery.wire.empty() || reply.delivery.pause != before.delivery.pause;
        EXPECT_TRUE(changed) << one->id;
        EXPECT_THAT(as_text(reply.body), testing::Not(StartsWith("a mutator cannot"))) << one->id;
    }
}

TEST_F(EachMutator, SRV_13_leaves_alone_what_it_has_no_part_in) {
    start_with({"PKCSReq:*:mutate-BAD-93"});
    RequestRecipe wrong;
    wrong.challenge = "not-the-right-one";
    const HttpReply refused = ca_->answer(post_request(request(wrong)));
    EXPECT_EQ(opened(refused).status(), "2/2") << "a FAILURE has no envelope to spoil";
}

}  // namespace
}  // namespace hwenroll::lab_ca
