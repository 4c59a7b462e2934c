#include "agent/config/effective_configuration.h"

#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "agent/config/value_text.h"
#include "agent/config/words.h"

namespace hwenroll::config {
namespace {

/// Writes the keys of one section in the order of the calls.
class SectionWriter {
 public:
    SectionWriter(const Origins& origins, std::string path) : origins_(&origins), path_(std::move(path)) {}

    void add(const std::string& key, Value::Content content) {
        const Location at = place_of(key);
        keys_.push_back(Entry{key, at, Value(std::move(content), at)});
    }
    void text(const std::string& key, std::string text) { add(key, std::move(text)); }

    /// Not set when it is empty.
    void optional_text(const std::string& key, std::string text) {
        if (text.empty()) {
            add(key, OtherValue{});
        } else {
            add(key, std::move(text));
        }
    }
    void flag(const std::string& key, bool value) { add(key, value); }
    template <class Number>
    void number(const std::string& key, Number value) {
        add(key, static_cast<std::int64_t>(value));
    }
    template <class Choice, std::size_t count>
    void word(const std::string& key, const Words<Choice, count>& words, Choice choice) {
        optional_text(key, std::string(word_of(words, choice)));
    }
    void source(const std::string& key, const std::optional<SecretSource>& source) {
        optional_text(key, source ? source->text() : std::string());
    }
    void list(const std::string& key, const std::vector<std::string>& texts) { add(key, array_of(texts)); }

    /// Not set when it is empty, where an empty list is no value of the key.
    void optional_list(const std::string& key, const std::vector<std::string>& texts) {
        if (texts.empty()) {
            add(key, OtherValue{});
        } else {
            list(key, texts);
        }
    }
    void fingerprints(const std::string& key, const std::vector<Bytes>& pins) {
        std::vector<std::string> texts;
        texts.reserve(pins.size());
        for (const Bytes& pin : pins) {
            texts.push_back(fingerprint_text(pin));
        }
        optional_list(key, texts);
    }
    void commands(const std::string& key, const std::vector<Command>& commands) {
        Array array;
        for (const Command& command : commands) {
            array.emplace_back(array_of(command), Location{});
        }
        add(key, std::move(array));
    }
    [[nodiscard]] SectionWriter inner(const std::string& key) const { return {*origins_, path_ + '/' + key}; }
    void add_inner(const std::string& key, SectionWriter inner) { add(key, inner.take()); }

    Table take() { return std::move(keys_); }

 private:
    static Array array_of(const std::vector<std::string>& texts) {
        Array array;
        for (const std::string& text : texts) {
            array.emplace_back(text, Location{});
        }
        return array;
    }

    [[nodiscard]] Location place_of(const std::string& key) const {
        const auto found = origins_->find(path_ + '/' + key);
        return found == origins_->end() ? Location{"default", 0, 0} : found->second;
    }

