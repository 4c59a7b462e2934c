// `signer`: a manufacturer's certificate signs the first request in place of a challenge (SIG-4), with a key that may
// be on another token than the identity's own and that is never destroyed.
#include "tests/e2e/manufacturer.h"

#include <csignal>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/daemon_world.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* renewal_req = "17";
constexpr const char* cert_poll = "20";
constexpr std::int64_t day_seconds = 86400;

/// The `signer` of a key with this certificate, as the configuration has it.
std::string signer_line(const DeviceKey& key, const std::filesystem::path& certificate,
                        const std::filesystem::path& chain = {}) {
    return fmt::format("signer = {{ token = \"{}\", key = \"existing:pkcs11:id=%{}\", cert = \"{}\"{} }}\n", key.token,
                       key.id, certificate.string(),
                       chain.empty() ? "" : fmt::format(", chain = \"{}\"", chain.string()));
}

/// A world whose device was born with a key on the token `maker`, or on `lab`.
class ManufacturerCertificate : public testing::Test {
 protected:
    void start(const DeviceKey& key, std::vector<std::string> options = {"--renewal", "both"}) {
        options.insert(options.end(), {"--manufacturer-ca", maker_.root().string()});
        world_.start_lab_ca(options);
        make(key);
    }

    void make(const DeviceKey& key) {
        if (key.token != "lab") {
            world_.hsm().init_token(key.token, "87654321", key.pin);
        }
        Manufacturer::make_key(key);
    }

    /// No challenge can be read: what asks for one fails.
    void configure(const DeviceKey& key, const std::filesystem::path& certificate,
                   const std::filesystem::path& chain = {}, std::string pin = {}) {
        if (pin.empty()) {
            pin = "file:" + (world_.directory() / "maker.pin").string();
            write_file(world_.directory() / "maker.pin", key.pin, 0600);
        }
        const std::string maker_token = fmt::format(
            "\n[token.maker]\ntype = \"pkcs11\"\nmodule = \"{}\"\nuri = \"pkcs11:token=maker\"\n"
            "pin = \"{}\"\n",
            SoftHsm::module(), pin);
        world_.configure({.token_extra = key.token == "maker" ? maker_token : "",
                          .challenge = "file:/nowhere",
                          .identity_extra = "san = [\"dns:web01.example.com\"]\npoll = { start = \"1s\", max = \"1s\" "
                                            "}\n" +
                                            signer_line(key, certificate, chain)});
    }

    [[nodiscard]] std::vector<json> messages() const {
        std::vector<json> out;
        for (const std::string& line : world_.requests()) {
            json record = json::parse(line);
            // A request that is sent again after its answer was lost looks like a repetition.
            EXPECT_TRUE(record["findings"].empty() || repeats_) << line;
            if (record["operation"] == "PKIOperation") {
                out.push_back(std::move(record));
            }
        }
        return out;
    }

    [[nodiscard]] std::vector<std::string> types() const {
        std::vector<std::string> out;
        for (const json& message : messages()) {
            out.push_back(message["messageType"].get<std::string>());
        }
        return out;
    }

    void expect_one_transaction() const {
        for (const json& message : messages()) {
            EXPECT_EQ(message["transactionID"], messages().front()["transactionID"]);
        }
    }

    void expect_refusal(int exit_code, const std::string& line) const {
        const RunResult result = world_.once();
        EXPECT_EQ(result.exit_code, exit_code) << result.err;
        EXPECT_THAT(result.err, HasSubstr(line));
        EXPECT_FALSE(std::filesystem::exists(world_.live()));
    }

    EnrollmentWorld world_;
    Manufacturer maker_;
    bool repeats_ = false;
    DeviceKey elsewhere_{};
    DeviceKey beside_{"lab", canary_pin};
};

TEST_F(ManufacturerCertificate, SIG_4_signs_the_first_request_by_a_key_on_another_token) {
    start(elsewhere_);
    const std::string before = Manufacturer::public_key(elsewhere_);
    configure(elsewhere_, maker_.certify(elsewhere_));
    const RunResult result = world_.once();
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(types(), ElementsAre(renewal_req));
    world_.expect_published();
    EXPECT_EQ(Manufacturer::private_keys("maker", elsewhere_.pin), 1) << "nothing was made beside it";
    EXPECT_EQ(Manufacturer::public_key(elsewhere_), before);
    EXPECT_EQ(world_.once().exit_code, 0) << "nothing is left to do";
    world_.expect_no_canary({result.out, result.err});
}

