// That the watch of the simulation sees what it is there for, and excuses only what it says.
#include "tests/simulation/watch.h"

#include <gtest/gtest.h>

#include "tests/simulation/load.h"

namespace hwenroll::simulation {
namespace {

struct Watched {
    AuthorityTimeline timeline{1, 3};
    Watch watch{timeline, 5};
    TokenModel token;
    TimePoint begin = timeline.run().begin + 10 * day;

    Watched() {
        token.generate({1});
        token.generate({2});
    }
    [[nodiscard]] static Published seen(std::uint8_t key, TimePoint begin, TimePoint end) {
        return {key, {key}, {key}, {begin, end}, begin + (end - begin) * 3 / 4, begin};
    }
    /// A certificate of 100 days, and what took its place at that time.
    void replace(TimePoint at) {
        watch.published(std::nullopt, seen(1, begin, begin + 100 * day), begin, false, token);
        watch.published(seen(1, begin, begin + 100 * day), seen(2, at, at + 100 * day), at, false, token);
    }
    [[nodiscard]] std::string rule() const { return watch.violation() ? watch.violation()->rule : ""; }
};

TEST(Watch, an_expiry_that_could_have_been_prevented_is_a_violation) {
    Watched watched;
    watched.replace(watched.begin + 100 * day + Seconds(1));
    EXPECT_EQ(watched.rule(), "expiry");
    EXPECT_EQ(watched.watch.violation()->identity, 5U);
}

TEST(Watch, an_expiry_of_a_machine_that_was_off_since_its_renewal_point_is_counted_and_excused) {
    Watched watched;
    watched.watch.away({watched.begin + 70 * day, watched.begin + 101 * day});
    watched.replace(watched.begin + 101 * day);
    EXPECT_EQ(watched.rule(), "");
    EXPECT_EQ(watched.watch.excused(), 1U);
}

TEST(Watch, half_a_day_was_enough_to_renew) {
    Watched watched;
    watched.watch.away({watched.begin + 70 * day, watched.begin + 99 * day});
    watched.replace(watched.begin + 101 * day);
    EXPECT_EQ(watched.rule(), "expiry");
}

TEST(Watch, invariant_1_a_published_certificate_without_its_key_or_out_of_its_time) {
    Watched without_key;
    without_key.token.destroy({1});
    without_key.replace(without_key.begin + 80 * day);
    EXPECT_EQ(without_key.rule(), "invariant 1");

    Watched early;
    early.watch.published(std::nullopt, Watched::seen(1, early.begin + day, early.begin + 9 * day), early.begin, false,
                          early.token);
    EXPECT_EQ(early.rule(), "invariant 1");
}

TEST(Watch, K10_consumers_that_were_misled_are_led_back) {
    Watched watched;
    Published early = Watched::seen(1, watched.begin + 30 * day, watched.begin + 130 * day);
    early.since = watched.begin;
    const TimePoint late = watched.begin + 20 * day;
    watched.watch.published(early, Watched::seen(2, late, late + 100 * day), late, false, watched.token);
    EXPECT_EQ(watched.rule(), "expiry");
}

TEST(Watch, invariant_3_a_published_end_that_decreases) {
    Watched watched;
    const TimePoint at = watched.begin + 50 * day;
    watched.watch.published(Watched::seen(1, watched.begin, watched.begin + 100 * day), Watched::seen(2, at, at + day),
                            at, false, watched.token);
    EXPECT_EQ(watched.rule(), "invariant 3");
}

TEST(Watch, invariant_9_a_key_that_the_identity_does_not_know) {
    Watched watched;
    watched.watch.at_end({}, std::nullopt, watched.begin, watched.begin, watched.token);
    EXPECT_EQ(watched.rule(), "invariant 9");
}

TEST(Watch, invariant_4_a_transaction_that_ends_unanswered) {
    Watched watched;
    lifecycle::IdentityState state;
    state.enrollment.emplace();
    state.enrollment->key.id = {1};
    state.retired = {{{{2}, {}}, std::nullopt}};
    state.enrollment->transaction.emplace();
    state.enrollment->transaction->prepared_at = watched.begin;
    lifecycle::IdentityState without = state;
    without.enrollment->transaction.reset();
    const auto look = [&](const lifecycle::Event& event, TimePoint now) {
        watched.watch.committed(state, event, without, {}, now, now, watched.token);
        return watched.rule();
    };
    EXPECT_EQ(look(lifecycle::RecipientChanged{}, watched.begin + day), "");
    EXPECT_EQ(look(lifecycle::Due{}, watched.begin + 7 * day), "") << "given up (SM-11)";
    EXPECT_EQ(look(lifecycle::Due{}, watched.begin + day), "invariant 4");
}

TEST(Watch, a_replaced_key_goes_a_day_later_and_not_sooner_unless_its_token_was_full) {
    const auto rule = [](TimePoint Watched::*begin, Seconds after, bool full) {
        Watched watched;
        const TimePoint at = watched.*begin + 80 * day;
        watched.replace(at);
        if (full) {
            watched.watch.token_was_full(at + minute);
        }
        const Published seen = Watched::seen(2, at, at + 100 * day);
        watched.watch.destroyed({1}, seen, seen, day, at + after, false);
        return watched.rule();
    };
    EXPECT_EQ(rule(&Watched::begin, 24 * hour, false), "");
    EXPECT_EQ(rule(&Watched::begin, 20 * hour, false), "retirement");
    EXPECT_EQ(rule(&Watched::begin, 20 * hour, true), "");
}

TEST(Watch, invariant_1_the_key_of_the_published_certificate_is_never_destroyed) {
    Watched watched;
    const Published seen = Watched::seen(1, watched.begin, watched.begin + day);
    watched.watch.destroyed({1}, seen, seen, day, watched.begin, false);
    EXPECT_EQ(watched.rule(), "invariant 1");
}

TEST(Watch, invariant_1_S3_the_key_of_what_a_power_failure_would_bring_back_is_not_destroyed) {
    Watched watched;
    watched.watch.destroyed({1}, Watched::seen(2, watched.begin, watched.begin + day),
                            Watched::seen(1, watched.begin, watched.begin + day), day, watched.begin, false);
    EXPECT_EQ(watched.rule(), "invariant 1");
}

TEST(Watch, invariant_3_consumers_that_a_power_failure_led_back_are_led_to_the_newer_certificate_again) {
    Watched watched;
    watched.replace(watched.begin + 80 * day);
    lifecycle::IdentityState state;
    state.current.emplace();
    state.current->generation = 2;
    state.current->issued.leaf = {2};
    std::optional<Published> seen = Watched::seen(1, watched.begin, watched.begin + 100 * day);
    watched.watch.fell_back(seen);
    const TimePoint back = watched.begin + 101 * day;
    watched.watch.look_at_consumers(state, seen, back);
    watched.watch.look_at_consumers(state, seen, back + minute);
    EXPECT_EQ(watched.rule(), "");
    const Published again = Watched::seen(2, watched.begin + 80 * day, watched.begin + 180 * day);
    watched.watch.published(seen, again, back + minute, false, watched.token);
    watched.watch.look_at_consumers(state, again, back + day);
    EXPECT_EQ(watched.rule(), "") << "the one that came back had expired meanwhile";
    watched.watch.look_at_consumers(state, seen, back + day);
    watched.watch.look_at_consumers(state, seen, back + day + 2 * hour);
    EXPECT_EQ(watched.rule(), "invariant 3");
}

TEST(Watch, invariant_5_the_fourth_certificate_without_success_and_decisions_without_end) {
    Watched capped;
    capped.watch.issued(3, 48, capped.begin, capped.begin);
    EXPECT_EQ(capped.rule(), "");
    capped.watch.issued(4, 4, capped.begin, capped.begin);
    EXPECT_EQ(capped.rule(), "invariant 5");

    Watched busy;
    for (int i = 0; i < 5000; ++i) {
        busy.watch.stepped(busy.begin);
    }
    EXPECT_EQ(busy.rule(), "busy");

    for (const bool misled : {true, false}) {
        Watched often;
        for (std::uint8_t i = 0; i < 10; ++i) {
            often.watch.published(Watched::seen(1 + i % 2, often.begin, often.begin + day),
                                  Watched::seen(2 - i % 2, often.begin, often.begin + day), often.begin, misled,
                                  often.token);
        }
        EXPECT_EQ(often.rule(), misled ? "" : "busy");
    }
}

TEST(Load, N18_the_peak_after_the_outage_is_compared_with_the_mean_until_95_percent_are_done) {
    const AuthorityTimeline timeline(1, 1);
    const TimePoint back = timeline.outage().end;
    Load even(timeline.run());
    Load bunched(timeline.run());
    for (int i = 0; i < 7500; ++i) {
        for (Load* load : {&even, &bunched}) {
            const TimePoint at = back + Seconds(load == &even || i % 2 == 0 ? i * 2 : i % 300);
            load->count(at);
            load->recovered(at);
        }
    }
    EXPECT_NEAR(even.after_outage(timeline).ratio(), 1, 0.05);
    EXPECT_EQ(even.recovery(timeline), Seconds(14'250 - 2));
    EXPECT_GT(bunched.after_outage(timeline).ratio(), 10);
    EXPECT_EQ(bunched.after_outage(timeline).at, back);
}

}  // namespace
}  // namespace hwenroll::simulation
