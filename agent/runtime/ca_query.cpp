#include "agent/runtime/ca_query.h"

#include <utility>

#include "agent/runtime/system_clock.h"
#include "agent/runtime/transaction_algorithms.h"

namespace hwenroll::runtime {
namespace {

/// Keeps itself as long as something is under way.
class CaQuery : public std::enable_shared_from_this<CaQuery> {
 public:
    CaQuery(const Surroundings& surroundings, std::shared_ptr<AuthorityAccess> authority, Querent querent,
            Question question, std::function<void(Result<QueryAnswer>)> done)
        : at_(surroundings),
          access_(std::move(authority)),
          querent_(std::move(querent)),
          question_(std::move(question)),
          done_(std::move(done)) {}

    void begin() {
        access_->need_for_query(question_.type, [self = shared_from_this()](const Result<SharedAuthority>& authority) {
            return authority ? self->sign(*authority) : self->end(fail(authority.error()));
        });
    }

 private:
    void sign(const SharedAuthority& authority) {
        auto drawn = draw();
        auto serial = random_octets();
        if (!drawn || !serial) {
            return end(fail(!drawn ? drawn.error() : serial.error()));
        }
        const TimePoint now = at_.clock.now();
        const bool trusted = at_.clock_trust.trusted();
        plan_ = QueryPlan{question_.type,
                          authority,
                          querent_.key,
                          querent_.certificate,
                          querent_.subject,
                          *std::move(serial),
                          question_.issuer.value_or(authority->set.issuer.subject()),
                          question_.serial,
                          scep::transaction_id_from(drawn->identifier),
                          scep::Nonce{drawn->nonce},
                          permissions_of(access_->settings().legacy, now, trusted),
                          algorithm_choice(access_->settings()),
                          challenge(*authority),
                          now,
                          trusted};
        querent_.token->use([plan = plan_](const SharedToken& token) { return sign_query(token, plan); },
                            [self = shared_from_this()](Result<SignedQuery> query) {
                                return query ? self->exchange(*query) : self->end(fail(query.error()));
                            });
    }

    /// A challenge is for enrolling; nothing else is encrypted under it unless the configuration says so.
    std::optional<config::SecretSource> challenge(const Authority& authority) const {
        const config::AuthoritySettings& settings = access_->settings();
        const bool used = settings.envelope == config::EnvelopeMode::password && !authority.without_challenge;
        return used ? settings.challenge : std::nullopt;
    }

    void exchange(const SignedQuery& query) {
        form_ = access_->form(*plan_.authority);
        access_->exchange(
            [self = shared_from_this(), message = query.message](const std::string& url) {
                return self->access_->message(url, message, self->question_.max_reply, self->form_);
            },
            [self = shared_from_this(), signer = query.signer](Result<http::Response> response) {
                if (!response) {
                    return self->end(fail(without_reply(self->form_, response.error())));
                }
                self->open(signer, *std::move(response));
            });
    }

    void open(const Certificate& signer, http::Response response) {
        scep::ParseLimits limits = parse_limits(access_->limits(), at_.clock_trust.trusted());
        limits.max_message = question_.max_reply;
        querent_.token->use([plan = QueryReplyPlan{plan_, signer, limits, form_, std::move(response)}](
                                const SharedToken& token) { return open_query_reply(token, plan); },
                            [self = shared_from_this()](Result<QueryContent> content) {
                                if (!content) {
                                    return self->end(fail(content.error()));
                                }
                                self->end(QueryAnswer{self->plan_.authority, *std::move(content)});
                            });
    }

    /// A token that is configured no more ends with its last user, which must not be on its stack then.
    void end(Result<QueryAnswer> answer) {
        at_.loop.post([self = shared_from_this()] {});
        const auto done = std::exchange(done_, nullptr);
        done(std::move(answer));
    }

    Surroundings at_;
    std::shared_ptr<AuthorityAccess> access_;
    Querent querent_;
    Question question_;
    std::function<void(Result<QueryAnswer>)> done_;
    QueryPlan plan_;
    RequestForm form_;
};

}  // namespace

void send_query(const Surroundings& surroundings, std::shared_ptr<AuthorityAccess> authority, Querent querent,
                Question question, std::function<void(Result<QueryAnswer>)> done) {
    std::make_shared<CaQuery>(surroundings, std::move(authority), std::move(querent), std::move(question),
                              std::move(done))
        ->begin();
}

}  // namespace hwenroll::runtime
