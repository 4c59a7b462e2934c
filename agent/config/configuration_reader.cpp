#include "agent/config/configuration_reader.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "agent/config/authority_match.h"
#include "agent/config/envelope_rule.h"
#include "agent/config/sections.h"
#include "agent/config/suggestion.h"
#include "agent/config/toml_excerpt.h"
#include "agent/config/value_syntax.h"

namespace hwenroll::config {
namespace {

/// One `[kind.NAME]`; the table is borrowed from a document.
struct Definition {
    Location at;
    const Table* table;
};

using Definitions = std::map<std::string, std::vector<Definition>, std::less<>>;

/// The sections of all files, sorted by kind.
struct Sections {
    Table agent;
    Location agent_at;
    Table limits;
    Location limits_at;
    Definitions tokens;
    Definitions authorities;
    Definitions identities;
};

/// Sorts the sections of the documents and reports what is no section.
class SectionCollector {
 public:
    explicit SectionCollector(Findings& findings) : findings_(&findings) {}

    void add(const Table& document) {
        for (const Entry& entry : document) {
            if (entry.key == "agent") {
                add_keys(Part::agent, entry, sections_.agent, sections_.agent_at);
            } else if (entry.key == "limits") {
                add_keys(Part::limits, entry, sections_.limits, sections_.limits_at);
            } else if (entry.key == "token") {
                add_named(entry, sections_.tokens);
            } else if (entry.key == "ca") {
                add_named(entry, sections_.authorities);
            } else if (entry.key == "identity") {
                add_named(entry, sections_.identities);
            } else {
                report_unknown(entry);
            }
        }
    }

    Sections take() { return std::move(sections_); }

 private:
    void report(Part part, const Location& at, ErrorCode code, const std::string& what, std::string next = {}) {
        findings_->push_back(make_finding(part, {}, at, code, what, {}, std::move(next)));
    }

    void report_unknown(const Entry& entry) {
        const std::string near = nearest(entry.key, {"agent", "limits", "token", "ca", "identity"});
        report(Part::file, entry.at, ErrorCode::config_key,
               fmt::format("'{}' is no section of the configuration", entry.key),
               near.empty() ? "use [agent], [limits], [token.NAME], [ca.NAME] or [identity.NAME]"
                            : fmt::format("did you mean '{}'?", near));
    }

    void add_keys(Part part, const Entry& section, Table& keys, Location& at) {
        const auto* const table = section.value.get<Table>();
        if (table == nullptr) {
            report(part, section.at, ErrorCode::config_value,
                   fmt::format("'{}' is {} instead of a section", section.key, section.value.type_text()),
                   fmt::format("write [{}] on a line of its own", section.key));
            return;
        }
        if (keys.empty()) {
            at = section.value.at();
        }
        for (const Entry& entry : *table) {
            if (const Entry* const other = find(keys, entry.key)) {
                report(part, entry.at, ErrorCode::config_value,
                       fmt::format("'{}' is set here and at {}", entry.key, other->at.text()),
                       "keep one of the two lines");
            } else {
                keys.push_back(entry);
            }
        }
    }

    void add_named(const Entry& section, Definitions& definitions) {
        const auto* const table = section.value.get<Table>();
        const auto refuse = [&](const Location& at, std::string_view what) {
            report(Part::file, at, ErrorCode::config_value, fmt::format("'{}' {}", section.key, what),
                   fmt::format("write [{}.NAME] on a line of its own", section.key));
        };
        if (table == nullptr) {
            refuse(section.at, fmt::format("is {} instead of a section", section.value.type_text()));
            return;
        }
        for (const Entry& entry : *table) {
            if (const auto* const keys = entry.value.get<Table>()) {
                definitions[entry.key].push_back({entry.at.line == 0 ? section.at : entry.at, keys});
            } else {
                refuse(entry.at, fmt::format("has '{}' outside of a named section", entry.key));
            }
        }
    }

    Findings* findings_;
    Sections sections_;
};

/// Turns the sections into settings.
class ConfigurationBuilder {
 public:
    ConfigurationBuilder(Sections sections, const HostFacts& facts, Configuration& out)
        : sections_(std::move(sections)), facts_(&facts), out_(&out) {}

