// What the journal gets. The numbers are an interface: people filter and alert by them.
#include "agent/observe/log.h"

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

}  // namespace
}  // namespace hwenroll::observe
