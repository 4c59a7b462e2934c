// The words of the configuration, each with what it means: for the reader and for whatever prints them again. Internal
// to this module.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "agent/config/configuration.h"

namespace hwenroll::config {

template <class Choice, std::size_t count>
using Words = std::array<std::pair<std::string_view, Choice>, count>;

inline constexpr Words<TokenType, 2> token_types{{{"pkcs11", TokenType::pkcs11}, {"tpm2", TokenType::tpm2}}};

inline constexpr Words<Preset, 2> presets{{{"cisco-ios", Preset::cisco_ios}, {"ndes", Preset::ndes}}};
inline constexpr Words<HttpMethod, 3> http_methods{
    {{"auto", HttpMethod::automatic}, {"get", HttpMethod::get}, {"post", HttpMethod::post}}};
inline constexpr Words<RenewalType, 3> renewal_types{
    {{"auto", RenewalType::automatic}, {"17", RenewalType::renewal_req}, {"19", RenewalType::pkcs_req}}};
inline constexpr Words<bool, 2> renewal_challenges{{{"omit", false}, {"send", true}}};
inline constexpr Words<Resync, 3> resync_steps{
    {{"same", Resync::same}, {"poll", Resync::poll}, {"new", Resync::fresh}}};
inline constexpr Words<SwitchAt, 3> switch_times{
    {{"ca-expiry", SwitchAt::ca_expiry}, {"not-before", SwitchAt::not_before}, {"now", SwitchAt::now}}};
inline constexpr Words<RaRule, 3> ra_rules{
    {{"eku", RaRule::eku}, {"pinned", RaRule::pinned}, {"issued-by-ca", RaRule::issued_by_ca}}};
inline constexpr Words<RolloverRule, 3> rollover_rules{{{"signature", RolloverRule::signature},
                                                        {"fingerprint", RolloverRule::fingerprint},
                                                        {"operator", RolloverRule::operator_}}};
inline constexpr Words<EnvelopeMode, 4> envelope_modes{{{"auto", EnvelopeMode::automatic},
                                                        {"password", EnvelopeMode::password},
                                                        {"token-rsa", EnvelopeMode::token_rsa},
                                                        {"agree", EnvelopeMode::agree}}};
inline constexpr Words<CrlSource, 3> crl_sources{
    {{"off", CrlSource::off}, {"scep", CrlSource::scep}, {"cdp", CrlSource::cdp}}};
inline constexpr Words<ChallengeEncoding, 3> challenge_encodings{{{"auto", ChallengeEncoding::automatic},
                                                                  {"printable", ChallengeEncoding::printable},
                                                                  {"utf8", ChallengeEncoding::utf8}}};
inline constexpr Words<CipherChoice, 5> cipher_choices{{{"auto", CipherChoice::automatic},
                                                        {"aes128", CipherChoice::aes128},
                                                        {"aes192", CipherChoice::aes192},
                                                        {"aes256", CipherChoice::aes256},
                                                        {"des3", CipherChoice::des3}}};
inline constexpr Words<DigestChoice, 4> digest_choices{{{"auto", DigestChoice::automatic},
                                                        {"sha256", DigestChoice::sha256},
                                                        {"sha512", DigestChoice::sha512},
                                                        {"sha1", DigestChoice::sha1}}};
inline constexpr Words<KeyTransport, 2> key_transports{{{"pkcs1", KeyTransport::pkcs1}, {"oaep", KeyTransport::oaep}}};
inline constexpr Words<bool LegacySettings::*, 4> legacy_parts{{{"des-cbc-reply", &LegacySettings::des_cbc_reply},
                                                                {"des3", &LegacySettings::des3},
                                                                {"sha1-reply", &LegacySettings::sha1_reply},
                                                                {"sha1-request", &LegacySettings::sha1_request}}};

inline constexpr Words<KeyType, 5> key_types{{{"rsa:2048", KeyType::rsa_2048},
                                              {"rsa:3072", KeyType::rsa_3072},
                                              {"rsa:4096", KeyType::rsa_4096},
                                              {"ec:p256", KeyType::ec_p256},
                                              {"ec:p384", KeyType::ec_p384}}};
inline constexpr Words<NewKey, 3> new_keys{
    {{"require", NewKey::require}, {"prefer", NewKey::prefer}, {"reuse", NewKey::reuse}}};
inline constexpr Words<AcceptSubject, 3> accept_subjects{
    {{"same-rdns", AcceptSubject::same_rdns}, {"exact", AcceptSubject::exact}, {"any", AcceptSubject::any}}};
inline constexpr Words<AcceptAltNames, 2> accept_alt_names{
    {{"superset", AcceptAltNames::superset}, {"any", AcceptAltNames::any}}};
inline constexpr Words<AcceptUsage, 2> accept_usages{{{"warn", AcceptUsage::warn}, {"require", AcceptUsage::require}}};

/// The word of `choice`; empty when it has none, as Preset::none.
template <class Choice, std::size_t count>
constexpr std::string_view word_of(const Words<Choice, count>& words, Choice choice) {
    for (const auto& [word, meaning] : words) {
        if (meaning == choice) {
            return word;
        }
    }
    return {};
}

}  // namespace hwenroll::config
