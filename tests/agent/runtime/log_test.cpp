// What the journal gets. The numbers are an interface: people filter and alert by them.
#include "agent/observe/log.h"

#include <set>
#include <vector>

#include <gmock/gmock.h>

#include "agent/observe/log_ids.h"

namespace hwenroll::observe {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

TEST(JournalFields, invariant_11_an_alert_has_a_message_id_that_never_changes) {
    EXPECT_EQ(alert_message_id, "9f61142497534e2680951d3e02d8b599");
    EXPECT_THAT(journal_fields({Level::error, "web: held", "web", "HELD(rejected)", "E-CA-REJECTED", alert_message_id}),
                ElementsAre("MESSAGE=web: held", "PRIORITY=3", "HWENROLL_IDENTITY=web", "HWENROLL_STATE=HELD(rejected)",
                            "HWENROLL_ERROR=E-CA-REJECTED", StartsWith("MESSAGE_ID=")));
}

TEST(JournalFields, are_left_out_where_there_is_nothing_to_say_and_remote_text_is_made_printable) {
    EXPECT_THAT(journal_fields({Level::info, "a\nPRIORITY=0", "", "", "x\ny"}),
                ElementsAre("MESSAGE=a\\x0aPRIORITY=0", "PRIORITY=6", "HWENROLL_ERROR=x\\x0ay"));
}

TEST(JournalFields, carry_what_is_known_of_an_identity_and_of_whoever_asked) {
    LogRecord record{Level::notice, "web: text", "web"};
    record.transaction = "0A1B";
    record.authority = "corp";
    record.serial = "1f";
    record.not_after = "2030-05-01T00:00:00Z";
    record.next = "2030-04-01T00:00:00Z";
    record.alert = true;
    record.details = {{"UID", "0"}, {"EXE", ""}};
    EXPECT_THAT(journal_fields(record),
                ElementsAre("MESSAGE=web: text", "PRIORITY=5", "HWENROLL_IDENTITY=web", "HWENROLL_TXN=0A1B",
                            "HWENROLL_CA=corp", "HWENROLL_SERIAL=1f", "HWENROLL_NOT_AFTER=2030-05-01T00:00:00Z",
                            "HWENROLL_NEXT=2030-04-01T00:00:00Z", "HWENROLL_ALERT=1", "HWENROLL_UID=0"));
}

TEST(JournalFields, of_an_alert_about_a_ca_name_it) {
    EXPECT_THAT(journal_fields(authority_alert("corp", "gone")),
                ElementsAre("MESSAGE=ca corp: gone", "PRIORITY=3", "HWENROLL_CA=corp", "HWENROLL_ALERT=1",
                            "MESSAGE_ID=" + std::string(alert_message_id)));
}

TEST(MessageIds, never_change_and_are_all_different) {
    const std::vector<std::string_view> all{
        alert_message_id,    renewed_message_id, failed_message_id, overdue_message_id,  held_message_id,
        rollover_message_id, pin_message_id,     audit_message_id,  deployed_message_id, deployment_failed_message_id};
    EXPECT_THAT(all, ElementsAre("9f61142497534e2680951d3e02d8b599", "18f578d42440bf6d76c1883e99d4b1ec",
                                 "8c1a98c4ec9c080133342f597740fd37", "986238ddebc1b3804bda7d7beda37f98",
                                 "bff3dd5e35b5056a3c3667a304d8ac9f", "061704d3e9124a73bafc0ab41d485c7f",
                                 "38e5794d997844df3552c5a00115de14", "7512e4b2289d4357c6ab24d746969240",
                                 "9b94c9cc2ad3f4b7ea97a11ad2d74dcc", "8fac22e49f57adf8931744be2db4e23b"));
    EXPECT_EQ(std::set<std::string_view>(all.begin(), all.end()).size(), all.size());
}

}  // namespace
}  // namespace hwenroll::observe
