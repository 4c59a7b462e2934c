// The catalogue of malformed and hostile replies (scep-requirements §13) against the real programs: one clear error,
// nothing stored, key and state as they were, within the limits; and once the fault is gone, the same agent gets its
// certificate.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/enrollment_world.h"
#include "tests/e2e/hostile/hostile_row.h"

namespace hwenroll::test {
namespace {

using lifecycle::Phase;
using std::chrono::hours;
using testing::AnyOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

constexpr long allowed_growth = 64L * 1024;  // KiB: invariant 10
constexpr std::size_t key_pair = 2;          // files of SoftHSM
constexpr Seconds until_all_is_due = hours(25);

/// Without the characters beyond ASCII that messages of ours have: of a text that was cut, and before a section.
std::string ascii(std::string text) {
    for (const std::string known : {"\u2026", "\u00a7"}) {
        for (auto at = text.find(known); at != std::string::npos; at = text.find(known)) {
            text.erase(at, known.size());
        }
    }
    return text;
}

class HostileReply : public testing::TestWithParam<HostileRow> {
 protected:
    static void SetUpTestSuite() {
        HostileWorld::instance().go_to(Stage::enrolled);
        peak_of_an_enrollment_ = HostileWorld::peak_memory();
    }

    static void expect_one_clear_line(const RunResult& result, const HostileRow& row) {
        EXPECT_EQ(result.exit_code, error_info(row.code).exit_code) << result.err;
        EXPECT_THAT(ascii(result.err),
                    MatchesRegex("((web|ca corp): [ -~]+\n)?E-[A-Z-]+ (web|ca corp): [ -~]+; [ -~]+\n"
                                 "((web|ca corp): [ -~]+\n)?"))
            << "one error, in one printable line: what, on what, why, what next; besides a warning or an alert";
        EXPECT_THAT("\n" + result.err, HasSubstr("\n" + std::string(error_info(row.code).name) + " "));
        EXPECT_THAT(result.err, HasSubstr(row.text));
        EXPECT_EQ(result.out, "");
        EXPECT_LT(result.err.size(), 2000U);
        EXPECT_THAT(result.err, Not(HasSubstr("canary")));
    }

    /// Nothing published or trusted, and the key of before.
    static void expect_nothing_taken(const Belongings& before, const Belongings& after, const HostileRow& row) {
        const bool of_successor = row.stage == Stage::capped && !row.settings.faults.front().starts_with("GetNext");
        if (of_successor) {  // whose anchor is published beside the old one (C19)
            EXPECT_EQ(after.identity.current->issued.leaf, before.identity.current->issued.leaf);
            EXPECT_FALSE(after.identity.shadow.has_value());
            return;
        }
        EXPECT_EQ(after.published, before.published);
        const bool makes_key = row.stage == Stage::beginning || row.stage == Stage::enrolled;
        EXPECT_THAT(after.token_files, AnyOf(before.token_files, before.token_files + (makes_key ? key_pair : 0U)));
        EXPECT_EQ(after.identity.current, before.identity.current);
        EXPECT_EQ(after.identity.shadow.has_value(), before.identity.shadow.has_value());
        EXPECT_FALSE(after.identity.next.has_value());
        EXPECT_EQ(after.identity.last_generation, before.identity.last_generation);
        if (before.identity.enrollment.has_value()) {
            ASSERT_TRUE(after.identity.enrollment.has_value());
            EXPECT_EQ(after.identity.enrollment->key, before.identity.enrollment->key);
        }
        expect_no_new_trust(before.authority, after.authority, row);
    }

    static void expect_no_new_trust(const lifecycle::AuthorityState& before, const lifecycle::AuthorityState& after,
                                    const HostileRow& row) {
        if (before.current) {
            ASSERT_TRUE(after.current);
            EXPECT_EQ(after.current->anchor, before.current->anchor);
        } else if (after.current) {
            EXPECT_EQ(after.current->anchor, HostileWorld::instance().ca().der()) << "the one that is configured";
        }
        EXPECT_FALSE(after.candidate);
        if (row.settings.faults.front().starts_with("GetNextCACert")) {
            EXPECT_FALSE(after.next);
        }
    }

    static void expect_class(const Belongings& before, const Belongings& after, const HostileRow& row) {
        const lifecycle::IdentityState& identity = after.identity;
        const Phase phase = lifecycle::attempt_phase(identity);
        if (row.end == End::pending) {
            EXPECT_EQ(phase, Phase::pending);
            if (row.stage == Stage::pending) {
                EXPECT_EQ(identity.enrollment->transaction->id.value,
                          before.identity.enrollment->transaction->id.value);
            }
        } else if (row.held) {
            EXPECT_EQ(phase, Phase::held);
        } else {
            EXPECT_THAT(phase, AnyOf(Phase::unenrolled, Phase::need_key, Phase::need_submit, Phase::valid));
        }
        if (row.stage == Stage::capped) {
            return;  // the authority seeks its successor again by itself (ROLL-4)
        }
        ASSERT_TRUE(identity.failure || row.code == ErrorCode::ca_pending);
        EXPECT_GT(identity.wait.until, HostileWorld::instance().now());
        EXPECT_LE(identity.wait.until, HostileWorld::instance().now() + hours(25));
    }

