// What is held of a CA and the time: it is judged again when that on which the judgement hung has changed.
#include "agent/runtime/authority_access.h"

#include <cstdlib>

#include <gmock/gmock.h>

#include "tests/http/exchange_fixture.h"
#include "tests/scep/request/test_pki.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::runtime {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

/// Shows `later` as soon as `is_late` says so.
class TwoTimes final : public Clock {
 public:
    TwoTimes(TimePoint now, TimePoint later) : now_(now), later_(later) {}
    [[nodiscard]] TimePoint now() const override { return is_late && is_late() ? later_ : now_; }
    std::function<bool()> is_late;

 private:
    TimePoint now_;
    TimePoint later_;
};

/// A CA with an RA whose certificate it has signed with SHA-1, and a permission for that which is about to end.
class HeldAuthority : public testing::Test {
 protected:
    HeldAuthority() {
        // So that the clock is trusted whatever the machine's is.
        ::setenv("HWENROLL_CLOCK_FILE", (directory_ / "unused").c_str(), 1);
        EXPECT_TRUE(clock_trust_.look());
        EXPECT_TRUE(clock_trust_.trusted()) << clock_trust_.why();
        ::unsetenv("HWENROLL_CLOCK_FILE");
        loop_->serve(client_);
    }

    static Certificate sha1_ra(const Certificate& ca, const test::Key& ca_key) {
        test::CertificateSpec spec = test::ra_spec("CN=RA", "digitalSignature,keyEncipherment");
        spec.digest = EVP_sha1();
        spec.serial = 2;
        return test::issued(spec, test::rsa_key(2), ca, ca_key);
    }

    static std::string certificates_reply(const std::vector<Certificate>& certificates) {
        const Bytes body = test::certificates_only(certificates);
        return test::reply(200, as_text(body), "Content-Type: application/x-x509-ca-ra-cert\r\n");
    }

    std::vector<Certificate> signers(AuthorityAccess& access) {
        std::vector<Certificate> signers;
        loop_->post([&] {
            access.need([&](const Result<std::shared_ptr<const Authority>>& authority) {
                EXPECT_TRUE(authority) << authority.error().line();
                signers = authority ? (*authority)->set.signers : signers;
                loop_->stop();
            });
        });
        EXPECT_TRUE(loop_->run());
        return signers;
    }

    const test::TemporaryDirectory directory_;
    const test::Key key_ = test::rsa_key(1);
    const Certificate ca_ = test::self_signed(test::ca_spec("CN=CA"), key_);
    const Certificate ra_ = sha1_ra(ca_, key_);
    const TimePoint end_ = test::present() + Seconds(1);
    TwoTimes clock_{test::present(), end_};
    observe::Log log_{observe::Log::Target::quiet};
    std::unique_ptr<EventLoop> loop_ = EventLoop::make([] {}).value();
    store::Store store_ = store::Store::open(directory_ / "state", {}).value();
    ClockTrust clock_trust_{store_, clock_};
    http::Client client_{*loop_, "hwenroll-test/1"};
};

TEST_F(HeldAuthority, SIG_15_C27_is_judged_again_where_the_permission_ends_while_its_first_judgement_is_committed) {
    const test::ScriptedServer server({test::answer(test::reply(200, "AES\nSHA-256\nPOSTPKIOperation\n")),
                                       test::answer(certificates_reply({ca_, ra_}))});
    config::AuthoritySettings settings;
    settings.name = "ca";
    settings.urls = {server.url()};
    settings.fingerprints = {ca_.fingerprint()};
    settings.legacy.sha1_reply = true;
    settings.legacy.until = end_;
    const auto access = std::make_shared<AuthorityAccess>(Surroundings{*loop_, store_, clock_, log_, clock_trust_},
                                                          client_, settings, config::LimitSettings());
    clock_.is_late = [this] {
        const auto stored = store_.authority("ca");
        return stored && stored->current;
    };
    EXPECT_THAT(signers(*access), UnorderedElementsAre(ca_, ra_)) << "judged before the end";
    ASSERT_EQ(clock_.now(), end_);
    EXPECT_THAT(signers(*access), ElementsAre(ca_)) << "and again after it";
}

}  // namespace
}  // namespace hwenroll::runtime