TEST_F(ManufacturerCertificate, SIG_4_signs_the_first_request_by_a_key_beside_the_identity_s_own) {
    start(beside_);
    configure(beside_, maker_.certify(beside_));
    const RunResult result = world_.once();
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(types(), ElementsAre(renewal_req));
    EXPECT_EQ(world_.objects("Private Key Object"), 2);
    EXPECT_THAT(Manufacturer::public_key(beside_), Not(IsEmpty()));
    EXPECT_THAT(read_file(world_.live() / "key.uri"), Not(HasSubstr("id=%0A?")));
}

TEST_F(ManufacturerCertificate, REN_6_SIG_4_signs_a_PKCSReq_where_no_renewal_is_announced) {
    start(elsewhere_, {"--renewal", "19"});
    configure(elsewhere_, maker_.certify(elsewhere_));
    const RunResult result = world_.once();
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(types(), ElementsAre("19"));
}

TEST_F(ManufacturerCertificate, REN_6_SIG_4_whose_RenewalReq_is_refused_signs_one_PKCSReq) {
    start(elsewhere_, {"--renewal", "19", "--caps", "AES,SHA-256,POSTPKIOperation,Renewal,SCEPStandard"});
    configure(elsewhere_, maker_.certify(elsewhere_));
    const RunResult result = world_.once();
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(types(), ElementsAre(renewal_req, "19"));
}

TEST_F(ManufacturerCertificate, SIG_4_goes_with_a_challenge_where_renewals_do) {
    start(elsewhere_);
    configure(elsewhere_, maker_.certify(elsewhere_));
    std::string text = read_file(world_.config());
    text.insert(text.find("[ca.corp]\n") + 10, "renewal_challenge = \"send\"\n");
    write_file(world_.config(), text, 0600);
    expect_refusal(78, "E-CHALLENGE-SOURCE web: ");
}

TEST_F(ManufacturerCertificate, SIG_5_goes_with_its_chain) {
    start(elsewhere_);
    const auto intermediate = maker_.make_intermediate();
    const auto certificate = maker_.certify(elsewhere_);
    configure(elsewhere_, certificate);
    expect_refusal(76, "E-CA-REJECTED web: ");
    configure(elsewhere_, certificate, intermediate);
    const RunResult result = world_.once();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    world_.expect_published();
}

TEST_F(ManufacturerCertificate, SIG_4_of_an_unknown_manufacturer_is_refused_and_its_key_left_alone) {
    start(elsewhere_);
    Manufacturer stranger("Stranger");
    configure(elsewhere_, stranger.certify(elsewhere_));
    expect_refusal(76, "E-CA-REJECTED web: ");
    EXPECT_THAT(world_.hwenroll({"status", "web"}).out, HasSubstr("HELD(rejected)"));
    EXPECT_THAT(Manufacturer::public_key(elsewhere_), Not(IsEmpty()));
    configure(elsewhere_, maker_.certify(elsewhere_));
    const RunResult corrected = world_.once();
    EXPECT_EQ(corrected.exit_code, 0) << "SM-15, another certificate is another try: " << corrected.err;
    world_.expect_published();
}

TEST_F(ManufacturerCertificate, SM_17_T4_whose_token_is_absent_is_waited_for_by_name) {
    world_.start_lab_ca({"--renewal", "both", "--manufacturer-ca", maker_.root().string()});
    configure(elsewhere_, world_.directory() / "idevid.pem");
    expect_refusal(69, "E-TOKEN-ABSENT web: no token matches 'pkcs11:token=maker' (token 'maker')");
    const json status = json::parse(world_.hwenroll({"status", "--json"}).out)["identities"][0];
    EXPECT_EQ(status["waiting_for"], "token");
    EXPECT_THAT(status["last_error"]["text"].get<std::string>(), HasSubstr("token 'maker'"));
    EXPECT_THAT(messages(), IsEmpty());
    make(elsewhere_);
    std::filesystem::copy_file(maker_.certify(elsewhere_), world_.directory() / "idevid.pem");
    const RunResult found = world_.once();
    EXPECT_EQ(found.exit_code, 0) << found.err;
    world_.expect_published();
}