    /// CACERT-5: no request, and so no challenge, goes to a CA that is not the right one.
    static void expect_no_message(const HostileRow& row) {
        const bool of_ca = row.settings.faults.front().starts_with("GetCAC");
        if (of_ca && error_info(row.code).name.starts_with("E-CA-")) {
            EXPECT_EQ(HostileWorld::instance().messages(), 0U);
        }
    }

    /// The fault is gone: the certificate comes with the key and the transaction that there were.
    static void expect_recovery(const Belongings& before, const HostileRow& row) {
        HostileWorld& world = HostileWorld::instance();
        world.set({});
        world.advance(until_all_is_due);
        RunResult healed = world.once();
        if (row.stage == Stage::pending && healed.exit_code == error_info(ErrorCode::ca_pending).exit_code) {
            world.advance(until_all_is_due);  // a new request, which the CA decides as late as the first
            healed = world.once();
        }
        EXPECT_EQ(healed.exit_code, 0) << healed.err;
        const Belongings after = world.look();
        if (row.stage == Stage::capped) {
            EXPECT_TRUE(after.authority.next);
            EXPECT_TRUE(after.identity.shadow.has_value());
            return;
        }
        EXPECT_EQ(to_hex(world.leaf().serial()), world.issued().back().second);
        EXPECT_EQ(world.anchors(), std::vector<Certificate>{world.ca()});
        if (before.identity.enrollment.has_value()) {
            EXPECT_EQ(after.identity.current->key.id, before.identity.enrollment->key.id);
        }
        if (row.end == End::pending && row.stage == Stage::pending) {
            EXPECT_EQ(world.issued().back().first, before.identity.enrollment->transaction->id.value);
        }
    }

    static void expect_works(const RunResult& result, const Belongings& after, const HostileRow& row) {
        const HostileWorld& world = HostileWorld::instance();
        EXPECT_EQ(result.exit_code, 0) << result.err;
        EXPECT_THAT(result.err, HasSubstr(row.text));
        if (row.stage == Stage::capped) {
            ASSERT_TRUE(after.authority.next);
            EXPECT_TRUE(after.identity.shadow.has_value());
            EXPECT_EQ(world.anchors().size(), 2U);
        } else {
            EXPECT_EQ(world.leaf().issuer(), world.ca().subject());
            EXPECT_EQ(world.anchors(), std::vector<Certificate>{world.ca()});
        }
        EXPECT_EQ(after.token_files, row.stage == Stage::capped ? 2 * key_pair : key_pair);
    }

    static void expect_bounded() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        const long growth = HostileWorld::peak_memory() - peak_of_an_enrollment_;
        RecordProperty("peak_growth_kib", std::to_string(growth));
        EXPECT_LT(growth, allowed_growth);
#endif
    }

    static inline long peak_of_an_enrollment_ = 0;
};

TEST_P(HostileReply, ends_as_its_class_says) {
    const HostileRow& row = GetParam();
    HostileWorld& world = HostileWorld::instance();
    world.go_to(row.stage);
    world.set(row.settings);
    for (int i = 0; i < row.runs_before; ++i) {
        world.advance(row.first_wait);
        EXPECT_NE(world.once().exit_code, 0);
    }
    world.advance(row.wait);
    const Belongings before = world.look();
    const RunResult result = world.once();
    RecordProperty("said", result.err);
    const Belongings after = world.look();
    expect_bounded();
    if (row.end == End::works) {
        expect_works(result, after, row);
        return;
    }
    if (row.end == End::nothing) {
        EXPECT_EQ(result.exit_code, 0) << result.err;
    } else {
        expect_one_clear_line(result, row);
    }
    expect_nothing_taken(before, after, row);
    expect_class(before, after, row);
    expect_no_message(row);
    expect_recovery(before, row);
}

std::string name_of(const testing::TestParamInfo<HostileRow>& row) {
    std::string name = row.param.id;
    std::replace(name.begin(), name.end(), '-', '_');
    switch (row.param.stage) {
        case Stage::pending:
            return name + "_while_pending";
        case Stage::enrolled:
            return name + "_in_renewal";
        default:
            return name;
    }
}

INSTANTIATE_TEST_SUITE_P(N11_H11_in_http, HostileReply, testing::ValuesIn(http_rows()), name_of);
INSTANTIATE_TEST_SUITE_P(H1_in_capabilities, HostileReply, testing::ValuesIn(capability_rows()), name_of);
INSTANTIATE_TEST_SUITE_P(H2_H8_C14_in_ca_certificates, HostileReply, testing::ValuesIn(ca_set_rows()), name_of);
INSTANTIATE_TEST_SUITE_P(H3_H5_H6_C15_in_signed_data, HostileReply, testing::ValuesIn(signed_data_rows()), name_of);
INSTANTIATE_TEST_SUITE_P(C26_H4_H10_in_attributes, HostileReply, testing::ValuesIn(attribute_rows()), name_of);
INSTANTIATE_TEST_SUITE_P(H6_H7_in_envelope, HostileReply, testing::ValuesIn(envelope_rows()), name_of);
INSTANTIATE_TEST_SUITE_P(H9_H15_H17_in_certificate, HostileReply, testing::ValuesIn(certificate_rows()), name_of);
INSTANTIATE_TEST_SUITE_P(in_rollover, HostileReply, testing::ValuesIn(rollover_rows()), name_of);

}  // namespace
}  // namespace hwenroll::test
