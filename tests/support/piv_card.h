// A PIV card in software (NIST SP 800-73-4), as far as OpenSC asks one.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/openssl_ptr.h"

namespace hwenroll::test {

/// The keys of the card, by their key references (SP 800-73-4 part 1, table 4b).
enum class PivKey : std::uint8_t {
    authentication = 0x9A,       ///< RSA; one VERIFY serves until the card is reset ("PIN once")
    signature = 0x9C,            ///< RSA; each use needs a VERIFY of its own ("PIN always")
    management = 0x9D,           ///< EC P-256, if there; agrees on secrets ("PIN once")
    card_authentication = 0x9E,  ///< EC P-256, if there; signs without a VERIFY
};

/// How a card is made.
struct PivCardSetup {
    std::uint8_t number = 1;  ///< fills the GUID, from which OpenSC makes the serial number
    std::string pin = "123456";
    int tries = 3;
    bool ec_keys = false;  ///< PivKey::management and PivKey::card_authentication too
};

/// Two RSA-2048 keys, or four with two EC keys, with a self-signed certificate each, since OpenSC shows no key without
/// one; one PIN with a counter of tries. The key pairs are made with the card. Thread-safe: the reader asks, the test
/// looks and interferes.
class PivCard {
 public:
    explicit PivCard(const PivCardSetup& setup = {});

    /// Answer to reset (ISO 7816-3), for a card with EC keys with historical bytes (ISO 7816-4 §12.1.1): OpenSC does
    /// not believe in EC keys of a card without.
    [[nodiscard]] Bytes answer_to_reset() const;

    /// Power-up or reset: every VERIFY is forgotten.
    void reset();

    /// The response to a command APDU; nothing when the card is pulled out instead of answering.
    std::optional<Bytes> answer(ByteView command);

    /// The public key as a SubjectPublicKeyInfo.
    [[nodiscard]] Bytes public_key(PivKey key) const;

    [[nodiscard]] int tries_left() const;
    [[nodiscard]] int pins_presented() const;  ///< VERIFY commands with a PIN
    [[nodiscard]] int pins_refused() const;
    [[nodiscard]] int uses(PivKey key) const;  ///< private operations that were done

    /// What another program does to the card meanwhile.
    void change_pin(const std::string& pin);
    void lose_tries(int count);

    /// The next private operation finds the card pulled out.
    void leave_at_next_use();

 private:
    struct KeyPair {
        OpenSslPtr<EVP_PKEY> pair;
        int uses = 0;
    };

    /// How a key is made, and the last octet of its certificate's tag (SP 800-73-4 part 1, table 3).
    struct KeyPlan {
        PivKey reference;
        std::uint8_t object;
        const char* name;
        const char* usage;
    };
    void make_key(const KeyPlan& plan);
    Bytes execute(ByteView command);
    Bytes select(std::uint8_t how, ByteView name);
    Bytes get_data(ByteView request);
    Bytes verify(ByteView pin);
    Bytes authenticate(std::uint8_t reference, ByteView request);
    Bytes next_part(std::size_t expected);

    mutable std::mutex mutex_;
    std::string pin_;
    const int most_tries_;
    const bool has_ec_keys_;
    int tries_;
    int presented_ = 0;
    int refused_ = 0;
    bool verified_ = false;          ///< since the last reset
    bool verified_for_one_ = false;  ///< since the last use of the signature key
    bool leaving_ = false;           ///< leave_at_next_use
    bool left_ = false;              ///< pulled out during the command at hand
    std::map<PivKey, KeyPair> keys_;
    std::map<std::string, Bytes> objects_;  ///< by tag, upper-case hexadecimal
    Bytes chained_;                         ///< data of the commands of a chain so far (ISO 7816-4 §5.3.3)
    Bytes waiting_;                         ///< response data for GET RESPONSE
};

}  // namespace hwenroll::test
