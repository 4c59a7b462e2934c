#include "agent/publish/publisher.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "agent/publish/directory.h"
#include "agent/publish/file_names.h"
#include "agent/publish/generation_writer.h"
#include "agent/publish/key_reference.h"
#include "base/failpoint.h"
#include "base/pem.h"

namespace hwenroll::publish {
namespace {

constexpr std::size_t generations_kept = 3;
constexpr mode_t directory_mode = 0711;

/// More than a generation with a chain of ten takes.
constexpr std::size_t rehearsal_size = std::size_t{64} << 10U;

tl::unexpected<Error> refuse(const Generation& generation, std::string why) {
    return fail(ErrorCode::publish_write, fmt::format("cannot publish generation {}", generation.number),
                std::move(why));
}

Status check(const Generation& generation, const FilePolicy& policy) {
    if (generation.number == 0 || generation.anchors.empty()) {
        return refuse(generation, "it has no number or no anchor");
    }
    if ((policy.certificate_mode & ~0644U) != 0 || (policy.certificate_mode & 0400U) == 0) {
        return refuse(generation, fmt::format("the mode {:04o} is not acceptable", policy.certificate_mode));
    }
    return {};
}

Status remove_temporaries(const Directory& identity) {
    const auto names = identity.names();
    if (!names) {
        return fail(names.error());
    }
    for (const std::string& name : *names) {
        if (!is_temporary(name)) {
            continue;
        }
        if (Status removed = identity.remove(name); !removed) {
            return removed;
        }
    }
    return {};
}

/// The identity's directory, made if need be and freed of what a crash left.
Result<Directory> open_identity(const std::filesystem::path& publish_dir, std::string_view name) {
    if (!is_identity_name(name)) {
        return fail(ErrorCode::publish_write, fmt::format("cannot publish in {}", publish_dir.string()),
                    fmt::format("'{}' is not acceptable as a directory's name", name));
    }
    const auto root = Directory::open(publish_dir, Directory::Absent::create);
    if (!root) {
        return fail(root.error());
    }
    auto identity = root->open_child(name, Directory::Absent::create);
    if (!identity) {
        return identity;
    }
    if (Status ready = identity->set_mode(directory_mode); !ready) {
        return fail(ready.error());
    }
    if (Status clean = remove_temporaries(*identity); !clean) {
        return fail(clean.error());
    }
    return identity;
}

/// The directory at `path`; nothing when there is nothing.
Result<std::optional<Directory>> existing(const std::filesystem::path& path) {
    std::error_code error;
    if (std::filesystem::symlink_status(path, error).type() == std::filesystem::file_type::not_found) {
        return std::nullopt;
    }
    auto directory = Directory::open(path, Directory::Absent::fail);
    return directory ? Result<std::optional<Directory>>(*std::move(directory)) : fail(directory.error());
}

/// The identity's directory; nothing when it was never published.
Result<std::optional<Directory>> existing_identity(const std::filesystem::path& publish_dir, std::string_view name) {
    if (!is_identity_name(name)) {
        return std::nullopt;
    }
    auto root = existing(publish_dir);
    if (!root || !root->has_value()) {
        return root;
    }
    const auto kind = (*root)->kind_of(name);
    if (!kind || *kind == Directory::Kind::none) {
        return kind ? Result<std::optional<Directory>>(std::nullopt) : fail(kind.error());
    }
    auto identity = (*root)->open_child(name, Directory::Absent::fail);
    return identity ? Result<std::optional<Directory>>(*std::move(identity)) : fail(identity.error());
}

/// Where `current` points, if it points to a generation.
Result<std::optional<std::uint64_t>> current_of(const Directory& identity) {
    const auto target = identity.read_link(current_link);
    if (!target) {
        return fail(target.error());
    }
    return target->has_value() ? generation_number(**target) : std::nullopt;
}

/// One rename, so that every reader sees the old or the new generation.
Status switch_to(const Directory& identity, std::uint64_t number) {
    const std::string temporary = temporary_name(current_link);
    if (Status linked = identity.create_link(temporary, generation_name(number)); !linked) {
        return linked;
    }
    failpoint("link-made");
    if (Status switched = identity.rename_over(temporary, current_link); !switched) {
        static_cast<void>(identity.remove(temporary));
        return switched;
    }
    failpoint("link-switched");
    Status synced = identity.sync();
    failpoint("link-synced");
    return synced;
}

Result<std::vector<std::uint64_t>> generations_in(const Directory& identity) {
    const auto names = identity.names();
    if (!names) {
        return fail(names.error());
    }
    std::vector<std::uint64_t> numbers;
    for (const std::string& name : *names) {
        if (const auto number = generation_number(name)) {
            numbers.push_back(*number);
        }
    }
    std::ranges::sort(numbers);
    return numbers;
}

/// Renamed first, so that no generation is ever there in part.
void remove_generation(const Directory& identity, std::uint64_t number) {
    const std::string name = generation_name(number);
    const std::string temporary = temporary_name(name);
    if (identity.rename_to_new(name, temporary)) {
        failpoint("old-generation-renamed");
        static_cast<void>(identity.remove(temporary));
    }
}

void remove_old(const Directory& identity, std::uint64_t current) {
    const auto numbers = generations_in(identity);
    if (!numbers || numbers->size() <= generations_kept) {
        return;
    }
    for (auto number = numbers->begin(); number != numbers->end() - generations_kept; ++number) {
        if (*number != current) {
            remove_generation(identity, *number);
        }
    }
}

/// `error` if it says that nothing could be looked at, otherwise it is the generation's fault.
Status defect_of(const Error& error, PublishedState& state) {
    if (error.code() == ErrorCode::publish_unseen) {
        return fail(error);
    }
    state.defect = error.what() + ": " + error.why();
    return {};
}

/// Fills in what the current generation says; `state.defect` is the first fault.
Status read_current(const Directory& identity, PublishedState& state) {
    const auto directory = identity.open_child(generation_name(*state.current), Directory::Absent::fail);
    if (!directory) {
        return defect_of(directory.error(), state);
    }
    for (const std::string_view name : generation_files) {
        if (name == key_file && is_handle_uri(state.key_uri)) {
            continue;
        }
        const auto content = directory->read_file(name);
        if (!content) {
            return defect_of(content.error(), state);
        }
        if (name == certificate_file) {
            auto certificates = certificate_ders_from_pem(*content);
            if (!certificates || certificates->size() != 1 || !summary_of(certificates->front())) {
                state.defect = fmt::format("{} holds no single certificate", (directory->path() / name).string());
                return {};
            }
            state.certificate = std::move(certificates->front());
        } else if (name == full_chain_file) {
            const auto certificates = certificate_ders_from_pem(*content);
            if (!certificates || certificates->front() != state.certificate) {
                state.defect = fmt::format("{} belongs to another certificate", (directory->path() / name).string());
                return {};
            }
        } else if (name == key_uri_file) {
            state.key_uri = content->substr(0, content->find('\n'));
        } else if (name == key_file && is_wrapped_key(*content)) {
            state.key_pem = *content;
        }
    }
    return {};
}

/// Everything of Publisher::publish but the identity's name in errors.
Status publish_in(const std::filesystem::path& publish_dir, const Generation& generation, const FilePolicy& policy) {
    if (Status checked = check(generation, policy); !checked) {
        return checked;
    }
    const auto files = render(generation, policy);
    if (!files) {
        return fail(files.error());
    }
    const auto identity = open_identity(publish_dir, generation.identity);
    if (!identity) {
        return fail(identity.error());
    }
    const auto current = current_of(*identity);
    if (!current) {
        return fail(current.error());
    }
    if (current->value_or(0) > generation.number) {
        return refuse(generation, fmt::format("generation {} is the current one", **current));
    }
    if (Status written = GenerationWriter(*identity, generation.number, *files, *current).ensure(); !written) {
        return written;
    }
    // Once more where consumers are led there already: a crash or a failed fsync may have come before it was durable,
    // and after a failure an fsync without a change would only seem to make it so (S3).
    if (Status switched = switch_to(*identity, generation.number); !switched) {
        return switched;
    }
    remove_old(*identity, generation.number);
    return {};
}

/// Everything of Publisher::rehearse but the identity's name in errors.
Status rehearse_in(const std::filesystem::path& publish_dir, std::string_view name, const FilePolicy& policy) {
    const auto ownership = key_ownership(policy);
    if (!ownership) {
        return fail(ownership.error());
    }
    const auto identity = open_identity(publish_dir, name);
    if (!identity) {
        return fail(identity.error());
    }
    const std::string temporary = temporary_name("rehearsal");
    const auto directory = identity->create_child(temporary);
    if (!directory) {
        return fail(directory.error());
    }
    const std::string empty(rehearsal_size, '\0');
    Status written = directory->write_file(key_file, in_one_piece(empty), *ownership);
    failpoint("rehearsal-written");
    Status removed = identity->remove(temporary);
    return written ? removed : written;
}

/// Everything of Publisher::inspect but the identity's name in errors.
Result<std::optional<PublishedState>> inspect_in(const std::filesystem::path& publish_dir, std::string_view name) {
    const auto identity = existing_identity(publish_dir, name);
    if (!identity) {
        return fail(identity.error());
    }
    if (!identity->has_value()) {
        return std::nullopt;
    }
    const auto numbers = generations_in(**identity);
    const auto target = (*identity)->read_link(current_link);
    if (!numbers || !target) {
        return fail(!numbers ? numbers.error() : target.error());
    }
    if (numbers->empty() && !target->has_value()) {
        return std::nullopt;
    }
    PublishedState state;
    state.generations = *numbers;
    state.current = target->has_value() ? generation_number(**target) : std::nullopt;
    if (state.current) {
        if (Status read = read_current(**identity, state); !read) {
            return fail(read.error());
        }
    } else {
        state.defect = fmt::format("{} does not point to a generation", ((*identity)->path() / current_link).string());
    }
    return state;
}

/// Everything of Publisher::difference but the identity's name in errors.
Result<std::string> difference_in(const std::filesystem::path& publish_dir, const Generation& generation) {
    const auto files = render(generation, {});
    const auto state = inspect_in(publish_dir, generation.identity);
    if (!files || !state) {
        return fail(!files ? files.error() : state.error());
    }
    if (!state->has_value()) {
        return (publish_dir / generation.identity).string() + " is empty";
    }
    if ((*state)->current != generation.number) {
        return (publish_dir / generation.identity / current_link).string() + " leads elsewhere";
    }
    if (!(*state)->defect.empty()) {
        return (*state)->defect;
    }
    const auto identity = existing_identity(publish_dir, generation.identity);
    if (!identity || !identity->has_value()) {
        return identity ? Result<std::string>("it is gone") : fail(identity.error());
    }
    const auto directory = (*identity)->open_child(generation_name(generation.number), Directory::Absent::fail);
    if (!directory) {
        return fail(directory.error());
    }
    for (const RenderedFile& file : *files) {
        const auto same = directory->holds(file.name, file.pieces());
        if (!same && same.error().code() == ErrorCode::publish_unseen) {
            return fail(same.error());
        }
        if (!same || !*same) {
            return (directory->path() / file.name).string() + " has another content";
        }
    }
    return std::string();
}

/// Whether a generation has a wrapped key that is, or may be, the one of `spki`. An error when it cannot be told now.
Result<bool> has_wrapped_key(const Directory& generation, const Bytes& spki) {
    const auto key = generation.read_file(key_file);
    const auto certificate = generation.read_file(certificate_file);
    for (const auto* const content : {&key, &certificate}) {
        if (!*content && content->error().code() == ErrorCode::publish_unseen) {
            return fail(content->error());
        }
    }
    if (!key || !is_wrapped_key(*key)) {
        return false;
    }
    const auto ders = certificate ? certificate_ders_from_pem(*certificate) : fail(certificate.error());
    if (!ders || ders->empty()) {
        return true;
    }
    const auto read = Certificate::from_der(ders->front());
    return !read || read->public_key().spki() == spki;
}

/// Everything of Publisher::remove_wrapped_key but the identity's name in errors.
Result<bool> remove_wrapped_key_in(const std::filesystem::path& publish_dir, std::string_view name, const Bytes& spki) {
    const auto identity = existing_identity(publish_dir, name);
    if (!identity || !identity->has_value()) {
        return identity ? Result<bool>(false) : fail(identity.error());
    }
    const auto numbers = generations_in(**identity);
    const auto current = current_of(**identity);
    if (!numbers || !current) {
        return fail(!numbers ? numbers.error() : current.error());
    }
    bool any = false;
    for (const std::uint64_t number : *numbers) {
        const auto generation = (*identity)->open_child(generation_name(number), Directory::Absent::fail);
        const auto has = generation ? has_wrapped_key(*generation, spki) : fail(generation.error());
        if (!has) {
            return fail(has.error());
        }
        if (number == *current || !*has) {
            continue;
        }
        Status removed = generation->remove(key_file);
        removed = removed ? generation->sync() : removed;
        if (!removed) {
            return fail(removed.error());
        }
        any = true;
    }
    return any;
}

}  // namespace

std::filesystem::path Publisher::current(std::string_view identity) const {
    return publish_dir_ / identity / current_link;
}

Result<bool> Publisher::remove_wrapped_key(std::string_view identity, const Bytes& spki) const {
    auto done = remove_wrapped_key_in(publish_dir_, identity, spki);
    return done ? done : fail(std::move(done.error()).about(std::string(identity)));
}

Status Publisher::publish(const Generation& generation, const FilePolicy& policy) const {
    Status done = publish_in(publish_dir_, generation, policy);
    return done ? done : fail(std::move(done.error()).about(generation.identity));
}

Status Publisher::rehearse(std::string_view identity, const FilePolicy& policy) const {
    Status done = rehearse_in(publish_dir_, identity, policy);
    return done ? done : fail(std::move(done.error()).about(std::string(identity)));
}

Result<std::optional<PublishedState>> Publisher::inspect(std::string_view identity) const {
    auto state = inspect_in(publish_dir_, identity);
    return state ? state : fail(std::move(state.error()).about(std::string(identity)));
}

Result<std::string> Publisher::difference(const Generation& generation) const {
    auto found = difference_in(publish_dir_, generation);
    return found ? found : fail(std::move(found.error()).about(generation.identity));
}

Status Publisher::sweep() const {
    const auto root = existing(publish_dir_);
    if (!root) {
        return fail(root.error());
    }
    if (!root->has_value()) {
        return {};
    }
    const auto names = (*root)->names();
    if (!names) {
        return fail(names.error());
    }
    Status outcome;
    for (const std::string& name : *names) {
        const auto kind = (*root)->kind_of(name);
        if (!is_identity_name(name) || !kind || *kind != Directory::Kind::directory) {
            continue;  // not ours
        }
        const auto identity = (*root)->open_child(name, Directory::Absent::fail);
        const Status swept = identity ? remove_temporaries(*identity) : fail(identity.error());
        if (!swept && outcome) {
            outcome = fail(Error(swept.error()).about(name));
        }
    }
    return outcome;
}

}  // namespace hwenroll::publish
