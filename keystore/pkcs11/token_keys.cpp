#include "keystore/pkcs11/token_keys.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "keystore/ecdh.h"
#include "keystore/ecdsa_signature.h"
#include "keystore/login_rules.h"
#include "keystore/oaep.h"

namespace hwenroll::keystore::pkcs11 {

namespace {

constexpr int sign_tries = 3;  // T15
constexpr int one_try = 1;

// Uses in a row that CKR_GENERAL_ERROR has ended, "unrecoverable" (PKCS#11 v2.40 §5.1.1): only C_Initialize helps then.
constexpr int most_hopeless = 2;

// SHA-1 and SHA-512.
constexpr std::size_t shortest_digest = 20;
constexpr std::size_t longest_digest = 64;

/// Octets of the modulus; of an EC key, those of its curve's order (as long as the field for P-256 and P-384).
std::size_t octets_of(const KeyReference& key) {
    return (static_cast<std::size_t>(key.public_key.bits()) + 7) / 8;
}

/// The module has judged the mechanism and seen no ciphertext yet. SoftHSM 2.6.1 says CKR_ARGUMENTS_BAD of OAEP with
/// another hash than SHA-1. What it says of CKM_RSA_PKCS, which every RSA key needs, is a failure of its own.
bool is_not_offered(DecryptMechanism mechanism, CK_RV rv) {
    return mechanism != DecryptMechanism::rsa_pkcs1 &&
           (rv == CKR_MECHANISM_INVALID || rv == CKR_MECHANISM_PARAM_INVALID || rv == CKR_ARGUMENTS_BAD);
}

}  // namespace

TokenKeys::TokenKeys(std::string name, std::shared_ptr<Module> module, Slot slot, Session session, Pin pin)
    : name_(std::move(name)),
      module_(std::move(module)),
      slot_(slot),
      session_(std::move(session)),
      login_done_(!pin.value.empty()),
      pin_(std::move(pin)),
      pin_has_identity_(pin_.identity.has_value()) {}

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
        login_lost_ = login_lost_ || is_module_gone(rv);
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
        if (is_stale(failure.rv) || is_module_gone(failure.rv)) {
            return login_ended(failure.text());
        }
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
            return login_ended(reason.why());
        }
    }
    session_ = *std::move(fresh);
    session_spoiled_ = false;
    return {};
}

tl::unexpected<Error> TokenKeys::login_ended(std::string why) {
    login_lost_ = true;
    return fail(ErrorCode::token_login_lost, fmt::format("token '{}' has ended the login", name_), std::move(why));
}

/// Whether a module that has said `rv` to a signature or generation is to be loaded anew. Keys that want a login for
/// each use are left alone: what becomes of the use's login would not be known.
bool TokenKeys::is_hopeless(CK_RV rv) {
    hopeless_ = rv == CKR_GENERAL_ERROR ? hopeless_ + 1 : 0;
    return hopeless_ >= most_hopeless && !per_use_.value_or(false);
}

tl::unexpected<Error> TokenKeys::given_up(const char* doing, const Error& reason) {
    login_lost_ = true;
    return fail(ErrorCode::token_login_lost, fmt::format("token '{}' cannot {} again and again", name_, doing),
                reason.why());
}

/// A session without login finds no private object and says CKR_OK (PKCS#11 v2.40 §5.7), so an empty answer proves
/// nothing by itself (T13).
TokenKeys::Attempt<void> TokenKeys::require_login() {
    if (!login_done_) {
        return {};
    }
    const auto logged_in = session_.is_logged_in();
    if (!logged_in) {
        return problem("tell whether it is logged in", logged_in.error());
    }
    if (!*logged_in) {
        return problem("show its private keys", CallFailure{"C_GetSessionInfo", CKR_USER_NOT_LOGGED_IN});
    }
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
    if (!found->empty()) {
        return found->front();
    }
    if (auto believable = require_login(); !believable) {
        return tl::unexpected(std::move(believable.error()));
    }
    return std::nullopt;
}

TokenKeys::Attempt<KeyDescription> TokenKeys::read(CK_OBJECT_HANDLE handle, const KeyId& id) {
    auto description = read_key(session_, slot_.token, handle);
    if (!description) {
        return problem("read a key's attributes", description.error());
    }
    if (!*description) {
        return problem(ErrorCode::token_operation,
                       fmt::format("holds key {} of a kind that is not supported", to_hex(id.value)),
                       "no RSA or EC public key can be read");
    }
    return **std::move(description);
}