    const Origins* origins_;
    std::string path_;
    Table keys_;
};

void write(SectionWriter& out, const AgentSettings& agent) {
    out.text("state_dir", agent.state_dir.string());
    out.text("runtime_dir", agent.runtime_dir.string());
    out.text("publish_dir", agent.publish_dir.string());
    out.optional_list("on_alert", agent.on_alert);
    out.text("admin_group", agent.admin_group);
    out.text("history_keep", duration_text(agent.history_keep));
}

void write(SectionWriter& out, const LimitSettings& limits) {
    out.text("connect_timeout", duration_text(limits.connect_timeout));
    out.text("exchange_timeout", duration_text(limits.exchange_timeout));
    out.number("max_caps_bytes", limits.max_caps_bytes);
    out.number("max_reply_bytes", limits.max_reply_bytes);
    out.number("max_crl_bytes", limits.max_crl_bytes);
    out.number("max_certificates", limits.max_certificates);
    out.number("max_rsa_bits", limits.max_rsa_bits);
    out.number("max_exponent_bits", limits.max_exponent_bits);
    out.number("max_asn1_depth", limits.max_asn1_depth);
    out.number("max_path", limits.max_path);
    out.number("max_redirects", limits.max_redirects);
    out.text("retry_after_min", duration_text(limits.retry_after_min));
    out.text("retry_after_max", duration_text(limits.retry_after_max));
    out.number("max_pbkdf2", limits.max_pbkdf2);
    out.number("max_get_url", limits.max_get_url);
    out.text("min_lifetime", duration_text(limits.min_lifetime));
    out.text("rollover_tolerance", duration_text(limits.rollover_tolerance));
    out.text("clock_skew", duration_text(limits.clock_skew));
}

void write(SectionWriter& out, const TokenSettings& token) {
    out.word("type", token_types, token.type);
    if (token.type == TokenType::pkcs11) {
        out.text("module", token.module.string());
        out.text("uri", token.uri);
        out.source("pin", token.pin);
    } else {
        out.text("tcti", token.tcti);
        out.source("auth", token.auth);
        out.text("storage", to_text(token.storage));
    }
    out.flag("network", token.network);
    out.text("deadline_login", duration_text(token.deadline_login));
    out.text("deadline_use", duration_text(token.deadline_use));
    out.text("deadline_generate", duration_text(token.deadline_generate));
}

void write_legacy(SectionWriter& out, const LegacySettings& legacy) {
    std::vector<std::string> parts;
    for (const auto& [word, part] : legacy_parts) {
        if (legacy.*part) {
            parts.emplace_back(word);
        }
    }
    if (!legacy.until) {
        out.optional_list("legacy", parts);
        out.add("legacy_until", OtherValue{});
        return;
    }
    out.list("legacy", parts);
    out.add("legacy_until",
            std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(*legacy.until - std::chrono::days(1))));
}

void write(SectionWriter& out, const AuthoritySettings& authority) {
    out.word("preset", presets, authority.preset);
    out.list("url", authority.urls);
    out.fingerprints("fingerprint", authority.fingerprints);
    out.source("challenge", authority.challenge);
    out.word("challenge_encoding", challenge_encodings, authority.challenge_encoding);
    out.optional_text("identifier", authority.identifier);
    out.word("ra", ra_rules, authority.ra);
    out.fingerprints("ra_fingerprints", authority.ra_fingerprints);
    out.word("rollover", rollover_rules, authority.rollover);
    out.fingerprints("next_fingerprint", authority.next_fingerprints);
    out.word("switch_at", switch_times, authority.switch_at);
    out.word("http", http_methods, authority.http);
    out.word("renewal_type", renewal_types, authority.renewal_type);
    out.word("renewal_challenge", renewal_challenges, authority.renewal_sends_challenge);
    out.text("txid", to_text(authority.transaction_id));
    out.text("resync", to_text(authority.resync));
    out.word("envelope", envelope_modes, authority.envelope);
    out.word("crl", crl_sources, authority.crl);
    out.word("cipher", cipher_choices, authority.cipher);
    out.word("digest", digest_choices, authority.digest);
    out.word("key_transport", key_transports, authority.key_transport);
    write_legacy(out, authority.legacy);
    out.optional_text("proxy", authority.proxy);
    out.optional_text("tls_ca", authority.tls_ca.string());
    out.optional_text("bind", authority.bind);
}

void write_accept(SectionWriter& out, const AcceptRule& accept) {
    SectionWriter inner = out.inner("accept");
    inner.word("subject", accept_subjects, accept.subject);
    inner.word("san", accept_alt_names, accept.alt_names);
    inner.word("usage", accept_usages, accept.usage);
    out.add_inner("accept", std::move(inner));
}

void write_poll(SectionWriter& out, const PollSchedule& poll) {
    SectionWriter inner = out.inner("poll");
    inner.text("start", duration_text(poll.start));
    inner.add("factor", poll.factor);
    inner.text("max", duration_text(poll.max));
    inner.text("give_up", duration_text(poll.give_up));
    out.add_inner("poll", std::move(inner));
}

void write_verify(SectionWriter& out, const IdentitySettings& identity) {
    if (identity.verify_tls.empty() && identity.verify_command.empty()) {
        return out.add("verify", OtherValue{});
    }
    SectionWriter inner = out.inner("verify");
    inner.optional_text("tls", identity.verify_tls);
    inner.optional_list("command", identity.verify_command);
    out.add_inner("verify", std::move(inner));
}

void write_signer(SectionWriter& out, const std::optional<SignerSettings>& signer) {
    if (!signer) {
        return out.add("signer", OtherValue{});
    }
    SectionWriter inner = out.inner("signer");
    inner.text("token", signer->token);
    inner.text("key", to_text(signer->key));
    inner.text("cert", signer->certificate.string());
    inner.optional_text("chain", signer->chain.string());
    out.add_inner("signer", std::move(inner));
}

void write(SectionWriter& out, const IdentitySettings& identity) {
    out.text("ca", identity.ca);
    out.text("token", identity.token);
    out.text("key", to_text(identity.key));
    out.text("subject", identity.subject_text);
    out.list("san", identity.subject_alt_names);
    out.list("key_usage", identity.key_usage);
    out.list("extended_key_usage", identity.extended_key_usage);
    out.text("renew_at", to_text(identity.renew_at));
    out.text("renew_jitter", fmt::format("{}%", identity.renew_jitter_percent));
    out.word("new_key", new_keys, identity.new_key);
    write_poll(out, identity.poll);
    write_accept(out, identity.accept);
    out.commands("on_change", identity.on_change);
    write_verify(out, identity);
    write_signer(out, identity.signer);
    out.text("retire_after", duration_text(identity.retire_after));
    out.optional_text("activate_window", identity.activate_window ? to_text(*identity.activate_window) : std::string());
    out.text("activate_by", to_text(identity.activate_by));
    out.optional_text("group", identity.group);
    out.text("mode", fmt::format("{:04o}", identity.mode));
}

template <class Settings>
Table section(const Origins& origins, const std::string& path, const Settings& settings) {
    SectionWriter out(origins, path);
    write(out, settings);
    return out.take();
}

template <class Settings>
Table sections(const Origins& origins, const std::string& kind,
               const std::map<std::string, Settings, std::less<>>& parts) {
    Table table;
    table.reserve(parts.size());
    for (const auto& [name, settings] : parts) {
        table.push_back(Entry{name, {}, Value(section(origins, fmt::format("{}/{}", kind, name), settings), {})});
    }
    return table;
}

}  // namespace

Table effective(const Configuration& configuration) {
    const Origins& origins = configuration.origins;
    Table document;
    const auto add = [&](const char* kind, Table table) {
        if (!table.empty()) {
            document.push_back(Entry{kind, {}, Value(std::move(table), {})});
        }
    };
    add("agent", section(origins, "agent", configuration.agent));
    add("limits", section(origins, "limits", configuration.limits));
    add("token", sections(origins, "token", configuration.tokens));
    add("ca", sections(origins, "ca", configuration.authorities));
    add("identity", sections(origins, "identity", configuration.identities));
    return document;
}

}  // namespace hwenroll::config
