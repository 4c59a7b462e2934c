// A SoftHSM2 token whose file is empty for a moment, as in each C_Login of another process (T4).
#include "keystore/pkcs11/repeated_look.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>

#include "tests/keystore/pkcs11/token_test.h"

namespace hwenroll::keystore::test {
namespace {

using ::hwenroll::test::read_file;
using ::hwenroll::test::write_file;

constexpr int most_looks = 1 + static_cast<int>(pkcs11::RepeatedLook::pauses.size());

class EmptiedToken : public ShimTest {
 protected:
    EmptiedToken() : file_(token_file()), content_(read_file(file_)) {
        script("");
        write_file(file_, "", 0600);
    }

    /// Calls `look` and writes the file again once the first look in it has ended in vain.
    template <class Look>
    auto with_the_file_back_after_the_first_look(Look look) {
        std::atomic<bool> ended{false};
        std::thread other_process([&] {
            while (calls("C_Finalize") == 0 && !ended) {
                std::this_thread::yield();
            }
            write_file(file_, content_, 0600);
        });
        auto seen = look();
        ended = true;
        other_process.join();
        return seen;
    }

 private:
    [[nodiscard]] std::filesystem::path token_file() const {
        return std::filesystem::directory_iterator(hsm_.token_directory())->path() / "token.object";
    }

    const std::filesystem::path file_;
    const std::string content_;
};

TEST_F(EmptiedToken, T4_is_found_when_its_file_is_back) {
    const auto token = token_with(shim_options());
    const auto description = with_the_file_back_after_the_first_look([&] { return token->describe(); });
    ASSERT_TRUE(description) << description.error().line();
    EXPECT_EQ(description->label, "lab");
    EXPECT_GT(calls("C_Initialize"), 1);
    EXPECT_EQ(try_login(*token).result, LoginOutcome::Result::accepted);
}

TEST_F(EmptiedToken, T4_is_listed_when_its_file_is_back) {
    const auto module = shim_options().module;
    const auto tokens = with_the_file_back_after_the_first_look([&] { return list_tokens(module); });
    ASSERT_TRUE(tokens) << tokens.error().line();
    EXPECT_EQ(tokens->size(), 1U);
}

TEST_F(EmptiedToken, T4_that_stays_so_is_absent_after_few_looks) {
    const auto absent = token_with(shim_options())->describe();
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().code(), ErrorCode::token_absent) << absent.error().line();
    EXPECT_EQ(calls("C_Initialize"), most_looks);
    EXPECT_EQ(calls("C_Finalize"), most_looks);
    EXPECT_TRUE(list_tokens(shim_options().module).value().empty());
    EXPECT_EQ(calls("C_Initialize"), 2 * most_looks);
}

// A card of another name hides nothing: the look at it costs what it did.
TEST_F(ShimTest, T4_no_second_look_where_every_token_can_be_read) {
    script("C_GetSlotList:2:size=-1");
    Pkcs11Options other = shim_options();
    other.uri = SoftHsm::token_uri("other");
    const auto absent = token_with(other)->describe();
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().code(), ErrorCode::token_absent) << absent.error().line();
    EXPECT_EQ(calls("C_Initialize"), 1);
}

TEST(RepeatedLook, ends_soon) {
    std::chrono::milliseconds all{0};
    for (const auto pause : pkcs11::RepeatedLook::pauses) {
        all += pause;
    }
    EXPECT_LE(all, std::chrono::milliseconds(300));
    pkcs11::RepeatedLook look;
    for (std::size_t i = 0; i < pkcs11::RepeatedLook::pauses.size(); ++i) {
        EXPECT_TRUE(look.again());
    }
    EXPECT_FALSE(look.again());
}

}  // namespace
}  // namespace hwenroll::keystore::test