TEST_F(ManufacturerCertificate, SM_17_whose_token_is_absent_when_its_answer_is_to_be_opened_is_waited_for) {
    start(elsewhere_);
    configure(elsewhere_, maker_.certify(elsewhere_));
    const RunResult killed = world_.once({{"HWENROLL_FAILPOINT=request-committed"}, {}, {}});
    ASSERT_EQ(killed.signal, SIGKILL) << killed.err;
    const std::string good = read_file(world_.config());
    const std::string uri = "pkcs11:token=maker";
    // The module is asked for the token anew by each run; one that shows no tokens stands for a token that is out.
    std::filesystem::rename(world_.hsm().token_directory(), world_.directory() / "drawer");
    std::filesystem::create_directory(world_.hsm().token_directory());
    const RunResult absent = world_.once();
    EXPECT_EQ(absent.exit_code, 69) << absent.err;
    EXPECT_THAT(absent.err, HasSubstr("E-TOKEN-ABSENT"));
    std::filesystem::remove(world_.hsm().token_directory());
    std::filesystem::rename(world_.directory() / "drawer", world_.hsm().token_directory());
    const RunResult back = world_.once();
    EXPECT_EQ(back.exit_code, 0) << back.err;
    expect_one_transaction();
    world_.expect_published();
}

TEST_F(ManufacturerCertificate, T9_SM_15_whose_pin_was_refused_is_tried_again_once_an_operator_says_so) {
    start(elsewhere_);
    const std::string program = (world_.directory() / "maker-pin").string();
    write_file(program, "#!/bin/sh\necho 9999\n", 0700);
    configure(elsewhere_, maker_.certify(elsewhere_), {}, "exec:" + program);
    expect_refusal(77, "E-TOKEN-PIN web: token 'maker'");
    write_file(program, "#!/bin/sh\necho 2222\n", 0700);
    expect_refusal(77, "token 'maker'");
    const RunResult resumed = world_.hwenroll({"resume", "web"});
    EXPECT_THAT(resumed.out, HasSubstr("the PIN of token 'maker' may be tried once more"));
    const RunResult last = world_.once();
    EXPECT_EQ(last.exit_code, 0) << last.err;
    world_.expect_published();
}

class KilledManufacturerRequest : public ManufacturerCertificate, public testing::WithParamInterface<const char*> {};

TEST_P(KilledManufacturerRequest, invariant_9_RT_5_goes_on_with_the_same_signer_and_transaction) {
    start(elsewhere_);
    repeats_ = true;
    configure(elsewhere_, maker_.certify(elsewhere_));
    const RunResult killed = world_.once({{std::string("HWENROLL_FAILPOINT=") + GetParam()}, {}, {}});
    ASSERT_EQ(killed.signal, SIGKILL) << killed.err;
    const RunResult again = world_.once();
    EXPECT_EQ(again.exit_code, 0) << again.err;
    expect_one_transaction();
    world_.expect_published();
    EXPECT_EQ(Manufacturer::private_keys("maker", elsewhere_.pin), 1);
}

