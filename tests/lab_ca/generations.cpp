#include "tests/lab_ca/generations.h"

namespace hwenroll::lab_ca {
namespace {

constexpr int max_made_at_once = 32;

std::string name_of_generation(std::size_t number) {
    return number == 1 ? "ca" : "ca-" + std::to_string(number);
}

}  // namespace

Result<Generations> Generations::open(std::filesystem::path directory, RolloverPolicy policy, TimePoint now,
                                      const FirstAuthority& first) {
    if (policy.auto_rollover && *policy.auto_rollover >= policy.lifetime) {
        return fail(ErrorCode::config_value, "the next CA would appear before its predecessor begins", {},
                    "let --auto-rollover be less than --ca-lifetime");
    }
    Generations out(std::move(directory), std::move(policy));
    const RolloverPolicy& terms = out.policy_;
    Status added = out.add(AuthorityTerms{.not_before = now - terms.backdate,
                                          .not_after = now + terms.lifetime,
                                          .ec_key = terms.ec_key || first.ec_key,
                                          .issuer = first.issuer});
    while (added &&
           std::filesystem::exists(out.directory_ / (name_of_generation(out.generations_.size() + 1) + ".pem"))) {
        added = out.add({});
    }
    if (!added) {
        return fail(added.error());
    }
    if (const Status advanced = out.advance(now); !advanced) {
        return fail(advanced.error());
    }
    return out;
}

Status Generations::add(const AuthorityTerms& terms) {
    auto authority = Authority::open(directory_, name_of_generation(generations_.size() + 1), terms);
    if (!authority) {
        return fail(authority.error());
    }
    generations_.push_back(*std::move(authority));
    return {};
}

Status Generations::advance(TimePoint now) {
    for (int made = 0; policy_.auto_rollover && made < max_made_at_once; ++made) {
        const Certificate& last = generations_.back().certificate();
        const TimePoint appears = last.not_after() - *policy_.auto_rollover;
        if (now < appears) {
            return {};
        }
        const TimePoint counted_from =
            policy_.next_lifetime == NextCaLifetime::from_switch ? last.not_after() : appears;
        const std::string subject = policy_.next_subject.empty() ? last.subject().text() : policy_.next_subject;
        if (Status added = add({appears, counted_from + policy_.lifetime, subject, policy_.ec_key}); !added) {
            return added;
        }
    }
    return {};
}

std::size_t Generations::current(TimePoint now) const {
    std::size_t number = generations_.size();
    while (number > 1 && now < begins(number)) {
        --number;
    }
    return number;
}

std::optional<std::size_t> Generations::next(TimePoint now) const {
    const std::size_t following = current(now) + 1;
    if (following > generations_.size() || now < at(following).certificate().not_before()) {
        return std::nullopt;
    }
    return following;
}

TimePoint Generations::begins(std::size_t number) const {
    return number == 1 ? at(1).certificate().not_before()
                       : at(number - 1).certificate().not_after() - policy_.switch_early;
}

std::vector<Certificate> Generations::certificates() const {
    std::vector<Certificate> out;
    for (const Authority& generation : generations_) {
        out.push_back(generation.certificate());
    }
    return out;
}

}  // namespace hwenroll::lab_ca
