#include "agent/runtime/orphan_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hwenroll::runtime {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

keystore::KeyDescription key(Bytes id, std::string label, std::string uri = "pkcs11:token=lab") {
    auto number = PublicKey::from_rsa(Bytes(256, 0xA5), Bytes{1, 0, 1}).value();
    return {{{std::move(id)}, std::move(number)}, std::move(label), {}, true, true, false, std::move(uri)};
}

const Bytes ours(16, 1);

std::vector<std::string> identities(const std::vector<OrphanKey>& orphans) {
    std::vector<std::string> names;
    for (const OrphanKey& orphan : orphans) {
        names.push_back(orphan.identity + (orphan.recorded ? " recorded" : ""));
    }
    return names;
}

TEST(OrphanKeys, F4_are_those_that_no_configured_identity_has_in_the_state) {
    const std::vector<store::KeyOwner> web{{ours, "web", "lab", false, false}};
    EXPECT_THAT(identities(orphans_among({key(ours, "hwenroll web")}, {web, {"mail"}, {}})),
                ElementsAre("web recorded"));
    EXPECT_THAT(identities(orphans_among({key(ours, "hwenroll web")}, {{}, {"mail"}, {}})), ElementsAre("web"))
        << "the state is gone";
    EXPECT_THAT(orphans_among({key(ours, "hwenroll web")}, {web, {"web"}, {}}), IsEmpty());
    EXPECT_THAT(orphans_among({key(ours, "hwenroll web")}, {{{ours, "web", "other", false, false}}, {"web"}, {}}),
                IsEmpty())
        << "under whatever section's name";
    EXPECT_THAT(identities(orphans_among({key(ours, "", "handle:0x81000010")}, {{}, {"web"}, {}})), ElementsAre(""));
}

TEST(OrphanKeys, F4_T19_TOK_7_are_never_what_somebody_else_has_made_or_the_configuration_names) {
    EXPECT_THAT(orphans_among({key({0x9A}, "hwenroll web"), key(ours, "web"), key(ours, ""),
                               key({0x81, 0x01, 0, 1}, "", "handle:0x81010001")},
                              {}),
                IsEmpty());
    EXPECT_THAT(orphans_among({key(ours, "hwenroll web")}, {{{ours, "web", "lab", true, false}}, {}, {}}), IsEmpty())
        << "adopted by an identity that has gone";
    EXPECT_THAT(orphans_among({key(ours, "hwenroll web")}, {{}, {}, {config::ExistingKey{ours, ""}}}), IsEmpty());
    EXPECT_THAT(orphans_among({key(ours, "hwenroll web")}, {{}, {}, {config::ExistingKey{{}, "hwenroll web"}}}),
                IsEmpty());
    EXPECT_THAT(orphans_among({key(ours, "", "handle:0x81000010")}, {{}, {}, {config::PersistentHandle{0x81000010}}}),
                IsEmpty());
}

TEST(OrphanKeys, are_chosen_by_identity_and_by_id) {
    const OrphanKey orphan{key(ours, "hwenroll web"), "web", false, false};
    EXPECT_TRUE((OrphanChoice{"web", {}}).fits(orphan));
    EXPECT_FALSE((OrphanChoice{"mail", {}}).fits(orphan));
    EXPECT_TRUE((OrphanChoice{"", {Bytes(16, 2), ours}}).fits(orphan));
    EXPECT_FALSE((OrphanChoice{"web", {Bytes(16, 2)}}).fits(orphan));
}

// A fleet has one [identity.web] and may have one token.
TEST(OrphanKeys, F4_that_another_machine_may_use_are_chosen_by_id_alone) {
    const auto orphans = orphans_among({key(ours, "hwenroll web")}, {{}, {"web"}, {}});
    ASSERT_EQ(orphans.size(), 1U);
    EXPECT_TRUE(orphans[0].only_by_id);
    EXPECT_FALSE((OrphanChoice{"web", {}}).fits(orphans[0]));
    EXPECT_FALSE((OrphanChoice{"", {}}).fits(orphans[0]));
    EXPECT_TRUE((OrphanChoice{"", {ours}}).fits(orphans[0]));
}

}  // namespace
}  // namespace hwenroll::runtime
