#include "keystore/pkcs11/token_keys.h"

#include <algorithm>

#include <fmt/format.h>

namespace hwenroll::keystore::pkcs11 {

namespace {

constexpr int sign_tries = 3;  // T15
constexpr int one_try = 1;

std::size_t modulus_size(const KeyReference& key) {
    return (static_cast<std::size_t>(key.public_key.bits()) + 7) / 8;
}

}  // namespace

TokenKeys::TokenKeys(std::string name, std::shared_ptr<Module> module, Slot slot, Session session, bool login_done)
    : name_(std::move(name)),
      module_(std::move(module)),
      slot_(slot),
      session_(std::move(session)),
      login_done_(login_done) {}

tl::unexpected<TokenKeys::Problem> TokenKeys::problem(const char* doing, const CallFailure& failure) const {
    return tl::unexpected(Problem{
        Error(code_of(failure.rv), fmt::format("token '{}' cannot {}", name_, doing), failure.text()), failure.rv});
}

tl::unexpected<TokenKeys::Problem> TokenKeys::problem(ErrorCode code, const std::string& what, std::string why,
                                                      std::string next) const {
    return tl::unexpected(
        Problem{Error(code, fmt::format("token '{}' {}", name_, what), std::move(why), std::move(next)), CKR_OK});
}

/// Runs `attempt` until it succeeds, at most `tries` times through failures that may pass, and once more in a new
/// session after a stale session or handle.
template <class T>
Result<T> TokenKeys::recovering(int tries, const std::function<Attempt<T>()>& attempt) {
    bool was_stale = false;
    for (int done = 1;; ++done) {
        if (session_spoiled_) {
            if (const Status renewed = renew_session(Error(ErrorCode::token_operation, {})); !renewed) {
                return fail(renewed.error());
            }
        }
        Attempt<T> outcome = attempt();
        if (outcome) {
            if constexpr (std::is_void_v<T>) {
                return {};
            } else {
                return *std::move(outcome);
            }
        }
        const CK_RV rv = outcome.error().rv;
        const bool stale = is_stale(rv) && !was_stale;
        if (!stale && !(is_transient(rv) && done < tries)) {
            return fail(std::move(outcome.error().error));
        }
        was_stale = was_stale || stale;
        if (Status renewed = renew_session(outcome.error().error); !renewed) {
            return fail(std::move(renewed.error()));
        }
    }
}

/// The new session is opened before the old one is closed: closing the last session would end the login.
Status TokenKeys::renew_session(const Error& reason) {
    const auto lost = [&](const CallFailure& failure) {
        return fail(code_of(failure.rv), fmt::format("token '{}' cannot open a new session", name_), failure.text());
    };
    known_.clear();
    auto fresh = Session::open(module_, slot_.number);
    if (!fresh) {
        return lost(fresh.error());
    }
    if (login_done_) {
        const auto logged_in = fresh->is_logged_in();
        if (!logged_in) {
            return lost(logged_in.error());
        }
        if (!*logged_in) {
            login_lost_ = true;
            return fail(ErrorCode::token_operation, fmt::format("token '{}' has ended the login", name_), reason.why(),
                        "logging in again in a new worker");
        }
    }
    session_ = *std::move(fresh);
    session_spoiled_ = false;
    return {};
}

TokenKeys::Attempt<std::vector<CK_OBJECT_HANDLE>> TokenKeys::halves(CK_OBJECT_CLASS half, const KeyId& id) {
    auto found = session_.find(key_search(half, &id));
    if (!found) {
        return problem("search its keys", found.error());
    }
    return *std::move(found);
}

/// The only private key with this id; more than one is somebody else's doing (T19).
TokenKeys::Attempt<std::optional<CK_OBJECT_HANDLE>> TokenKeys::private_half(const KeyId& id) {
    const auto found = halves(CKO_PRIVATE_KEY, id);
    if (!found) {
        return tl::unexpected(found.error());
    }
    if (found->size() > 1) {
        return problem(ErrorCode::token_ambiguous,
                       fmt::format("holds {} private keys with id {}", found->size(), to_hex(id.value)), {},
                       "remove or rename the foreign key; 'hwenroll token keys' lists them");
    }
    return found->empty() ? std::nullopt : std::optional(found->front());
}

TokenKeys::Attempt<KeyDescription> TokenKeys::read(CK_OBJECT_HANDLE handle, const KeyId& id) {
    auto description = read_key(session_, slot_.token, handle);
    if (!description) {
        return problem("read a key's attributes", description.error());
    }
    if (!*description) {
        return problem(ErrorCode::token_operation,
                       fmt::format("holds key {} of a kind that is not supported", to_hex(id.value)),
                       "no RSA public key can be read");
    }
    return **std::move(description);
}

void TokenKeys::remember(const KeyReference& key, CK_OBJECT_HANDLE handle) {
    std::erase_if(known_, [&](const KnownKey& known) { return known.key.id == key.id; });
    known_.push_back(KnownKey{key, handle});
}

/// A handle found anew is taken only with the expected public key behind it (T7).
TokenKeys::Attempt<CK_OBJECT_HANDLE> TokenKeys::handle_of(const KeyReference& key) {
    auto known =
        std::find_if(known_.begin(), known_.end(), [&](const KnownKey& each) { return each.key.id == key.id; });
    if (known == known_.end()) {
        const auto handle = private_half(key.id);
        if (!handle) {
            return tl::unexpected(handle.error());
        }
        if (!*handle) {
            return problem(ErrorCode::token_key_missing, fmt::format("has no key with id {}", to_hex(key.id.value)));
        }
        const auto description = read(**handle, key.id);
        if (!description) {
            return tl::unexpected(description.error());
        }
        remember(description->key, **handle);
        known = known_.end() - 1;
    }
    if (known->key.public_key != key.public_key) {
        return problem(ErrorCode::token_key_mismatch,
                       fmt::format("has another public key under id {}", to_hex(key.id.value)));
    }
    return known->handle;
}

Result<std::vector<KeyDescription>> TokenKeys::list() {
    using Keys = std::vector<KeyDescription>;
    return recovering<Keys>(one_try, [&]() -> Attempt<Keys> {
        const auto found = session_.find(key_search(CKO_PRIVATE_KEY, nullptr));
        if (!found) {
            return problem("list its keys", found.error());
        }
        Keys keys;
        for (const CK_OBJECT_HANDLE handle : *found) {
            auto description = read_key(session_, slot_.token, handle);
            if (!description) {
                return problem("read a key's attributes", description.error());
            }
            if (*description) {
                keys.push_back(**std::move(description));
            }
        }
        return keys;
    });
}

Result<std::optional<KeyDescription>> TokenKeys::find(const KeyId& id) {
    using Found = std::optional<KeyDescription>;
    return recovering<Found>(one_try, [&]() -> Attempt<Found> {
        const auto handle = private_half(id);
        if (!handle) {
            return tl::unexpected(handle.error());
        }
        if (!*handle) {
            return std::nullopt;
        }
        const auto public_halves = halves(CKO_PUBLIC_KEY, id);
        if (!public_halves) {
            return tl::unexpected(public_halves.error());
        }
        if (public_halves->empty()) {
            return std::nullopt;
        }
        auto description = read(**handle, id);
        if (!description) {
            return tl::unexpected(description.error());
        }
        remember(description->key, **handle);
        return *std::move(description);
    });
}

Result<KeyDescription> TokenKeys::generate(KeySpec spec, const KeyId& id, const std::string& label) {
    return recovering<KeyDescription>(one_try, [&] { return generate_once(spec, id, label); });
}

TokenKeys::Attempt<KeyDescription> TokenKeys::generate_once(KeySpec spec, const KeyId& id, const std::string& label) {
    for (const CK_OBJECT_CLASS half : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
        const auto found = halves(half, id);
        if (!found) {
            return tl::unexpected(found.error());
        }
        if (!found->empty()) {
            return problem(ErrorCode::token_key_mismatch,
                           fmt::format("already holds a key with id {}", to_hex(id.value)), "nothing was generated");
        }
    }
    const auto pair = session_.generate_rsa(public_half_template(spec, id, label), private_half_template(id, label));
    if (!pair) {
        return problem("generate a key", pair.error());
    }
    auto description = read(pair->private_half, id);
    if (description && description->protection.confined() && description->key.public_key.bits() == bits_of(spec)) {
        remember(description->key, pair->private_half);
        return *std::move(description);
    }
    // T21: whatever is wrong with the new key, it must not stay.
    const auto private_gone = session_.destroy(pair->private_half);
    const auto public_gone = session_.destroy(pair->public_half);
    if (!description) {
        return tl::unexpected(std::move(description.error()));
    }
    const std::string why =
        fmt::format("sensitive={:d} extractable={:d} always_sensitive={:d} never_extractable={:d} local={:d} bits={}",
                    description->protection.sensitive, description->protection.extractable,
                    description->protection.always_sensitive, description->protection.never_extractable,
                    description->protection.local, description->key.public_key.bits());
    return problem(ErrorCode::token_key_policy, fmt::format("made key {} otherwise than asked", to_hex(id.value)), why,
                   private_gone && public_gone ? "" : "it could not be destroyed: remove it by hand");
}

Result<Bytes> TokenKeys::sign(const KeyReference& key, ByteView digest_info) {
    return recovering<Bytes>(sign_tries, [&]() -> Attempt<Bytes> {
        const auto handle = handle_of(key);
        if (!handle) {
            return tl::unexpected(handle.error());
        }
        auto signature = session_.sign(*handle, digest_info, modulus_size(key));
        if (!signature) {
            session_spoiled_ = true;
            return problem("sign", signature.error());
        }
        return *std::move(signature);
    });
}

/// Only a stale session or handle is worth a second C_Decrypt, since then there was no first one (SEC-9).
Result<Secret> TokenKeys::decrypt(const KeyReference& key, ByteView ciphertext) {
    if (ciphertext.size() != modulus_size(key)) {  // BAD-103
        return fail(ErrorCode::token_operation, fmt::format("token '{}' was not asked to decrypt", name_),
                    fmt::format("the ciphertext has {} octets, the modulus {}", ciphertext.size(), modulus_size(key)));
    }
    return recovering<Secret>(one_try, [&]() -> Attempt<Secret> {
        const auto handle = handle_of(key);
        if (!handle) {
            return tl::unexpected(handle.error());
        }
        auto plain = session_.decrypt(*handle, ciphertext);
        if (!plain) {
            // After bad padding the session is kept, so that the next operation does not take longer than after good
            // padding; should it be stuck all the same, CKR_OPERATION_ACTIVE renews it then.
            session_spoiled_ = !is_padding_failure(plain.error().rv);
            return problem("decrypt", plain.error());
        }
        return *std::move(plain);
    });
}

Status TokenKeys::destroy(const KeyId& id) {
    return recovering<void>(one_try, [&] { return destroy_once(id); });
}

/// Destroyed objects have been seen to come back (T24, SoftHSM issue 903): a second round, then it is an error.
TokenKeys::Attempt<void> TokenKeys::destroy_once(const KeyId& id) {
    std::erase_if(known_, [&](const KnownKey& known) { return known.key.id == id; });
    if (const auto only = private_half(id); !only) {
        return tl::unexpected(only.error());
    }
    for (int round = 0; round < 3; ++round) {
        bool nothing_left = true;
        for (const CK_OBJECT_CLASS half : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
            const auto found = halves(half, id);
            if (!found) {
                return tl::unexpected(found.error());
            }
            nothing_left = nothing_left && found->empty();
            for (const CK_OBJECT_HANDLE handle : *found) {
                if (const auto gone = session_.destroy(handle); !gone) {
                    return problem("destroy a key", gone.error());
                }
            }
        }
        if (nothing_left) {
            return {};
        }
    }
    return problem(ErrorCode::token_operation, fmt::format("still lists key {}", to_hex(id.value)),
                   "C_DestroyObject said CKR_OK");
}

}  // namespace hwenroll::keystore::pkcs11