INSTANTIATE_TEST_SUITE_P(AtEachPoint, KilledManufacturerRequest,
                         testing::Values("key-committed", "request-committed", "reply-received", "issue-committed"),
                         [](const testing::TestParamInfo<const char*>& point) {
                             std::string name = point.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

TEST_F(ManufacturerCertificate, SM_9_RT_5_polls_over_restarts_although_its_file_is_gone) {
    start(elsewhere_, {"--renewal", "both", "--pending", "2"});
    const auto certificate = maker_.certify(elsewhere_);
    configure(elsewhere_, certificate);
    EXPECT_EQ(world_.once().exit_code, 75);
    std::filesystem::remove(certificate);
    RunResult last = world_.once();
    for (int i = 0; i < 1000 && last.exit_code == 75; ++i) {
        last = world_.once();
    }
    EXPECT_EQ(last.exit_code, 0) << last.err;
    EXPECT_THAT(types(), ElementsAre(renewal_req, cert_poll, cert_poll));
    expect_one_transaction();
    world_.expect_published();
}

TEST_F(ManufacturerCertificate, that_is_configured_no_more_ends_a_pending_request_that_it_signed) {
    start(elsewhere_, {"--renewal", "both", "--pending", "1"});
    configure(elsewhere_, maker_.certify(elsewhere_));
    EXPECT_EQ(world_.once().exit_code, 75);
    world_.configure(
        {.identity_extra = "san = [\"dns:web01.example.com\"]\npoll = { start = \"1s\", max = \"1s\" }\n"});
    RunResult last = world_.once();
    for (int i = 0; i < 1000 && last.exit_code == 75; ++i) {
        last = world_.once();
    }
    EXPECT_EQ(last.exit_code, 0) << last.err;
    EXPECT_THAT(types(), ElementsAre(renewal_req, "19", cert_poll));
    EXPECT_THAT(Manufacturer::public_key(elsewhere_), Not(IsEmpty()));
}

TEST_F(ManufacturerCertificate, that_cannot_be_used_is_told_before_anything_is_sent) {
    start(elsewhere_);
    const DeviceKey other{"maker", "2222", "0b"};
    const DeviceKey curve{"maker", "2222", "0c", "EC:prime256v1"};
    Manufacturer::make_key(other);
    Manufacturer::make_key(curve);
    const auto good = maker_.certify(elsewhere_);
    configure(elsewhere_, world_.directory() / "nothing.pem");
    expect_refusal(78, "E-SIGNER-CERTIFICATE web: cannot sign with");
    configure(elsewhere_, maker_.certify(other));
    expect_refusal(78, "it is not for the key existing:pkcs11:id=%0a of token 'maker'");
    configure(elsewhere_, good, maker_.certify(other));
    expect_refusal(78, "it does not hold 'CN=Maker Root'");
    configure(curve, maker_.certify(curve));
    expect_refusal(78, "replies are encrypted to its key, which is EC P-256");
    configure(DeviceKey{"maker", "2222", "0d"}, good);
    expect_refusal(69, "E-TOKEN-KEY-MISSING web: ");
    EXPECT_THAT(messages(), IsEmpty());
    EXPECT_EQ(Manufacturer::private_keys("maker", elsewhere_.pin), 3);
}

/// The daemon's world, whose clock begins in 2030.
class ManufacturerDaemon : public testing::Test {
 protected:
    void configure(const std::filesystem::path& certificate, const std::string& more = {}) {
        world_.configure(
            {.challenge = "file:/nowhere",
             .identity_extra = "san = [\"dns:web01.example.com\"]\n" + more + signer_line(key_, certificate)});
    }

    Manufacturer maker_;
    DaemonWorld world_{{"--lifetime", std::to_string(120 * day_seconds), "--backdate", "0", "--renewal", "both",
                        "--manufacturer-ca", maker_.root().string()}};
    DeviceKey key_{"lab", canary_pin};
};

TEST_F(ManufacturerDaemon, SIG_4_REN_3_renewals_are_signed_by_the_identity_s_own_certificate) {
    Manufacturer::make_key(key_);
    const auto certificate = maker_.certify(key_);
    configure(certificate);
    world_.start_daemon();
    world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    EXPECT_EQ(world_.objects("Private Key Object"), 2);
    // Nothing asks for the manufacturer's certificate any more.
    std::filesystem::remove(certificate);
    world_.go_to_day(91);
    world_.eventually("the renewal", [&] { return world_.generation() == "gen-002" && world_.word() == "OK"; });
    world_.go_to_day(92.1);
    world_.eventually("the retirement", [&] { return world_.objects("Private Key Object") == 2; });
    EXPECT_THAT(Manufacturer::public_key(key_), Not(IsEmpty())) << "what went is the first key";
    EXPECT_EQ(world_.issued().size(), 2U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(ManufacturerDaemon, SIG_4_SM_14_signs_again_once_the_identity_s_certificate_has_expired) {
    Manufacturer::make_key(key_);
    configure(maker_.certify(key_));
    world_.start_daemon();
    world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    EXPECT_EQ(world_.stop_daemon(), 0);
    world_.go_to_day(130);
    world_.start_daemon();
    world_.eventually("the enrollment", [&] { return world_.word() == "OK" && world_.generation() == "gen-002"; });
    EXPECT_EQ(world_.issued().size(), 2U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(ManufacturerDaemon, that_has_expired_is_told_and_nothing_is_sent) {
    Manufacturer::make_key(key_);
    configure(maker_.certify(key_, 30));
    world_.start_daemon();
    world_.eventually("the refusal",
                      [&] { return world_.daemon().err().find("E-SIGNER-EXPIRED web: ") != std::string::npos; });
    EXPECT_THAT(world_.command({"status", "web"}).out, HasSubstr("expired at 20"));
    EXPECT_THAT(world_.issued(), IsEmpty());
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(ManufacturerDaemon, O7_a_cancelled_request_leaves_the_manufacturer_s_key_alone) {
    Manufacturer::make_key(key_);
    configure(maker_.certify(key_));
    world_.stop_ca();
    world_.start_daemon();
    world_.eventually("the failure",
                      [&] { return world_.daemon().err().find("E-CA-UNREACHABLE") != std::string::npos; });
    EXPECT_EQ(world_.command({"cancel", "web"}).exit_code, 0);
    world_.eventually("the hold", [&] { return world_.word() == "HELD(cancelled)"; });
    EXPECT_THAT(Manufacturer::public_key(key_), Not(IsEmpty()));
    EXPECT_EQ(world_.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