/// The answer is final for this login: a key that comes later is on no card.
Result<bool> TokenKeys::settle_login() {
    if (per_use_) {
        return *per_use_;
    }
    const auto any = recovering<bool>(one_try, [&] { return any_login_per_use(); });
    if (!any) {
        return fail(any.error());
    }
    if (*any && login_done_) {
        auto kept = KeptPin::keep(pin_.value);
        if (!kept) {
            pin_.value.wipe();
            login_lost_ = true;
            return fail(std::move(kept.error()));
        }
        kept_ = *std::move(kept);
    }
    pin_.value.wipe();
    per_use_ = *any;
    return *per_use_;
}

/// A module that does not know the attribute in a search has no key that bears it.
TokenKeys::Attempt<bool> TokenKeys::any_login_per_use() {
    Attributes search = key_search(CKO_PRIVATE_KEY, nullptr);
    search.put_flag(CKA_ALWAYS_AUTHENTICATE, true);
    const auto found = session_.find(std::move(search));
    if (!found) {
        const CK_RV rv = found.error().rv;
        if (rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_TEMPLATE_INCONSISTENT) {
            return false;
        }
        return problem("search its keys", found.error());
    }
    return !found->empty();
}

TokenKeys::Attempt<bool> TokenKeys::wants_login_per_use(CK_OBJECT_HANDLE handle) {
    if (!per_use_.value_or(false)) {
        return false;
    }
    Attributes attributes;
    attributes.expect_flag(CKA_ALWAYS_AUTHENTICATE);
    if (const auto read = session_.read(handle, attributes); !read) {
        return problem("read a key's attributes", read.error());
    }
    return attributes.flag(CKA_ALWAYS_AUTHENTICATE, false);
}

TokenKeys::Attempt<TokenKeys::KnownKey> TokenKeys::remember(const KeyReference& key, CK_OBJECT_HANDLE handle) {
    const auto per_use = wants_login_per_use(handle);
    if (!per_use) {
        return tl::unexpected(per_use.error());
    }
    std::erase_if(known_, [&](const KnownKey& known) { return known.key.id == key.id; });
    known_.push_back(KnownKey{key, handle, *per_use});
    return known_.back();
}

/// A handle found anew is taken only with the expected public key behind it (T7).
TokenKeys::Attempt<TokenKeys::KnownKey> TokenKeys::known(const KeyReference& key) {
    const auto before =
        std::find_if(known_.begin(), known_.end(), [&](const KnownKey& each) { return each.key.id == key.id; });
    Attempt<KnownKey> known = before == known_.end() ? look_up(key) : Attempt<KnownKey>(*before);
    if (known && known->key.public_key != key.public_key) {
        return problem(ErrorCode::token_key_mismatch,
                       fmt::format("has another public key under id {}", to_hex(key.id.value)));
    }
    return known;
}

TokenKeys::Attempt<TokenKeys::KnownKey> TokenKeys::look_up(const KeyReference& key) {
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
    return remember(description->key, **handle);
}

/// The PIN rules hold for the login of a use too: none while the token's flags forbid it (T10, T11, T14).
TokenKeys::Attempt<void> TokenKeys::allow_use(const KnownKey& key) {
    if (!key.login_per_use) {
        return {};
    }
    if (!kept_ && login_done_) {
        return problem(ErrorCode::token_login_lost, "has ended the login");
    }
    if (!kept_) {
        return problem(ErrorCode::token_pin_source,
                       fmt::format("wants its PIN at each use of key {}", to_hex(key.key.id.value)),
                       "its configuration has no 'pin'");
    }
    const auto now = token_info(*module_, slot_.number);
    if (!now) {
        return problem("say how many PIN tries are left", now.error());
    }
    if (auto forbidden = forbidden_by_flags(name_, pkcs11::description_of(*now), {})) {
        return tl::unexpected(Problem{*std::move(forbidden), CKR_OK});
    }
    return {};
}

/// One C_Login for one use (T14). A PIN that it was made with in vain is not tried again in this login, whatever the
/// token said: CKR_OK as the problem's value keeps recovering() from it.
TokenKeys::Attempt<void> TokenKeys::log_in_for_use(const KnownKey& key) {
    if (!key.login_per_use) {
        return {};
    }
    const auto done = session_.login_for_use(kept_->reveal());
    if (done) {
        return {};
    }
    kept_.reset();
    login_lost_ = true;
    const CallFailure& failure = done.error();
    if (is_pin_refusal(failure.rv)) {
        pin_refused_ = true;
        return tl::unexpected(Problem{refusal(name_, code_of(failure.rv), failure.text(), pin_has_identity_), CKR_OK});
    }
    const ErrorCode code = code_of(failure.rv);
    return problem(code == ErrorCode::token_absent ? code : ErrorCode::token_login_lost,
                   fmt::format("cannot log in for a use of key {}", to_hex(key.key.id.value)), failure.text());
}