    /// [agent] alone; false when it has a fault.
    bool build_agent() {
        note_origins("agent", sections_.agent);
        SectionReader agent(Part::agent, {}, "[agent]", sections_.agent, sections_.agent_at, out_->findings);
        if (const auto settings = read_agent(agent)) {
            out_->agent = *settings;
        }
        return !out_->is_disabled(Part::agent, {});
    }

    /// False when [agent] has a fault.
    bool build() {
        build_agent();
        note_origins("limits", sections_.limits);
        SectionReader limits(Part::limits, {}, "[limits]", sections_.limits, sections_.limits_at, out_->findings);
        out_->limits = read_limits(limits);
        expand_identity_names();
        for (const auto& [name, definitions] : sections_.tokens) {
            if (auto reader = reader_of(Part::token, name, definitions)) {
                keep(out_->tokens, read_token(*reader, name));
            }
        }
        for (const auto& [name, definitions] : sections_.authorities) {
            if (auto reader = reader_of(Part::authority, name, definitions)) {
                keep(out_->authorities, read_authority(*reader, name));
            }
        }
        for (const auto& [name, definitions] : sections_.identities) {
            if (auto reader = reader_of(Part::identity, name, definitions)) {
                keep(out_->identities, read_identity(*reader, name, *facts_));
                check_references(name, *reader);
            }
        }
        forget_refused_origins();
        return !out_->is_disabled(Part::agent, {});
    }

 private:
    /// The places of all keys below `table`, an inner table's by its own name.
    void note_origins(const std::string& path, const Table& table) {
        for (const Entry& entry : table) {
            const std::string inner = path + '/' + entry.key;
            if (const auto* const deeper = entry.value.get<Table>()) {
                note_origins(inner, *deeper);
            } else {
                out_->origins.emplace(inner, entry.value.at());
            }
        }
    }

    /// Where a value was refused its default is in force.
    void forget_refused_origins() {
        const auto place = [](const Location& at) { return std::tuple(at.file, at.line, at.column); };
        std::set<std::tuple<std::string, unsigned, unsigned>> refused;
        for (const Finding& finding : out_->findings) {
            refused.insert(place(finding.at));
        }
        std::erase_if(out_->origins, [&](const auto& origin) { return refused.contains(place(origin.second)); });
    }

    template <class Settings>
    static void keep(std::map<std::string, Settings, std::less<>>& map, std::optional<Settings> settings) {
        if (settings) {
            std::string name = settings->name;
            map.emplace(std::move(name), *std::move(settings));
        }
    }

    void report(Part part, const std::string& name, const Location& at, ErrorCode code, const std::string& what,
                std::string why = {}, std::string next = {}) {
        out_->findings.push_back(make_finding(part, name, at, code, what, std::move(why), std::move(next)));
    }

    /// Two names that become equal on this machine are one identity defined twice (F5).
    void expand_identity_names() {
        Definitions expanded;
        for (auto& [name, definitions] : sections_.identities) {
            const auto real = expand_variables(name, *facts_, ExpansionTarget::plain);
            if (real) {
                auto& target = expanded[*real];
                target.insert(target.end(), definitions.begin(), definitions.end());
            } else {
                report(Part::identity, name, definitions.front().at, real.error().code(),
                       fmt::format("the name '{}' {}", name, real.error().what()), {},
                       std::string(real.error().next()));
            }
        }
        sections_.identities = std::move(expanded);
    }

    /// Nothing (with a finding) when the name is not acceptable or defined twice.
    std::optional<SectionReader> reader_of(Part part, const std::string& name,
                                           const std::vector<Definition>& definitions) {
        const Definition& first = definitions.front();
        if (!is_part_name(name)) {
            report(part, name, first.at, ErrorCode::config_value, fmt::format("the name '{}' is not acceptable", name),
                   {},
                   "use lower-case letters, digits, '.', '_' and '-', at most 64, beginning with a letter or digit");
            return std::nullopt;
        }
        for (auto other = definitions.begin() + 1; other != definitions.end(); ++other) {
            report(part, name, other->at, ErrorCode::config_value,
                   fmt::format("[{}.{}] is defined here and at {}", to_text(part), name, first.at.text()), {},
                   "keep one of the two sections");
        }
        if (definitions.size() > 1) {
            return std::nullopt;
        }
        note_origins(fmt::format("{}/{}", to_text(part), name), *first.table);
        return SectionReader(part, name, fmt::format("[{}.{}]", to_text(part), name), *first.table, first.at,
                             out_->findings);
    }

