#include "keystore/tpm2/tpm_keys.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "keystore/ecdh.h"
#include "keystore/ecdsa_signature.h"
#include "keystore/oaep.h"
#include "keystore/tpm2/ek_certificate.h"
#include "keystore/tpm2/encoding.h"
#include "keystore/tpm2/lockout.h"
#include "keystore/tpm2/properties.h"
#include "keystore/tpm2/public_area.h"
#include "keystore/tpm2/signing_input.h"

namespace hwenroll::keystore::tpm2 {

namespace {

/// A foreign persistent object's id: its handle, big-endian.
KeyId id_of(TPM2_HANDLE handle) {
    return KeyId{{static_cast<std::uint8_t>(handle >> 24U), static_cast<std::uint8_t>(handle >> 16U),
                  static_cast<std::uint8_t>(handle >> 8U), static_cast<std::uint8_t>(handle)}};
}

/// The handle that id_of() has turned into this id, if it is one.
std::optional<TPM2_HANDLE> handle_in(const KeyId& id) {
    if (id.value.size() != 4 || id.value[0] != TPM2_HT_PERSISTENT) {
        return std::nullopt;
    }
    TPM2_HANDLE handle = 0;
    for (const std::uint8_t octet : id.value) {
        handle = handle << 8U | octet;
    }
    return handle;
}

std::size_t octets_of(const PublicKey& key) {
    return (static_cast<std::size_t>(key.bits()) + 7) / 8;
}

/// `uri` as tpm2-openssl reads it; empty for a key that no handle names.
KeyDescription description_of(KeyReference key, const TPM2B_PUBLIC& area, std::string uri) {
    return {std::move(key), {}, protection_of(area), can_sign(area), can_decrypt(area), can_derive(area),
            std::move(uri)};
}

std::optional<KeyDescription> description_of(const PersistentObject& object) {
    auto key = public_key_in(object.public_area);
    if (!key || !is_usable(object.public_area)) {
        return std::nullopt;
    }
    const KeyId id = id_in(object.public_area).value_or(id_of(object.at));
    return description_of({id, *std::move(key)}, object.public_area, fmt::format("handle:{:#010x}", object.at));
}

/// Fills a TPM2B whose array is `buffer`; false if `octets` do not fit.
template <class Sized, std::size_t Size>
bool fill(Sized& sized, std::uint8_t (&buffer)[Size], ByteView octets) {
    if (octets.size() > Size) {
        return false;
    }
    sized.size = static_cast<UINT16>(octets.size());
    std::copy(octets.begin(), octets.end(), buffer);
    return true;
}

void append_padded(Bytes& out, const TPM2B_ECC_PARAMETER& number, std::size_t size) {
    const std::size_t given = std::min<std::size_t>(number.size, size);
    out.insert(out.end(), size - given, 0);
    out.insert(out.end(), number.buffer, number.buffer + given);
}

/// OAEP's hash is that of its mask generation too (part 1 annex B.4).
TPMT_RSA_DECRYPT scheme_of(DecryptMechanism mechanism) {
    TPMT_RSA_DECRYPT scheme{TPM2_ALG_RSAES, {}};
    if (mechanism != DecryptMechanism::rsa_pkcs1) {
        scheme.scheme = TPM2_ALG_OAEP;
        scheme.details.oaep.hashAlg = mechanism == DecryptMechanism::rsa_oaep_sha1 ? TPM2_ALG_SHA1 : TPM2_ALG_SHA256;
    }
    return scheme;
}

/// The TPM has judged the scheme and not the ciphertext: an implementation may lack a hash, or OAEP.
bool is_unknown_scheme(TSS2_RC rc) {
    return response_of(rc) == TPM2_RC_HASH || response_of(rc) == TPM2_RC_SCHEME;
}

}  // namespace

tl::unexpected<TpmKeys::Problem> TpmKeys::problem(const char* doing, const CallFailure& failure) const {
    const ErrorCode code = code_of(failure.rc);
    // What the error table says of an absent token is about slots and URIs.
    const bool away = code == ErrorCode::token_absent && failure.next.empty();
    return tl::unexpected(Problem{Error(code, fmt::format("token '{}' cannot {}", options_.name, doing), failure.text(),
                                        away ? what_helps(options_.tcti) : failure.next),
                                  failure.rc});
}

tl::unexpected<TpmKeys::Problem> TpmKeys::problem(ErrorCode code, const std::string& what, std::string why,
                                                  std::string next) const {
    return tl::unexpected(
        Problem{Error(code, fmt::format("token '{}' {}", options_.name, what), std::move(why), std::move(next))});
}

/// Of a call that gave the authorization value of key `id`.
tl::unexpected<TpmKeys::Problem> TpmKeys::use_problem(const char* doing, const KeyId& id, const CallFailure& failure) {
    if (is_refusal(failure.rc)) {
        return tl::unexpected(Problem{auth_.refused(id, failure.text()), failure.rc});
    }
    return problem(doing, failure);
}

/// P8, P10: what one storage root key has wrapped no other one unwraps.
tl::unexpected<TpmKeys::Problem> TpmKeys::foreign_blob(const KeyId& id, const CallFailure& failure) const {
    return tl::unexpected(
        Problem{Error(ErrorCode::token_changed,
                      fmt::format("token '{}' cannot load key {}: the TPM was cleared or is another one", options_.name,
                                  to_hex(id.value)),
                      failure.text()),
                failure.rc});
}

/// P1: nothing is tried before the TPM takes an authorization again; refused ones do not count meanwhile.
tl::unexpected<Error> TpmKeys::locked_out(const Error& error) {
    const auto connection = Connection::open(port_);
    const auto lockout = connection ? read_lockout(**connection) : tl::unexpected(connection.error());
    if (!lockout) {
        return fail(error);
    }
    const auto wait = lockout->wait();
    return fail(Error(ErrorCode::token_lockout,
                      fmt::format("token '{}' is locked out by refused authorizations", options_.name),
                      fmt::format("{}; {}", lockout->text(), error.why()),
                      wait ? fmt::format("it takes authorizations again in at most {} s by itself", wait->count())
                           : "its owner must reset it (tpm2_dictionarylockout)")
                    .retry_after(wait));
}

template <class T>
Result<T> TpmKeys::visiting(const std::function<Attempt<T>(Visit&)>& attempt) {
    for (bool repeated = false;; repeated = true) {
        auto outcome = [&]() -> Attempt<T> {
            auto visit = Visit::begin(port_);
            if (!visit) {
                return problem("be reached", visit.error());
            }
            return attempt(*visit);
        }();
        if (outcome) {
            if constexpr (std::is_void_v<T>) {
                return {};
            } else {
                return *std::move(outcome);
            }
        }
        const TSS2_RC rc = outcome.error().rc;
        if (response_of(rc) == TPM2_RC_LOCKOUT) {
            return locked_out(outcome.error().error);
        }
        if (repeated || reaction_to(rc) != Reaction::make_room) {
            return fail(std::move(outcome.error().error));
        }
        port_.leftovers = true;
    }
}

template <class T>
Result<T> TpmKeys::using_key(const KeyReference& key,
                             const std::function<Attempt<T>(Visit&, const KeyInUse&)>& attempt) {
    if (const Status allowed = auth_.allow(key.id); !allowed) {
        return fail(allowed.error());
    }
    return visiting<T>([&](Visit& visit) -> Attempt<T> {
        const auto opened = open_key(visit, key);
        if (!opened) {
            return tl::unexpected(opened.error());
        }
        return attempt(visit, *opened);
    });
}

Result<TokenDescription> TpmKeys::describe() {
    return visiting<TokenDescription>([&](Visit& visit) -> Attempt<TokenDescription> {
        if (const auto opened = visit.open_root(); !opened) {
            return owner_problem("make its storage root key ready", opened.error());
        }
        auto description = read_description(visit.connection(), options_.name, visit.root());
        if (!description) {
            return problem("describe itself", description.error());
        }
        return *std::move(description);
    });
}

/// A parent that has refused an authorization may count it: it is not asked twice.
TpmKeys::Attempt<void> TpmKeys::open_root(Visit& visit, std::optional<TPM2_HANDLE> recorded) {
    if (const auto opened = visit.open_root(recorded); !opened) {
        return owner_problem("make its storage root key ready", opened.error());
    }
    if (closed_root_ == visit.root().handle) {
        return problem(ErrorCode::token_operation,
                       fmt::format("cannot use the storage root key {:#010x}", visit.root().handle),
                       "it has an authorization value", "give it an empty one (tpm2_changeauth), or evict it");
    }
    return {};
}

/// Of a call that gave the owner hierarchy's authorization value, which is empty.
tl::unexpected<TpmKeys::Problem> TpmKeys::owner_problem(const char* doing, const CallFailure& failure) const {
    return is_refusal(failure.rc)
               ? problem(ErrorCode::token_owner_auth, fmt::format("cannot {}", doing), failure.text())
               : problem(doing, failure);
}

/// Of a call that gave the parent's authorization value, which is empty.
tl::unexpected<TpmKeys::Problem> TpmKeys::root_problem(const char* doing, const Visit& visit,
                                                       const CallFailure& failure) {
    if (is_refusal(failure.rc)) {
        closed_root_ = visit.root().handle;
    }
    return problem(doing, failure);
}

TpmKeys::Attempt<std::vector<PersistentObject>> TpmKeys::persistent_objects(Visit& visit) {
    const auto handles = handles_from(visit.connection(), TPM2_PERSISTENT_FIRST);
    if (!handles) {
        return problem("list its keys", handles.error());
    }
    std::vector<PersistentObject> objects;
    for (const TPM2_HANDLE handle : *handles) {
        auto object = open_persistent(visit.connection(), handle);
        if (!object) {
            return problem("read a key's public area", object.error());
        }
        if (*object) {
            objects.push_back(**std::move(object));
        }
    }
    return objects;
}

/// The object of ours that bears the id, or the one whose handle the id is.
TpmKeys::Attempt<std::optional<PersistentObject>> TpmKeys::persistent_object(Visit& visit, const KeyId& id) {
    if (const auto handle = handle_in(id)) {
        auto object = open_persistent(visit.connection(), *handle);
        if (!object) {
            return problem("read a key's public area", object.error());
        }
        return *std::move(object);
    }
    auto objects = persistent_objects(visit);
    if (!objects) {
        return tl::unexpected(objects.error());
    }
    std::erase_if(*objects, [&](const PersistentObject& each) { return id_in(each.public_area) != id; });
    if (objects->size() > 1) {
        return problem(ErrorCode::token_ambiguous,
                       fmt::format("holds {} keys with id {}", objects->size(), to_hex(id.value)), {},
                       "evict one of them; 'hwenroll token keys' lists them");
    }
    return objects->empty() ? std::nullopt : std::optional(std::move(objects->front()));
}

/// A persistent object is taken only with the expected public key (T7).
TpmKeys::Attempt<PersistentObject> TpmKeys::expected_object(Visit& visit, const KeyReference& key) {
    auto object = persistent_object(visit, key.id);
    if (!object) {
        return tl::unexpected(object.error());
    }
    if (!*object) {
        return problem(ErrorCode::token_key_missing, fmt::format("has no key with id {}", to_hex(key.id.value)));
    }
    if (public_key_in((*object)->public_area) != key.public_key) {
        return problem(ErrorCode::token_key_mismatch,
                       fmt::format("has another public key under id {}", to_hex(key.id.value)));
    }
    return **std::move(object);
}

TpmKeys::Attempt<KeyBlob> TpmKeys::expected_blob(const KeyReference& key) const {
    auto blob = parse_key_blob(key.pem);
    if (!blob) {
        return problem(blob.error().code(), fmt::format("cannot load key {}", to_hex(key.id.value)), blob.error().why(),
                       std::string(blob.error().next()));
    }
    // Keys of other software say no id.
    if (public_key_in(blob->public_area) != key.public_key || id_in(blob->public_area).value_or(key.id) != key.id) {
        return problem(ErrorCode::token_key_mismatch,
                       fmt::format("was given another key's blob for id {}", to_hex(key.id.value)));
    }
    if (!blob->empty_auth && auth_.value().empty()) {
        return problem(ErrorCode::token_pin_source,
                       fmt::format("cannot use key {} without an authorization value", to_hex(key.id.value)),
                       "the key has one and the configuration names no 'auth'", "set 'auth' of the token");
    }
    return *std::move(blob);
}

TpmKeys::Attempt<TpmKeys::KeyInUse> TpmKeys::open_key(Visit& visit, const KeyReference& key) {
    if (!key.pem.empty()) {
        return open_blob(visit, key);
    }
    auto object = expected_object(visit, key);
    if (!object) {
        return tl::unexpected(object.error());
    }
    // For its session alone: another owner's parent may stand there, and its value is not needed.
    if (const auto opened = visit.open_root(); !opened) {
        return problem("make its storage root key ready", opened.error());
    }
    if (auto set = set_auth(visit, object->object, auth_.value()); !set) {
        return tl::unexpected(set.error());
    }
    return KeyInUse{std::move(object->object), object->public_area};
}

TpmKeys::Attempt<TpmKeys::KeyInUse> TpmKeys::open_blob(Visit& visit, const KeyReference& key) {
    const auto blob = expected_blob(key);
    if (!blob) {
        return tl::unexpected(blob.error());
    }
    if (const auto opened = visit.open_root(blob->parent); !opened) {
        return response_of(opened.error().rc) == TPM2_RC_HANDLE
                   ? foreign_blob(key.id, opened.error())
                   : owner_problem("make a key's parent ready", opened.error());
    }
    auto object = load(visit, key.id, blob->public_area, blob->private_area);
    if (!object) {
        return tl::unexpected(object.error());
    }
    if (auto set = set_auth(visit, *object, blob->empty_auth ? Secret() : auth_.value().copy()); !set) {
        return tl::unexpected(set.error());
    }
    return KeyInUse{*std::move(object), blob->public_area};
}

TpmKeys::Attempt<Loaded> TpmKeys::load(Visit& visit, const KeyId& id, const TPM2B_PUBLIC& public_area,
                                       const TPM2B_PRIVATE& private_area) {
    const auto session = visit.session(TPMA_SESSION_DECRYPT);
    if (!session) {
        return problem("start a session", session.error());
    }
    ESYS_TR object = ESYS_TR_NONE;
    if (const auto loaded = visit.connection().call("Esys_Load", Esys_Load, visit.root().object.handle(), *session,
                                                    ESYS_TR_NONE, ESYS_TR_NONE, &private_area, &public_area, &object);
        !loaded) {
        return response_of(loaded.error().rc) == TPM2_RC_INTEGRITY ? foreign_blob(id, loaded.error())
                                                                   : root_problem("load a key", visit, loaded.error());
    }
    return Loaded(visit.connection(), object, Loaded::Kind::transient);
}

TpmKeys::Attempt<void> TpmKeys::set_auth(Visit& visit, const Loaded& object, const Secret& value) {
    TPM2B_AUTH auth{};
    const bool fits = fill(auth, auth.buffer, value.reveal());
    const auto set = fits ? visit.connection().call("Esys_TR_SetAuth", Esys_TR_SetAuth, object.handle(), &auth)
                          : call_failed("Esys_TR_SetAuth", TSS2_ESYS_RC_BAD_SIZE);
    wipe({auth.buffer, sizeof auth.buffer});
    if (!set) {
        return problem("use its authorization value", set.error());
    }
    return {};
}

Result<std::vector<KeyDescription>> TpmKeys::list() {
    using Keys = std::vector<KeyDescription>;
    return visiting<Keys>([&](Visit& visit) -> Attempt<Keys> {
        const auto objects = persistent_objects(visit);
        if (!objects) {
            return tl::unexpected(objects.error());
        }
        Keys keys;
        for (const PersistentObject& object : *objects) {
            if (auto description = description_of(object)) {
                keys.push_back(*std::move(description));
            }
        }
        return keys;
    });
}

Result<std::optional<KeyDescription>> TpmKeys::find(const KeyId& id) {
    using Found = std::optional<KeyDescription>;
    return visiting<Found>([&](Visit& visit) -> Attempt<Found> {
        const auto object = persistent_object(visit, id);
        if (!object) {
            return tl::unexpected(object.error());
        }
        if (!*object) {
            return std::nullopt;
        }
        auto description = description_of(**object);
        if (!description) {
            return problem(ErrorCode::token_operation,
                           fmt::format("holds key {} of a kind that is not supported", to_hex(id.value)),
                           "it is restricted, or no RSA, P-256 or P-384 key");
        }
        return description;
    });
}

Result<KeyDescription> TpmKeys::look_up(const KeyReference& key) {
    return using_key<KeyDescription>(key, [&](Visit& visit, const KeyInUse& in_use) -> Attempt<KeyDescription> {
        if (!key.pem.empty()) {
            return description_of(key, in_use.public_area, {});
        }
        const auto object = expected_object(visit, key);
        if (!object) {
            return tl::unexpected(object.error());
        }
        return description_of(key, object->public_area, fmt::format("handle:{:#010x}", object->at));
    });
}

Result<KeyDescription> TpmKeys::generate(KeySpec spec, const KeyId& id) {
    if (!is_own_id(id)) {
        return fail(ErrorCode::token_operation, fmt::format("token '{}' was not asked for a key", options_.name),
                    fmt::format("the id of a TPM key has 16 octets, not {}", id.value.size()));
    }
    if (auth_.value().size() > TPM2_SHA256_DIGEST_SIZE) {
        return fail(ErrorCode::token_pin_source,
                    fmt::format("token '{}' cannot use its authorization value", options_.name),
                    fmt::format("it has {} octets, more than 32", auth_.value().size()));
    }
    return visiting<KeyDescription>([&](Visit& visit) { return generate_in(visit, spec, id); });
}

TpmKeys::Attempt<KeyDescription> TpmKeys::generate_in(Visit& visit, KeySpec spec, const KeyId& id) {
    const auto in_use = persistent_object(visit, id);
    if (!in_use) {
        return tl::unexpected(in_use.error());
    }
    if (*in_use) {
        return problem(ErrorCode::token_key_mismatch, fmt::format("already holds a key with id {}", to_hex(id.value)),
                       "nothing was generated");
    }
    if (auto supported = require_supported(visit, spec); !supported) {
        return tl::unexpected(supported.error());
    }
    failpoint("pair-wanted");
    const auto made = create(visit, spec, id);
    failpoint("pair-made");
    if (!made) {
        return tl::unexpected(made.error());
    }
    // T21: nothing of it stays, since a new key is nowhere but here.
    if (std::string wrong = difference(*made->public_area, spec, id); !wrong.empty()) {
        return problem(ErrorCode::token_key_policy, fmt::format("made key {} otherwise than asked", to_hex(id.value)),
                       std::move(wrong));
    }
    const auto public_key = public_key_in(*made->public_area);
    if (options_.first_handle == 0) {
        const KeyBlob blob{auth_.value().empty(), visit.root().handle, *made->public_area, *made->private_area};
        failpoint("pair-checked");
        return description_of({id, *public_key, to_pem(blob)}, *made->public_area, {});
    }
    const auto handle = persist(visit, id, *made);
    if (!handle) {
        return tl::unexpected(handle.error());
    }
    failpoint("pair-checked");
    return description_of({id, *public_key}, *made->public_area, fmt::format("handle:{:#010x}", *handle));
}

TpmKeys::Attempt<void> TpmKeys::require_supported(Visit& visit, KeySpec spec) {
    const TPM2B_PUBLIC area = key_template(spec, {});
    TPMT_PUBLIC_PARMS wanted{};
    wanted.type = area.publicArea.type;
    wanted.parameters = area.publicArea.parameters;
    const auto supported =
        visit.connection().call("Esys_TestParms", Esys_TestParms, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &wanted);
    if (!supported && is_unsupported(supported.error().rc)) {
        return problem(ErrorCode::token_key_kind, fmt::format("cannot make {} keys", to_text(spec)),
                       supported.error().text());
    }
    if (!supported) {
        return problem("tell which keys it can make", supported.error());
    }
    return {};
}

TpmKeys::Attempt<TpmKeys::NewKey> TpmKeys::create(Visit& visit, KeySpec spec, const KeyId& id) {
    if (auto opened = open_root(visit); !opened) {
        return tl::unexpected(opened.error());
    }
    const auto session = visit.session(TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT);
    if (!session) {
        return problem("start a session", session.error());
    }
    const TPM2B_PUBLIC area = key_template(spec, id);
    const TPM2B_DATA no_data{};
    const TPML_PCR_SELECTION no_pcr{};
    TPM2B_SENSITIVE_CREATE sensitive{};
    fill(sensitive.sensitive.userAuth, sensitive.sensitive.userAuth.buffer, auth_.value().reveal());
    NewKey made;
    const auto created = visit.connection().call(
        "Esys_Create", Esys_Create, visit.root().object.handle(), *session, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
        &area, &no_data, &no_pcr, Out(made.private_area), Out(made.public_area), nullptr, nullptr, nullptr);
    wipe({reinterpret_cast<std::uint8_t*>(&sensitive), sizeof sensitive});
    if (!created) {
        return root_problem("generate a key", visit, created.error());
    }
    return made;
}

/// Into the first handle of the range that nobody uses. Another program may take it meanwhile (P15): then the next one.
TpmKeys::Attempt<TPM2_HANDLE> TpmKeys::persist(Visit& visit, const KeyId& id, const NewKey& made) {
    const auto object = load(visit, id, *made.public_area, *made.private_area);
    if (!object) {
        return tl::unexpected(object.error());
    }
    const auto taken = handles_from(visit.connection(), options_.first_handle);
    if (!taken) {
        return problem("list its persistent objects", taken.error());
    }
    for (TPM2_HANDLE handle = options_.first_handle; handle <= options_.last_handle; ++handle) {
        if (std::find(taken->begin(), taken->end(), handle) != taken->end()) {
            continue;
        }
        ESYS_TR persistent = ESYS_TR_NONE;
        const auto kept =
            visit.connection().call("Esys_EvictControl", Esys_EvictControl, ESYS_TR{ESYS_TR_RH_OWNER}, object->handle(),
                                    ESYS_TR{ESYS_TR_PASSWORD}, ESYS_TR_NONE, ESYS_TR_NONE, handle, &persistent);
        if (kept) {
            const Loaded closed(visit.connection(), persistent, Loaded::Kind::persistent);
            return handle;
        }
        if (response_of(kept.error().rc) != TPM2_RC_NV_DEFINED) {
            return owner_problem("keep a key", kept.error());
        }
    }
    return problem(
        ErrorCode::token_full,
        fmt::format("has no free handle from {:#010x} to {:#010x}", options_.first_handle, options_.last_handle), {},
        "widen the range of 'storage', or remove unused keys; 'hwenroll token keys' lists them");
}

Status TpmKeys::destroy(const KeyId& id) {
    return visiting<void>([&](Visit& visit) { return destroy_in(visit, id); });
}

/// A blob is nowhere in the TPM: who keeps it destroys it.
TpmKeys::Attempt<void> TpmKeys::destroy_in(Visit& visit, const KeyId& id) {
    const auto object = persistent_object(visit, id);
    if (!object) {
        return tl::unexpected(object.error());
    }
    if (!*object) {
        return {};
    }
    if (!id_in((*object)->public_area)) {  // P15
        return problem(ErrorCode::token_operation, fmt::format("keeps key {}", to_hex(id.value)),
                       "another program has made it", "remove it with tpm2_evictcontrol if nobody uses it");
    }
    ESYS_TR gone = ESYS_TR_NONE;
    if (const auto evicted = visit.connection().call("Esys_EvictControl", Esys_EvictControl, ESYS_TR{ESYS_TR_RH_OWNER},
                                                     (*object)->object.handle(), ESYS_TR{ESYS_TR_PASSWORD},
                                                     ESYS_TR_NONE, ESYS_TR_NONE, (*object)->at, &gone);
        !evicted) {
        return owner_problem("destroy a key", evicted.error());
    }
    const auto left = persistent_object(visit, id);
    if (!left) {
        return tl::unexpected(left.error());
    }
    if (*left) {  // T24
        return problem(ErrorCode::token_operation, fmt::format("still lists key {}", to_hex(id.value)),
                       "Esys_EvictControl said TPM2_RC_SUCCESS");
    }
    return {};
}

Result<Bytes> TpmKeys::sign(const KeyReference& key, SignMechanism mechanism, ByteView input) {
    const bool rsa = mechanism == SignMechanism::rsa_pkcs1 && key.public_key.is_rsa();
    const bool ec = mechanism == SignMechanism::ecdsa &&
                    (matches(KeySpec::ec_p256, key.public_key) || matches(KeySpec::ec_p384, key.public_key));
    if (!rsa && !ec) {
        return fail(ErrorCode::token_operation, fmt::format("token '{}' was not asked to sign", options_.name),
                    fmt::format("a key of kind {} does not sign this way", key.public_key.text()));
    }
    return using_key<Bytes>(key, [&](Visit& visit, const KeyInUse& in_use) {
        failpoint("signature-wanted");
        auto signature = rsa ? sign_rsa(visit, in_use, key, input) : sign_ec(visit, in_use, key, input);
        failpoint("signature-made");
        return signature;
    });
}

Outcome<EsysPtr<TPMT_SIGNATURE>> TpmKeys::sign_digest(Visit& visit, const KeyInUse& key, TPM2_ALG_ID scheme,
                                                      TPM2_ALG_ID hash, ByteView digest) {
    TPM2B_DIGEST wanted{};
    fill(wanted, wanted.buffer, digest);
    TPMT_SIG_SCHEME with{};
    with.scheme = scheme;
    with.details.any.hashAlg = hash;
    // Only restricted keys ask for proof that the TPM itself has hashed (part 3 §20.2).
    TPMT_TK_HASHCHECK no_ticket{};
    no_ticket.tag = TPM2_ST_HASHCHECK;
    no_ticket.hierarchy = TPM2_RH_NULL;
    const auto session = visit.session(TPMA_SESSION_DECRYPT);
    if (!session) {
        return tl::unexpected(session.error());
    }
    EsysPtr<TPMT_SIGNATURE> signature;
    if (const auto made = visit.connection().call("Esys_Sign", Esys_Sign, key.object.handle(), *session, ESYS_TR_NONE,
                                                  ESYS_TR_NONE, &wanted, &with, &no_ticket, Out(signature));
        !made) {
        return tl::unexpected(made.error());
    }
    return signature;
}

/// A hash that the TPM lacks is padded here and signed as a raw private operation, which TPM2_RSA_Decrypt without a
/// scheme is (part 3 §14.3).
TpmKeys::Attempt<Bytes> TpmKeys::sign_rsa(Visit& visit, const KeyInUse& key, const KeyReference& reference,
                                          ByteView digest_info) {
    if (const auto input = read_digest_info(digest_info)) {
        const auto made = sign_digest(visit, key, TPM2_ALG_RSASSA, input->hash, input->digest);
        if (made) {
            const TPM2B_PUBLIC_KEY_RSA& signature = (*made)->signature.rsassa.sig;
            return Bytes(signature.buffer, signature.buffer + signature.size);
        }
        if (response_of(made.error().rc) != TPM2_RC_HASH || !can_decrypt(key.public_area)) {
            return use_problem("sign", reference.id, made.error());
        }
    }
    const auto block = pkcs1_block(digest_info, octets_of(reference.public_key));
    if (!block) {
        return problem(ErrorCode::token_operation, "was not asked to sign", "what is to be signed is too long");
    }
    const auto made = rsa_decrypt(visit, key, TPMT_RSA_DECRYPT{TPM2_ALG_NULL, {}}, *block);
    if (!made) {
        return use_problem("sign", reference.id, made.error());
    }
    return Bytes((*made)->buffer, (*made)->buffer + (*made)->size);
}

TpmKeys::Attempt<Bytes> TpmKeys::sign_ec(Visit& visit, const KeyInUse& key, const KeyReference& reference,
                                         ByteView digest) {
    const std::size_t size = octets_of(reference.public_key);
    const auto input = ecdsa_input(digest, size);
    if (!input) {
        return problem(ErrorCode::token_operation, "was not asked to sign",
                       fmt::format("{} octets are no digest", digest.size()));
    }
    const auto made = sign_digest(visit, key, TPM2_ALG_ECDSA, input->hash, input->digest);
    if (!made) {
        return use_problem("sign", reference.id, made.error());
    }
    const TPMS_SIGNATURE_ECC& signature = (*made)->signature.ecdsa;
    Bytes numbers;
    append_padded(numbers, signature.signatureR, size);
    append_padded(numbers, signature.signatureS, size);
    return ecdsa_signature_value(numbers);
}

Outcome<EsysPtr<TPM2B_PUBLIC_KEY_RSA>> TpmKeys::rsa_decrypt(Visit& visit, const KeyInUse& key,
                                                            const TPMT_RSA_DECRYPT& scheme, ByteView input) {
    TPM2B_PUBLIC_KEY_RSA block{};
    if (!fill(block, block.buffer, input)) {
        return call_failed("Esys_RSA_Decrypt", TSS2_ESYS_RC_BAD_SIZE);
    }
    const TPM2B_DATA no_label{};
    const auto session = visit.session(TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT);
    if (!session) {
        return tl::unexpected(session.error());
    }
    EsysPtr<TPM2B_PUBLIC_KEY_RSA> plain;
    if (const auto made = visit.connection().call("Esys_RSA_Decrypt", Esys_RSA_Decrypt, key.object.handle(), *session,
                                                  ESYS_TR_NONE, ESYS_TR_NONE, &block, &scheme, &no_label, Out(plain));
        !made) {
        return tl::unexpected(made.error());
    }
    return plain;
}

Result<Secret> TpmKeys::decrypt(const KeyReference& key, DecryptMechanism mechanism, ByteView ciphertext) {
    if (!key.public_key.is_rsa()) {
        return fail(ErrorCode::token_operation, fmt::format("token '{}' was not asked to decrypt", options_.name),
                    fmt::format("a key of kind {} cannot decrypt", key.public_key.text()));
    }
    if (ciphertext.size() != octets_of(key.public_key)) {  // BAD-103
        return fail(
            ErrorCode::token_operation, fmt::format("token '{}' was not asked to decrypt", options_.name),
            fmt::format("the ciphertext has {} octets, the modulus {}", ciphertext.size(), octets_of(key.public_key)));
    }
    return using_key<Secret>(key, [&](Visit& visit, const KeyInUse& in_use) -> Attempt<Secret> {
        failpoint("plaintext-wanted");
        const auto plain = rsa_decrypt(visit, in_use, scheme_of(mechanism), ciphertext);
        failpoint("plaintext-made");
        if (!plain && mechanism != DecryptMechanism::rsa_pkcs1 && is_unknown_scheme(plain.error().rc)) {
            return tl::unexpected(
                Problem{not_offered(options_.name, mechanism, plain.error().text()), plain.error().rc});
        }
        if (!plain) {
            return use_problem("decrypt", key.id, plain.error());
        }
        return Secret(ByteView((*plain)->buffer, (*plain)->size));
    });
}

Result<Secret> TpmKeys::agree(const KeyReference& key, const PublicKey& peer) {
    const std::size_t size = octets_of(key.public_key);
    const auto peers = peer_point(key.public_key, peer);
    if (!peers) {
        return fail(ErrorCode::token_operation, fmt::format("token '{}' was not asked to agree", options_.name),
                    fmt::format("keys of kind {} and {} do not agree on a secret", key.public_key.text(), peer.text()));
    }
    return using_key<Secret>(key, [&](Visit& visit, const KeyInUse& in_use) -> Attempt<Secret> {
        TPM2B_ECC_POINT theirs{};
        const ByteView point = ByteView(*peers).subspan(1);
        fill(theirs.point.x, theirs.point.x.buffer, point.first(size));
        fill(theirs.point.y, theirs.point.y.buffer, point.last(size));
        const auto session = visit.session(TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT);
        if (!session) {
            return problem("start a session", session.error());
        }
        EsysPtr<TPM2B_ECC_POINT> shared;
        if (const auto made = visit.connection().call("Esys_ECDH_ZGen", Esys_ECDH_ZGen, in_use.object.handle(),
                                                      *session, ESYS_TR_NONE, ESYS_TR_NONE, &theirs, Out(shared));
            !made) {
            return use_problem("agree on a secret", key.id, made.error());
        }
        Bytes secret;
        secret.reserve(size);
        append_padded(secret, shared->point.x, size);
        return Secret(std::move(secret));
    });
}

Result<KeyEvidence> TpmKeys::certify(const KeyReference& key, ByteView nonce) {
    if (nonce.empty() || nonce.size() > max_evidence_nonce) {
        return fail(ErrorCode::token_operation, fmt::format("token '{}' was not asked for evidence", options_.name),
                    fmt::format("a nonce has 1 to {} octets, not {}", max_evidence_nonce, nonce.size()));
    }
    return using_key<KeyEvidence>(
        key, [&](Visit& visit, const KeyInUse& in_use) { return certify_in(visit, in_use, key.id, nonce); });
}

/// The attestation key comes first: where there is none, the key's authorization value is not risked (P2).
TpmKeys::Attempt<KeyEvidence> TpmKeys::certify_in(Visit& visit, const KeyInUse& key, const KeyId& id, ByteView nonce) {
    const auto attestation = make_attestation_key(visit.connection());
    if (!attestation) {
        return attestation_problem(attestation.error());
    }
    auto ek_certificate = read_ek_certificate(visit.connection());
    if (!ek_certificate) {
        return problem("read the endorsement key's certificate", ek_certificate.error());
    }
    const auto session = visit.session(TPMA_SESSION_DECRYPT);
    if (!session) {
        return problem("start a session", session.error());
    }
    TPM2B_DATA qualifying{};
    fill(qualifying, qualifying.buffer, nonce);
    TPMT_SIG_SCHEME scheme_of_the_key{};
    scheme_of_the_key.scheme = TPM2_ALG_NULL;
    EsysPtr<TPM2B_ATTEST> info;
    EsysPtr<TPMT_SIGNATURE> signature;
    if (const auto made = visit.connection().call(
            "Esys_Certify", Esys_Certify, key.object.handle(), attestation->object.handle(), *session,
            ESYS_TR{ESYS_TR_PASSWORD}, ESYS_TR_NONE, &qualifying, &scheme_of_the_key, Out(info), Out(signature));
        !made) {
        return use_problem("certify a key", id, made.error());
    }
    return KeyEvidence{Bytes(info->attestationData, info->attestationData + info->size),
                       octets_of(*signature, Tss2_MU_TPMT_SIGNATURE_Marshal),
                       octets_of(key.public_area, Tss2_MU_TPM2B_PUBLIC_Marshal),
                       octets_of(attestation->public_area, Tss2_MU_TPM2B_PUBLIC_Marshal),
                       attestation->public_key.spki(),
                       *std::move(ek_certificate)};
}

/// Of the call that makes the attestation key, which gives the endorsement hierarchy's authorization value, an empty
/// one. No TPM counts refusals of that.
tl::unexpected<TpmKeys::Problem> TpmKeys::attestation_problem(const CallFailure& failure) const {
    constexpr const char* what = "cannot make its attestation key";
    if (is_refusal(failure.rc)) {
        return problem(ErrorCode::token_attest, what, "its endorsement hierarchy has an authorization value",
                       "give it an empty one (tpm2_changeauth -c endorsement)");
    }
    if (response_of(failure.rc) == TPM2_RC_HIERARCHY) {
        return problem(ErrorCode::token_attest, what, "its endorsement hierarchy is switched off",
                       "switch it on in the machine's firmware");
    }
    if (is_unsupported(failure.rc)) {
        return problem(ErrorCode::token_attest, what, failure.text(),
                       "a TPM attests here that has ECC P-256 with ECDSA and SHA-256");
    }
    return problem("make its attestation key", failure);
}

}  // namespace hwenroll::keystore::tpm2
