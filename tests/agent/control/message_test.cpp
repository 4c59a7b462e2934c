// Calls and replies: what is understood, and what is refused without harm.
#include "agent/control/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hwenroll::control {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string without_nul(std::string frame) {
    EXPECT_EQ(frame.back(), '\0');
    frame.pop_back();
    return frame;
}

TEST(Message, a_call_survives_its_encoding) {
    const Call call{"io.hwenroll.Agent.Wait", {{"identity", "web"}}, true, false};
    const auto read = parse_call(without_nul(encode(call)));
    ASSERT_TRUE(read) << read.error().line();
    EXPECT_EQ(read->method, call.method);
    EXPECT_EQ(read->parameters, call.parameters);
    EXPECT_TRUE(read->more);
    EXPECT_FALSE(read->oneway);
}

TEST(Message, a_reply_survives_its_encoding) {
    const auto read = parse_reply(without_nul(encode(Reply{"", {{"event", 1}}, true})));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->parameters, (json{{"event", 1}}));
    EXPECT_TRUE(read->continues);
    EXPECT_TRUE(read->error.empty());
}

TEST(Message, parameters_may_be_left_out) {
    const auto call = parse_call(R"({"method":"a.B","unknown":1,"parameters":null})");
    ASSERT_TRUE(call);
    EXPECT_EQ(call->parameters, json::object());
}

TEST(Message, what_is_no_call_is_refused_with_the_reason) {
    const std::vector<std::pair<std::string, std::string>> bad{
        {"", "no JSON"},
        {"{", "no JSON"},
        {"GET / HTTP/1.1\r\n\r\n", "no JSON"},
        {"\xff\xfe{}", "no JSON"},
        {"{\"method\":\"\xff\"}", "no JSON"},
        {"[]", "no JSON object"},
        {"1", "no JSON object"},
        {"{}", "'method'"},
        {R"({"method":1})", "'method'"},
        {R"({"method":"a.B","parameters":[]})", "'parameters'"},
        {R"({"method":"a.B","more":"yes"})", "'more'"},
        {R"({"method":"a.B","oneway":1})", "'oneway'"},
        {R"({"method":"a.B","upgrade":true})", "upgrades"},
    };
    for (const auto& [frame, reason] : bad) {
        const auto call = parse_call(frame);
        ASSERT_FALSE(call) << frame;
        EXPECT_EQ(call.error().code(), ErrorCode::control_protocol);
        EXPECT_THAT(call.error().line(), HasSubstr(reason)) << frame;
    }
}

TEST(Message, is_refused_when_its_JSON_is_nested_too_deeply) {
    const auto nested = [](std::size_t levels) {
        return R"({"method":"a.B","parameters":{"x":)" + std::string(levels - 2, '[') + std::string(levels - 2, ']') +
               "}}";
    };
    EXPECT_TRUE(parse_call(nested(max_nesting)));
    const auto call = parse_call(nested(max_nesting + 1));
    ASSERT_FALSE(call);
    EXPECT_THAT(call.error().line(), HasSubstr("nested deeper"));
    EXPECT_FALSE(parse_call(nested(60'000)));
    EXPECT_FALSE(parse_call(std::string(60'000, '[')));
}

TEST(Message, brackets_in_texts_are_no_nesting) {
    const std::string text(100, '[');
    EXPECT_TRUE(parse_call(R"({"method":"a.B","parameters":{"x":"\"\\)" + text + R"("}})"));
}

TEST(Message, text_that_is_no_UTF_8_is_sent_as_something_that_is) {
    const auto reply = parse_reply(without_nul(encode(Reply{"", {{"text", "a\xff"}}})));
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->parameters["text"], "a\xef\xbf\xbd");
}

TEST(Message, an_error_of_the_agent_arrives_with_all_its_parts) {
    const Error sent =
        Error(ErrorCode::token_pin, "token 'lab' refused the PIN", "CKR_PIN_INCORRECT", "wait").about("web");
    const Error read = error_of(failure_reply(sent));
    EXPECT_EQ(read.code(), ErrorCode::token_pin);
    EXPECT_EQ(read.line(), sent.line());
}

TEST(Message, other_errors_have_codes_of_their_own) {
    const auto read = [](const std::string& name, json parameters) {
        return error_of(Reply{name, std::move(parameters)});
    };
    const Error denied = read("io.hwenroll.Agent.PermissionDenied", {{"group", "staff"}});
    EXPECT_EQ(denied.code(), ErrorCode::control_denied);
    EXPECT_THAT(denied.line(), HasSubstr("'staff'"));
    EXPECT_THAT(read("io.hwenroll.Agent.PermissionDenied", {{"group", ""}}).line(), HasSubstr("run it as root"));
    EXPECT_EQ(read("io.hwenroll.Agent.TooManyClients", json::object()).code(), ErrorCode::control_busy);
    const Error unknown = read("org.varlink.service.MethodNotFound", {{"method", "io.hwenroll.Agent.New"}});
    EXPECT_EQ(unknown.code(), ErrorCode::control_protocol);
    EXPECT_THAT(unknown.line(), HasSubstr("MethodNotFound: io.hwenroll.Agent.New"));
    const Error newer = read("io.hwenroll.Agent.Failed", {{"code", "E-NEW-KIND"}, {"what", "it failed"}});
    EXPECT_EQ(newer.code(), ErrorCode::control_protocol);
    EXPECT_THAT(newer.line(), HasSubstr("E-NEW-KIND"));
    EXPECT_EQ(read("io.hwenroll.Agent.Failed", {{"code", 1}}).code(), ErrorCode::control_protocol);
}

}  // namespace
}  // namespace hwenroll::control