    /// An identity whose CA or token is missing is disabled, whatever else is wrong with it.
    void check_references(const std::string& name, const SectionReader& reader) {
        const Definitions& identities = sections_.identities;
        const Table& table = *identities.find(name)->second.front().table;
        const bool has_ca =
            check_reference(name, table, reader.at_of("ca"), "ca", Part::authority, sections_.authorities,
                            [&](const std::string& wanted) { return out_->authorities.contains(wanted); });
        const auto is_good_token = [&](const std::string& wanted) { return out_->tokens.contains(wanted); };
        const bool has_token =
            check_reference(name, table, reader.at_of("token"), "token", Part::token, sections_.tokens, is_good_token);
        if (!has_ca || !has_token || !check_signer(name, table, is_good_token) || !check_keys(name, table) ||
            !check_envelope(name, reader) || !check_transaction_id(name, reader)) {
            out_->identities.erase(name);
        }
    }

    /// Two identities with one transactionID would take each other's answers: the first by name keeps it (MSG-4).
    bool check_transaction_id(const std::string& name, const SectionReader& reader) {
        const auto identity = out_->identities.find(name);
        if (identity == out_->identities.end()) {
            return true;
        }
        const AuthoritySettings& ca = out_->authorities.at(identity->second.ca);
        const auto takes_its_answers = [&](const auto& one) {
            const AuthoritySettings& theirs = out_->authorities.at(one.second.ca);
            return one.first != name && ca.transaction_id == theirs.transaction_id && is_same_authority(ca, theirs);
        };
        const bool fixed = ca.transaction_id.kind == TransactionIdRule::Kind::fixed;
        const auto other = std::ranges::find_if(out_->identities, takes_its_answers);
        if (!fixed || other == out_->identities.end()) {
            return true;
        }
        const std::string& theirs = other->second.ca;
        report(Part::identity, name, reader.at_of("ca"), ErrorCode::config_value,
               theirs == ca.name
                   ? fmt::format("[ca.{}] has a fixed 'txid', which [identity.{}] uses", ca.name, other->first)
                   : fmt::format("[ca.{}] and [ca.{}] are one CA and have the same fixed 'txid', which "
                                 "[identity.{}] uses",
                                 ca.name, theirs, other->first),
               "two requests under one transactionID would be taken for one",
               fmt::format("give each its own [ca.NAME] and 'txid', or set txid = \"random\" in [ca.{}]", ca.name));
        return false;
    }

    /// An object of a PKCS#11 token is looked for on no TPM, and a handle on no PKCS#11 token.
    bool check_keys(const std::string& name, const Table& table) {
        const auto identity = out_->identities.find(name);
        if (identity == out_->identities.end()) {
            return true;
        }
        const auto& settings = identity->second;
        const bool own = fits(name, table, settings.token, settings.key);
        if (!settings.signer) {
            return own;
        }
        const Table& signer = *find(table, "signer")->value.get<Table>();
        return fits(name, signer, settings.signer->token, settings.signer->key) && own;
    }

    /// An EC key needs a way for replies to reach it, and what is encrypted under the challenge one that can be read
    /// again, before anything is asked of the CA.
    bool check_envelope(const std::string& name, const SectionReader& reader) {
        const auto identity = out_->identities.find(name);
        if (identity == out_->identities.end()) {
            return true;
        }
        const auto objection = envelope_objection(identity->second, out_->authorities.at(identity->second.ca));
        if (objection) {
            report(Part::identity, name, reader.at_of("key"), objection->code, objection->what, objection->why,
                   objection->next);
        }
        return !objection;
    }

    bool fits(const std::string& name, const Table& table, const std::string& token, const KeyChoice& key) {
        const bool tpm = out_->tokens.at(token).type == TokenType::tpm2;
        const bool wrong =
            tpm ? std::holds_alternative<ExistingKey>(key) : std::holds_alternative<PersistentHandle>(key);
        if (wrong) {
            report(
                Part::identity, name, find(table, "key")->value.at(), ErrorCode::config_value,
                fmt::format("'key' names {}, and [token.{}] is of type \"{}\"",
                            tpm ? "an object of a PKCS#11 token" : "a handle of a TPM", token, tpm ? "tpm2" : "pkcs11"),
                {},
                tpm ? "name a handle, as in existing:handle:0x81010001, or a token of type \"pkcs11\""
                    : "name an object, as in existing:pkcs11:id=%9a, or a token of type \"tpm2\"");
        }
        return !wrong;
    }

