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
    identity.subject_text = *expanded;
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

Result<KeyChoice> parse_existing_key(std::string_view text) {
    auto key = parse_key(text);
    if (key && std::holds_alternative<KeyType>(*key)) {
        return fail(ErrorCode::config_value, fmt::format("asks for a new key by \"{}\"", text), {},
                    "name the manufacturer's key, as in existing:handle:0x81010001");
    }
    return key;
}

void read_signer(SectionReader& reader, std::optional<SignerSettings>& signer) {
    auto inner = reader.table("signer");
    if (!inner) {
        return;
    }
    SignerSettings settings;
    if (const std::string* const token = inner->required_text("token", "\"NAME\", the NAME of a [token.NAME]")) {
        settings.token = *token;
    }
    if (inner->required_text("key", "\"existing:handle:0x81010001\"") != nullptr) {
        inner->read("key", settings.key, parse_existing_key);
    }
    if (inner->required_text("cert", "\"/etc/idevid.pem\"") != nullptr) {
        inner->read("cert", settings.certificate, parse_path);
    }
    inner->read("chain", settings.chain, parse_path);
    if (inner->finish()) {
        signer = settings;
    }
}

void read_request(SectionReader& reader, IdentitySettings& identity, const HostFacts& facts) {
    if (const std::string* const ca = reader.required_text("ca", "\"NAME\", the NAME of a [ca.NAME]")) {
        identity.ca = *ca;
    }
    if (const std::string* const token = reader.required_text("token", "\"NAME\", the NAME of a [token.NAME]")) {
        identity.token = *token;
    }
    reader.read("key", identity.key, parse_key);
    read_subject(reader, identity, facts);
    read_alt_names(reader, identity, facts);
    if (is_ec(identity.key)) {
        identity.key_usage = {"digitalSignature", "keyAgreement"};  // RFC 5480 §3: an EC key enciphers no keys
    }
    reader.read_list("key_usage", identity.key_usage, parse_key_usage);
    reader.read_list("extended_key_usage", identity.extended_key_usage, parse_extended_key_usage);
    read_signer(reader, identity.signer);
}

void read_accept(SectionReader& reader, AcceptRule& accept) {
    auto inner = reader.table("accept");
    if (!inner) {
        return;
    }
    inner->read_choice("subject", accept.subject, accept_subjects);
    inner->read_choice("san", accept.alt_names, accept_alt_names);
    inner->read_choice("usage", accept.usage, accept_usages);
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
    const bool generated = std::holds_alternative<KeyType>(identity.key);
    identity.new_key = generated ? NewKey::require : NewKey::reuse;
    reader.read_choice("new_key", identity.new_key, new_keys);
    if (!generated && identity.new_key != NewKey::reuse) {
        reader.report("new_key", ErrorCode::config_value, "asks for new keys, but 'key' names an existing one", {},
                      "use \"reuse\", or a key that is generated, as in key = \"rsa:2048\"");
    }
    read_poll(reader, identity.poll);
    read_accept(reader, identity.accept);
}

void read_verify(SectionReader& verify, IdentitySettings& identity) {
    verify.read("tls", identity.verify_tls, parse_host_port);
    verify.read_command("command", identity.verify_command);
    const bool has_tls = verify.find("tls") != nullptr;
    const bool has_command = verify.find("command") != nullptr;
    if (has_tls && has_command) {
        verify.report("command", ErrorCode::config_value, "is set beside 'tls'", {}, "keep one of the two");
        identity.verify_tls.clear();
        identity.verify_command.clear();
    } else if (verify.finish() && !has_tls && !has_command) {
        verify.report_at(verify.at(), ErrorCode::config_missing,
                         fmt::format("{} has neither 'tls' nor 'command'", verify.title()), {},
                         "write it as in verify = { tls = \"127.0.0.1:443\" }");
    }
}

void read_deployment(SectionReader& reader, IdentitySettings& identity) {
    reader.read_commands("on_change", identity.on_change);
    if (auto verify = reader.table("verify")) {
        read_verify(*verify, identity);
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
