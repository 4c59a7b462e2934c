// What keystore/token.h says of making, finding and destroying keys.
#include <algorithm>
#include <array>

#include "tests/keystore/contract/contract_test.h"

namespace hwenroll::keystore::test {

namespace {

constexpr std::array every_kind = {KeySpec::rsa_2048, KeySpec::rsa_3072, KeySpec::rsa_4096, KeySpec::ec_p256,
                                   KeySpec::ec_p384};

bool lists(Token& token, const KeyId& id) {
    const auto keys = token.list_keys();
    EXPECT_TRUE(keys) << keys.error().line();
    return keys && std::ranges::any_of(*keys, [&](const KeyDescription& each) { return each.key.id == id; });
}

}  // namespace

// TOK-2, TOK-3, T21.
TEST_P(TokenContract, T21_makes_confined_keys_of_each_kind_that_it_can_and_reads_them_back) {
    for (const KeySpec spec : abilities().makes) {
        if (!is_ec(spec) && bits_of(spec) > 2048) {
            continue;  // seconds each; the tests of each token make them
        }
        SCOPED_TRACE(to_text(spec));
        const auto made = token().generate(spec, key_id(0x10), "web");
        ASSERT_TRUE(made) << made.error().line();
        EXPECT_EQ(made->key.id, key_id(0x10));
        EXPECT_TRUE(matches(spec, made->key.public_key)) << made->key.public_key.text();
        EXPECT_TRUE(made->protection.confined());
        EXPECT_TRUE(made->can_sign);
        EXPECT_EQ(made->can_decrypt, !is_ec(spec));
        EXPECT_LE(made->can_derive, is_ec(spec));
        EXPECT_EQ(made->key.pem.empty(), abilities().keeps);
        EXPECT_LE(made->key.pem.size(), max_key_pem);
        EXPECT_EQ(made->label, abilities().labels ? "web" : "");
        const auto again = token().look_up(made->key);
        ASSERT_TRUE(again) << again.error().line();
        EXPECT_EQ(again->key.id, made->key.id);
        EXPECT_EQ(again->key.public_key, made->key.public_key);
        EXPECT_EQ(again->key.pem, made->key.pem);
        EXPECT_EQ(again->label, made->label);
        EXPECT_EQ(again->protection, made->protection);
        EXPECT_EQ(again->uri, made->uri);
        expect_signs(token(), made->key);
        ASSERT_TRUE(token().destroy(key_id(0x10)));
    }
    for (const UsableKey& each : keys()) {
        const auto read = token().look_up(each.key);
        ASSERT_TRUE(read) << read.error().line();
        EXPECT_TRUE(read->protection.confined()) << read->label;
        EXPECT_EQ(read->can_sign, each.signs) << read->label;
        EXPECT_EQ(read->can_decrypt, each.decrypts) << read->label;
    }
}

TEST_P(TokenContract, refuses_to_make_a_kind_that_it_cannot_and_leaves_nothing) {
    for (const KeySpec spec : every_kind) {
        if (!makes(spec)) {
            SCOPED_TRACE(to_text(spec));
            expect_refused(token().generate(spec, key_id(0x11), "web"), ErrorCode::token_operation);
            EXPECT_EQ(token().find(key_id(0x11)).value(), std::nullopt);
        }
    }
    EXPECT_FALSE(lists(token(), key_id(0x11)));
    expect_signs(token(), any_key().key);
}

TEST_P(TokenContract, T19_an_id_in_use_is_not_taken_again) {
    const KeyReference first = any_key().key;
    const auto second = token().generate(KeySpec::rsa_2048, first.id, "second");
    if (abilities().keeps && !abilities().makes.empty()) {
        expect_refused(second, ErrorCode::token_key_mismatch);
    }
    // Of a key that the caller keeps the token knows nothing, so two of them are two keys.
    EXPECT_EQ(second.has_value(), !abilities().keeps);
    expect_signs(token(), first);
}

TEST_P(TokenContract, finds_by_its_id_what_it_keeps_and_nothing_else) {
    for (const UsableKey& each : keys()) {
        const auto found = token().find(each.key.id);
        ASSERT_TRUE(found) << found.error().line();
        ASSERT_EQ(found->has_value(), abilities().keeps);
        if (*found) {
            EXPECT_EQ((*found)->key.id, each.key.id);
            EXPECT_EQ((*found)->key.public_key, each.key.public_key);
            EXPECT_EQ((*found)->key.pem, "");
            EXPECT_TRUE((*found)->protection.confined());
        }
    }
    const auto none = token().find(key_id(0x12));
    ASSERT_TRUE(none) << none.error().line();
    EXPECT_FALSE(none->has_value());
}

// T5, T7, T19: a key is its id *and* its public key.
TEST_P(TokenContract, T7_takes_a_key_by_its_id_and_public_key_alone) {
    for (const UsableKey& each : keys()) {
        const auto known = token().look_up(each.key);
        ASSERT_TRUE(known) << known.error().line();
        EXPECT_EQ(known->key.public_key, each.key.public_key);
        const KeyReference other = with_another_public_key(each.key);
        expect_refused(token().look_up(other), ErrorCode::token_key_mismatch);
        expect_refused(sign_text(token(), other, "x"), ErrorCode::token_key_mismatch);
        const KeyReference missing{key_id(0x13), each.key.public_key};
        expect_refused(token().look_up(missing), ErrorCode::token_key_missing);
        expect_refused(sign_text(token(), missing, "x"), ErrorCode::token_key_missing);
        if (each.decrypts) {
            const Bytes sealed = encrypt(each.key.public_key, "x");
            expect_refused(token().decrypt(other, DecryptMechanism::rsa_pkcs1, sealed), ErrorCode::token_key_mismatch);
            expect_refused(token().decrypt(missing, DecryptMechanism::rsa_pkcs1, sealed), ErrorCode::token_key_missing);
        }
        if (each.agrees) {
            expect_refused(token().agree(other, each.key.public_key), ErrorCode::token_key_mismatch);
            expect_refused(token().agree(missing, each.key.public_key), ErrorCode::token_key_missing);
        }
    }
    expect_signs(token(), any_key().key);
}

TEST_P(TokenContract, lists_every_key_that_it_keeps) {
    for (const UsableKey& each : keys()) {
        EXPECT_EQ(lists(token(), each.key.id), abilities().keeps);
    }
    const auto listed = token().list_keys().value();
    EXPECT_EQ(listed.size(), abilities().keeps ? keys().size() : 0);
}

TEST_P(TokenContract, T24_destroys_a_key_that_it_keeps_and_says_so_of_one_that_is_gone) {
    const auto gone = token().destroy(key_id(0x14));
    EXPECT_TRUE(gone) << gone.error().line() << ": nothing there is success";
    if (!abilities().destroys) {
        expect_refused(token().destroy(any_key().key.id), ErrorCode::token_operation);
        expect_signs(token(), any_key().key);
        EXPECT_TRUE(lists(token(), any_key().key.id));
        return;
    }
    const KeyReference key = make_key(token(), key_id(0x14));
    expect_signs(token(), key);
    for (int times = 0; times < 2; ++times) {
        const Status destroyed = token().destroy(key.id);
        ASSERT_TRUE(destroyed) << destroyed.error().line();
    }
    EXPECT_EQ(token().find(key.id).value(), std::nullopt);
    EXPECT_FALSE(lists(token(), key.id));
    if (abilities().keeps) {
        expect_refused(sign_text(token(), key, "x"), ErrorCode::token_key_missing);
        expect_refused(token().look_up(key), ErrorCode::token_key_missing);
    } else {
        expect_signs(token(), key);  // what the caller keeps is the caller's to destroy
    }
    expect_signs(token(), any_key().key);
}

TEST_P(TokenContract, an_id_is_free_again_once_its_key_is_destroyed) {
    if (abilities().makes.empty()) {
        expect_refused(token().generate(KeySpec::rsa_2048, key_id(0x15), "x"), ErrorCode::token_operation);
        return;
    }
    const KeyReference first = make_key(token(), key_id(0x15));
    ASSERT_TRUE(token().destroy(first.id));
    const KeyReference second = make_key(token(), first.id);
    EXPECT_NE(second.public_key, first.public_key);
    expect_signs(token(), second);
    if (abilities().keeps) {
        expect_refused(sign_text(token(), first, "x"), ErrorCode::token_key_mismatch);
    }
    EXPECT_TRUE(token().destroy(second.id));
}

// A pair is made whole or not at all, for those tokens that keep it in two halves.
TEST_P(TokenContract, T18_half_a_pair_counts_as_nothing_and_can_be_destroyed) {
    if (abilities().makes.empty()) {
        EXPECT_FALSE(world().lose_half(any_key().key.id, TokenWorld::Half::public_half));
        return;
    }
    for (const auto half : {TokenWorld::Half::public_half, TokenWorld::Half::private_half}) {
        const KeyReference key = make_key(*logged_in(), key_id(0x17));
        const bool halved = world().lose_half(key.id, half);
        const auto token = logged_in();
        const auto found = token->find(key.id);
        ASSERT_TRUE(found) << found.error().line();
        EXPECT_EQ(found->has_value(), abilities().keeps && !halved);
        if (halved) {
            expect_refused(token->generate(KeySpec::rsa_2048, key.id, "x"), ErrorCode::token_key_mismatch);
        }
        const Status destroyed = token->destroy(key.id);
        ASSERT_TRUE(destroyed) << destroyed.error().line();
        EXPECT_FALSE(world().lose_half(key.id, TokenWorld::Half::public_half)) << "the other half is gone too";
        EXPECT_FALSE(world().lose_half(key.id, TokenWorld::Half::private_half));
    }
}

// T5: in a login and, where it is not this one, a process of its own.
TEST_P(TokenContract, T5_a_key_serves_later_logins_and_other_programs) {
    const UsableKey key = any_key();
    const auto one = logged_in();
    const auto other = world().open();
    log_in(*other);
    expect_signs(*one, key.key);
    expect_signs(*other, key.key);
    EXPECT_EQ(other->look_up(key.key).value().protection, one->look_up(key.key).value().protection);
    log_in(*one);
    expect_signs(*one, key.key);
    expect_signs(*other, key.key);
}

TEST_P(TokenContract, what_one_program_makes_or_destroys_another_one_sees) {
    const auto one = logged_in();
    const auto other = world().open();
    log_in(*other);
    if (abilities().makes.empty()) {
        expect_signs(*one, any_key().key);
        expect_signs(*other, any_key().key);
        return;
    }
    const KeyReference made = make_key(*one, key_id(0x16));
    if (abilities().keeps) {
        EXPECT_EQ(other->find(made.id).value().has_value(), abilities().shows_news);
    }
    if (!abilities().shows_news) {
        log_in(*other);
    }
    expect_signs(*other, made);
    ASSERT_TRUE(one->destroy(made.id));
    if (!abilities().shows_news) {
        log_in(*other);
    }
    EXPECT_EQ(other->find(made.id).value(), std::nullopt);
}

}  // namespace hwenroll::keystore::test
