// [identity.*].
#include <chrono>

#include <fmt/format.h>

#include "agent/config/sections.h"
#include "agent/config/value_syntax.h"

namespace hwenroll::config {
namespace {

using std::chrono::hours;

void read_subject(SectionReader& reader, IdentitySettings& identity, const HostFacts& facts) {
    const std::string* const written = reader.required_text("subject", "\"CN=web01.example.com,O=Example\"");
    if (written == nullptr) {
        return;
    }
    const auto expanded = expand_variables(*written, facts, ExpansionTarget::distinguished_name);
    if (!expanded) {
        reader.report("subject", expanded.error().code(), expanded.error().what(), {},
                      std::string(expanded.error().next()));
        return;
    }
    auto subject = DistinguishedName::from_text(*expanded);
    if (!subject) {
        reader.report("subject", ErrorCode::config_value, "is not acceptable: " + subject.error().what(),
                      subject.error().why(), std::string(subject.error().next()));
        return;
    }
    identity.subject = *std::move(subject);
}

void read_alt_names(SectionReader& reader, IdentitySettings& identity, const HostFacts& facts) {
    for (const auto& [written, at] : reader.texts("san")) {
        const auto expanded = expand_variables(written, facts, ExpansionTarget::plain);
        const auto name = expanded ? parse_alt_name(*expanded) : expanded;
        if (name) {
            identity.subject_alt_names.push_back(*name);
        } else {
            reader.report_at(at, name.error().code(), "'san' " + name.error().what(), {},
                             std::string(name.error().next()));
        }
    }
}

void read_request(SectionReader& reader, IdentitySettings& identity, const HostFacts& facts) {
    if (const std::string* const ca = reader.required_text("ca", "\"NAME\", the NAME of a [ca.NAME]")) {
        identity.ca = *ca;
    }
    if (const std::string* const token = reader.required_text("token", "\"NAME\", the NAME of a [token.NAME]")) {
        identity.token = *token;
    }
    reader.read_choice<KeyType>("key", identity.key, {{"rsa:2048", KeyType::rsa_2048}, {"rsa:3072", KeyType::rsa_3072}},
                                {"rsa:4096", "ec:p256", "ec:p384", "existing:*"});
    read_subject(reader, identity, facts);
    read_alt_names(reader, identity, facts);
    reader.read_list("key_usage", identity.key_usage, parse_key_usage);
    reader.read_list("extended_key_usage", identity.extended_key_usage, parse_extended_key_usage);
    reader.not_yet("signer");
}

void read_accept(SectionReader& reader, AcceptRule& accept) {
    auto inner = reader.table("accept");
    if (!inner) {
        return;
    }
    inner->read_choice<AcceptSubject>(
        "subject", accept.subject,
        {{"same-rdns", AcceptSubject::same_rdns}, {"exact", AcceptSubject::exact}, {"any", AcceptSubject::any}});
    inner->read_choice<AcceptAltNames>("san", accept.alt_names,
                                       {{"superset", AcceptAltNames::superset}, {"any", AcceptAltNames::any}});
    inner->read_choice<AcceptUsage>("usage", accept.usage,
                                    {{"warn", AcceptUsage::warn}, {"require", AcceptUsage::require}});
    inner->finish();
}

void read_poll(SectionReader& reader, PollSchedule& poll) {
    auto inner = reader.table("poll");
    if (!inner) {
        return;
    }
    inner->read_duration<Seconds>("start", poll.start, parse_seconds, Seconds(1), hours(24));
    inner->read_duration<Seconds>("max", poll.max, parse_seconds, Seconds(1), hours(7 * 24));
    inner->read_duration<Seconds>("give_up", poll.give_up, parse_seconds, Seconds(1), hours(365 * 24));
    if (const Value* const value = inner->find("factor")) {
        const auto* const whole = value->get<std::int64_t>();
        const auto* const fraction = value->get<double>();
        const double factor = whole != nullptr ? static_cast<double>(*whole) : fraction != nullptr ? *fraction : 0;
        if (factor >= 1 && factor <= 10) {
            poll.factor = factor;
        } else {
            inner->report("factor", ErrorCode::config_value, "is no number from 1 to 10");
        }
    }
    if (poll.start > poll.max || poll.max > poll.give_up) {
        inner->report_at(inner->at(), ErrorCode::config_value,
                         fmt::format("{} is not in the order start, max, give_up", inner->title()));
    }
    inner->finish();
}

void read_renewal(SectionReader& reader, IdentitySettings& identity) {
    reader.read("renew_at", identity.renew_at, parse_lifetime_point);
    if (const std::string* const jitter = reader.text("renew_jitter")) {
        const auto percent = parse_percent(*jitter);
        identity.renew_jitter_percent = percent ? percent->value : 0;
        if (*jitter != "0%" && (!percent || percent->value > 25)) {
            reader.report("renew_jitter", ErrorCode::config_value, "is no percentage from 0% to 25%");
        }
    }
    reader.read_choice<NewKey>("new_key", identity.new_key,
                               {{"require", NewKey::require}, {"prefer", NewKey::prefer}, {"reuse", NewKey::reuse}});
    read_poll(reader, identity.poll);
    read_accept(reader, identity.accept);
}

void read_deployment(SectionReader& reader, IdentitySettings& identity) {
    reader.read_commands("on_change", identity.on_change);
    if (auto verify = reader.table("verify")) {
        verify->read("tls", identity.verify_tls, parse_host_port);
        verify->finish();
    }
    reader.read_duration<Seconds>("retire_after", identity.retire_after, parse_seconds, Seconds(0), hours(366 * 24));
    reader.read("activate_window", identity.activate_window, parse_activate_window);
    reader.read("activate_by", identity.activate_by, parse_lifetime_point);
    reader.read("group", identity.group, parse_group);
    reader.read("mode", identity.mode, parse_mode);
}

}  // namespace

std::optional<IdentitySettings> read_identity(SectionReader& reader, std::string_view name, const HostFacts& facts) {
    IdentitySettings identity;
    identity.name = name;
    read_request(reader, identity, facts);
    read_renewal(reader, identity);
    read_deployment(reader, identity);
    return reader.finish() ? std::optional(identity) : std::nullopt;
}

}  // namespace hwenroll::config