Result<std::vector<KeyDescription>> TokenKeys::list() {
    using Keys = std::vector<KeyDescription>;
    return recovering<Keys>(one_try, [&]() -> Attempt<Keys> {
        const auto found = session_.find(key_search(CKO_PRIVATE_KEY, nullptr));
        if (!found) {
            return problem("list its keys", found.error());
        }
        if (auto complete = require_login(); !complete) {
            return tl::unexpected(std::move(complete.error()));
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
        if (const auto kept = remember(description->key, **handle); !kept) {
            return tl::unexpected(kept.error());
        }
        return *std::move(description);
    });
}

/// C_GenerateKeyPair is never repeated as it was, whatever became of its session: only what looks before and after it
/// is.
Result<KeyDescription> TokenKeys::generate(KeySpec spec, const KeyId& id, const std::string& label) {
    if (const Status free = recovering<void>(one_try, [&] { return require_unused(id); }); !free) {
        return fail(free.error());
    }
    failpoint("pair-wanted");
    const auto pair = generate_pair(spec, id, label);
    failpoint("pair-made");
    const bool hopeless = is_hopeless(pair ? CKR_OK : pair.error().rv);
    if (!pair) {
        session_spoiled_ = is_stale(pair.error().rv);
        login_lost_ = login_lost_ || is_module_gone(pair.error().rv);
        if (is_unsupported_key(pair.error().rv)) {
            return fail(problem(ErrorCode::token_key_kind, fmt::format("cannot make {} keys", to_text(spec)),
                                pair.error().text())
                            .value()
                            .error);
        }
        Error failed = problem("generate a key", pair.error()).value().error;
        return hopeless ? given_up("generate a key", failed) : fail(std::move(failed));
    }
    if (pair->private_half == pair->public_half) {
        // As tpm2-pkcs11 1.9.0 does after the first key of its list was destroyed. What the handle leads to is some
        // other object, so nothing more is done in this login; the next one finds the key by its id (T17).
        login_lost_ = true;
        return fail(ErrorCode::token_login_lost,
                    fmt::format("token '{}' cannot go on after it made key {}", name_, to_hex(id.value)),
                    "C_GenerateKeyPair: one handle for two objects");
    }
    std::optional<CK_OBJECT_HANDLE> handle = pair->private_half;
    auto made = recovering<NewKey>(one_try, [&] {
        auto read_back = read_new(handle, id);
        handle.reset();  // dead in another session
        return read_back;
    });
    if (made && made->placement.on_token && made->placement.is_private && made->key.protection.confined() &&
        matches(spec, made->key.key.public_key)) {
        known_.push_back(KnownKey{made->key.key, made->handle, false});
        failpoint("pair-checked");
        return std::move(made->key);
    }
    return fail(reject_new(id, made));
}

/// A template that the token does not take is said again in fewer words, unless there is a key all the same.
Outcome<Session::KeyPair> TokenKeys::generate_pair(KeySpec spec, const KeyId& id, const std::string& label) {
    const auto by = [&](TemplateForm form) {
        return session_.generate(generation_mechanism(spec), public_half_template(spec, id, label, form),
                                 private_half_template(spec, id, label, form));
    };
    auto pair = by(TemplateForm::exact);
    if (!pair && is_template_refusal(pair.error().rv) && require_unused(id)) {
        return by(TemplateForm::plain);
    }
    return pair;
}

TokenKeys::Attempt<void> TokenKeys::require_unused(const KeyId& id) {
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
    return require_login();
}

TokenKeys::Attempt<TokenKeys::NewKey> TokenKeys::read_new(std::optional<CK_OBJECT_HANDLE> handle, const KeyId& id) {
    if (!handle) {
        const auto again = private_half(id);
        if (!again) {
            return tl::unexpected(again.error());
        }
        if (!*again) {
            return problem(ErrorCode::token_key_missing,
                           fmt::format("does not show the key with id {} that it made", to_hex(id.value)));
        }
        handle = **again;
    }
    auto description = read(*handle, id);
    if (!description) {
        return tl::unexpected(std::move(description.error()));
    }
    const auto placement = read_placement(session_, *handle);
    if (!placement) {
        return problem("read a key's attributes", placement.error());
    }
    return NewKey{*std::move(description), *handle, *placement};
}

/// T21: whatever is wrong with a new key, it must not stay.
Error TokenKeys::reject_new(const KeyId& id, const Result<NewKey>& made) {
    const Status gone = destroy(id);
    if (!made) {
        const Error& error = made.error();
        return gone ? error
                    : Error(error.code(), error.what(), error.why(),
                            "the new key could not be destroyed; it is looked for again under its id");
    }
    const KeyProtection& is = made->key.protection;
    return problem(ErrorCode::token_key_policy, fmt::format("made key {} otherwise than asked", to_hex(id.value)),
                   fmt::format("sensitive={:d} extractable={:d} always_sensitive={:d} never_extractable={:d} "
                               "local={:d} token={:d} private={:d} kind={}",
                               is.sensitive, is.extractable, is.always_sensitive, is.never_extractable, is.local,
                               made->placement.on_token, made->placement.is_private, made->key.key.public_key.text()),
                   gone ? "" : "it could not be destroyed: remove it by hand; 'hwenroll token keys' lists it")
        .value()
        .error;
}

Result<Bytes> TokenKeys::sign(const KeyReference& key, SignMechanism mechanism, ByteView input) {
    if (mechanism == SignMechanism::rsa_pkcs1 && key.public_key.is_rsa()) {
        return sign_raw(key, CKM_RSA_PKCS, input, octets_of(key));
    }
    if (mechanism == SignMechanism::ecdsa &&
        (matches(KeySpec::ec_p256, key.public_key) || matches(KeySpec::ec_p384, key.public_key))) {
        return sign_ecdsa(key, input);
    }
    return fail(ErrorCode::token_operation, fmt::format("token '{}' was not asked to sign", name_),
                fmt::format("a key of kind {} does not sign this way", key.public_key.text()));
}

Result<Bytes> TokenKeys::sign_ecdsa(const KeyReference& key, ByteView digest) {
    if (digest.size() < shortest_digest || digest.size() > longest_digest) {
        return fail(ErrorCode::token_operation, fmt::format("token '{}' was not asked to sign", name_),
                    fmt::format("{} octets are no digest", digest.size()));
    }
    // FIPS 186-4 §6.4 takes the leftmost bits of a longer digest; not every token does it by itself.
    const ByteView leftmost = digest.first(std::min(digest.size(), octets_of(key)));
    const std::size_t size = 2 * octets_of(key);
    const auto raw = sign_raw(key, CKM_ECDSA, leftmost, size);
    if (raw && raw->size() != size) {
        return fail(ErrorCode::token_operation, fmt::format("token '{}' cannot sign", name_),
                    fmt::format("C_Sign: an ECDSA signature of {} octets instead of {}", raw->size(), size));
    }
    return raw ? Result<Bytes>(ecdsa_signature_value(*raw)) : raw;
}

Result<Bytes> TokenKeys::sign_raw(const KeyReference& key, CK_MECHANISM_TYPE type, ByteView input,
                                  std::size_t signature_size) {
    CK_RV last = CKR_OK;
    auto signature = recovering<Bytes>(sign_tries, [&] {
        auto once = sign_once(key, type, input, signature_size);
        last = once ? CKR_OK : once.error().rv;
        return once;
    });
    if (is_hopeless(last)) {
        return given_up("sign", signature.error());
    }
    return signature;
}

TokenKeys::Attempt<Bytes> TokenKeys::sign_once(const KeyReference& key, CK_MECHANISM_TYPE type, ByteView input,
                                               std::size_t signature_size) {
    const auto able = known(key);
    if (!able) {
        return tl::unexpected(able.error());
    }
    if (const auto allowed = allow_use(*able); !allowed) {
        return tl::unexpected(allowed.error());
    }
    failpoint("signature-wanted");
    session_spoiled_ = true;  // until the operation has come to its good end
    if (const auto begun = session_.begin_sign(able->handle, type); !begun) {
        return problem("sign", begun.error());
    }
    if (const auto let = log_in_for_use(*able); !let) {
        return tl::unexpected(let.error());
    }
    auto signature = session_.sign(input, signature_size);
    failpoint("signature-made");
    if (!signature) {
        return problem("sign", signature.error());
    }
    session_spoiled_ = false;
    return *std::move(signature);
}

/// Only a stale session or handle is worth a second C_Decrypt, since then there was no first one (SEC-9).
Result<Secret> TokenKeys::decrypt(const KeyReference& key, DecryptMechanism mechanism, ByteView ciphertext) {
    if (!key.public_key.is_rsa()) {
        return fail(ErrorCode::token_operation, fmt::format("token '{}' was not asked to decrypt", name_),
                    fmt::format("a key of kind {} cannot decrypt", key.public_key.text()));
    }
    if (ciphertext.size() != octets_of(key)) {  // BAD-103
        return fail(ErrorCode::token_operation, fmt::format("token '{}' was not asked to decrypt", name_),
                    fmt::format("the ciphertext has {} octets, the modulus {}", ciphertext.size(), octets_of(key)));
    }
    return recovering<Secret>(one_try, [&] { return decrypt_once(key, mechanism, ciphertext); });
}

TokenKeys::Attempt<Secret> TokenKeys::decrypt_once(const KeyReference& key, DecryptMechanism mechanism,
                                                   ByteView ciphertext) {
    const auto able = known(key);
    if (!able) {
        return tl::unexpected(able.error());
    }
    if (const auto allowed = allow_use(*able); !allowed) {
        return tl::unexpected(allowed.error());
    }
    failpoint("plaintext-wanted");
    session_spoiled_ = true;  // until the operation has come to its end
    const auto begun = session_.begin_decrypt(able->handle, mechanism);
    if (!begun && is_not_offered(mechanism, begun.error().rv)) {
        session_spoiled_ = false;
        return tl::unexpected(Problem{not_offered(name_, mechanism, begun.error().text()), CKR_OK});
    }
    if (begun) {
        if (const auto let = log_in_for_use(*able); !let) {
            return tl::unexpected(let.error());
        }
    }
    auto plain = begun ? session_.decrypt(ciphertext) : tl::unexpected(begun.error());
    failpoint("plaintext-made");
    // After bad padding the session is kept, so that the next operation does not take longer than after good padding;
    // should it be stuck all the same, CKR_OPERATION_ACTIVE renews it then.
    session_spoiled_ = !plain && !is_padding_failure(plain.error().rv);
    if (!plain) {
        return problem("decrypt", plain.error());
    }
    return *std::move(plain);
}

Result<Secret> TokenKeys::agree(const KeyReference& key, const PublicKey& peer) {
    const auto point = peer_point(key.public_key, peer);
    if (!point) {
        return fail(ErrorCode::token_operation, fmt::format("token '{}' was not asked to agree", name_),
                    fmt::format("keys of kind {} and {} do not agree on a secret", key.public_key.text(), peer.text()));
    }
    return recovering<Secret>(one_try, [&] { return agree_once(key, *point); });
}

TokenKeys::Attempt<Secret> TokenKeys::agree_once(const KeyReference& key, ByteView point) {
    const auto able = known(key);
    if (!able) {
        return tl::unexpected(able.error());
    }
    if (able->login_per_use) {
        return problem(
            ErrorCode::token_operation, "was not asked to agree",
            fmt::format("key {} wants its PIN at each use, which C_DeriveKey has no moment for", to_hex(key.id.value)));
    }
    const std::size_t size = octets_of(key);
    auto secret = session_.agree(able->handle, point, Session::PointForm::octets, size);
    if (!secret && is_parameter_refusal(secret.error().rv)) {
        secret = session_.agree(able->handle, point, Session::PointForm::octet_string, size);
    }
    if (!secret) {
        return problem("agree on a secret", secret.error());
    }
    if (secret->size() != size) {
        return problem(ErrorCode::token_operation, "cannot agree on a secret",
                       fmt::format("CKA_VALUE: {} octets instead of {}", secret->size(), size));
    }
    return *std::move(secret);
}

Status TokenKeys::destroy(const KeyId& id) {
    return recovering<void>(one_try, [&] { return destroy_once(id); });
}

/// Destroyed objects have been seen to come back (T24, SoftHSM issue 903): a second round, then it is an error.
TokenKeys::Attempt<void> TokenKeys::destroy_once(const KeyId& id) {
    std::erase_if(known_, [&](const KnownKey& known) { return known.key.id == id; });
    if (auto able = require_login(); !able) {
        return able;
    }
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
                failpoint("half-destroyed");
            }
        }
        if (nothing_left) {
            failpoint("halves-gone");
            return require_login();
        }
    }
    return problem(ErrorCode::token_operation, fmt::format("still lists key {}", to_hex(id.value)),
                   "C_DestroyObject said CKR_OK");
}

}  // namespace hwenroll::keystore::pkcs11