    template <class IsGood>
    bool check_signer(const std::string& name, const Table& table, const IsGood& is_good_token) {
        const Entry* const entry = find(table, "signer");
        const auto* const signer = entry == nullptr ? nullptr : entry->value.get<Table>();
        const Entry* const token = signer == nullptr ? nullptr : find(*signer, "token");
        return token == nullptr ||
               check_reference(name, *signer, token->value.at(), "token", Part::token, sections_.tokens, is_good_token);
    }

    template <class IsGood>
    bool check_reference(const std::string& name, const Table& table, const Location& at, std::string_view key,
                         Part kind, const Definitions& defined, const IsGood& is_good) {
        const Entry* const entry = find(table, key);
        const std::string* const wanted = entry == nullptr ? nullptr : entry->value.get<std::string>();
        if (wanted == nullptr || is_good(*wanted)) {
            return wanted != nullptr;
        }
        if (defined.contains(*wanted)) {
            report(Part::identity, name, at, ErrorCode::config_reference,
                   fmt::format("[{}.{}], which this identity uses, is disabled", to_text(kind), *wanted), {},
                   fmt::format("correct [{}.{}]", to_text(kind), *wanted));
            return false;
        }
        std::vector<std::string> names;
        for (const auto& [known, unused] : defined) {
            names.push_back(known);
        }
        const std::string near = nearest(*wanted, names);
        report(Part::identity, name, at, ErrorCode::config_reference,
               fmt::format("there is no [{}.{}]", to_text(kind), *wanted), {},
               near.empty() ? std::string() : fmt::format("did you mean '{}'?", near));
        return false;
    }

    Sections sections_;
    const HostFacts* facts_;
    Configuration* out_;
};

/// By file in the order read, then by place.
void sort_findings(Findings& findings, const std::vector<SourceText>& sources) {
    const auto rank = [&](const Finding& finding) {
        const auto source =
            std::ranges::find_if(sources, [&](const SourceText& one) { return one.name == finding.at.file; });
        return std::tuple(source - sources.begin(), finding.at.line, finding.at.column);
    };
    std::stable_sort(findings.begin(), findings.end(),
                     [&](const Finding& a, const Finding& b) { return rank(a) < rank(b); });
}

}  // namespace

namespace {

/// Reads `sources` and has `build` make settings of them.
template <class Build>
Result<Configuration> read_with(const std::vector<SourceText>& sources, const HostFacts& facts, Build build) {
    Configuration configuration;
    std::vector<Table> documents;
    documents.reserve(sources.size());  // definitions point into them
    SectionCollector collector(configuration.findings);
    for (const SourceText& source : sources) {
        configuration.files.emplace_back(source.name);
        auto document = parse_toml(source.text, source.name);
        if (!document) {
            Finding finding = make_finding(Part::file, {}, document.error().at, ErrorCode::config_syntax,
                                           "this is not TOML", document.error().why);
            if (&source == &sources.front()) {
                return fail(std::move(finding.error));
            }
            configuration.findings.push_back(std::move(finding));
            continue;
        }
        collector.add(documents.emplace_back(*std::move(document)));
    }
    ConfigurationBuilder builder(collector.take(), facts, configuration);
    const bool agent_good = build(builder);
    sort_findings(configuration.findings, sources);
    if (!agent_good) {
        const auto fault = std::ranges::find_if(configuration.findings,
                                                [](const Finding& finding) { return finding.part == Part::agent; });
        return fail(fault->error);
    }
    return configuration;
}

}  // namespace

Result<Configuration> read_configuration(const std::vector<SourceText>& sources, const HostFacts& facts) {
    return read_with(sources, facts, [](ConfigurationBuilder& builder) { return builder.build(); });
}

Result<AgentSettings> read_agent_settings(const std::vector<SourceText>& sources) {
    std::vector<SourceText> excerpts;
    excerpts.reserve(sources.size());
    for (const SourceText& source : sources) {
        excerpts.push_back({source.name, excerpt_of(source.text, "agent").value_or(source.text)});
    }
    auto read = read_with(excerpts, {}, [](ConfigurationBuilder& builder) { return builder.build_agent(); });
    return read ? Result<AgentSettings>(std::move(read->agent)) : fail(read.error());
}

}  // namespace hwenroll::config
