#include "agent/publish/generation_writer.h"

#include <utility>

#include <fmt/format.h>

#include "agent/publish/file_names.h"
#include "agent/publish/group.h"
#include "agent/publish/identity_document.h"
#include "agent/publish/key_reference.h"
#include "base/failpoint.h"
#include "base/pem.h"

namespace hwenroll::publish {
namespace {

constexpr mode_t directory_mode = 0711;

std::string pem_of(const std::vector<Certificate>& certificates) {
    std::string text;
    for (const Certificate& certificate : certificates) {
        text += to_pem(certificate);
    }
    return text;
}

}  // namespace

Result<FileOwnership> key_ownership(const FilePolicy& policy) {
    if (policy.group.empty()) {
        return FileOwnership{0600, std::nullopt};
    }
    const auto group = group_of_service(policy.group);
    if (!group) {
        return fail(group.error());
    }
    return FileOwnership{0640, *group};
}

Result<std::vector<RenderedFile>> render(const Generation& generation, const FilePolicy& policy) {
    const FileOwnership open{policy.certificate_mode, std::nullopt};
    const auto closed = key_ownership(policy);
    if (!closed) {
        return fail(closed.error());
    }
    const std::string certificate = to_pem(generation.certificate);
    const std::string chain = pem_of(generation.chain);
    std::vector<RenderedFile> files{{certificate_file, certificate, open},
                                    {chain_file, chain, open},
                                    {full_chain_file, certificate + chain, open},
                                    {anchors_file, pem_of(generation.anchors), open},
                                    {key_uri_file, generation.key_uri + '\n', *closed},
                                    {document_file, identity_document(generation), open}};
    if (!generation.crl.empty()) {
        files.push_back({crl_file, {}, open, generation.crl});
    }
    if (generation.key_pem.empty() && is_handle_uri(generation.key_uri)) {
        return files;
    }
    auto key = generation.key_pem.empty() ? key_reference_pem(generation.key_uri) : wrapped_key_pem(generation.key_pem);
    if (!key) {
        return fail(key.error());
    }
    files.push_back({key_file, *std::move(key), *closed});
    return files;
}

Pieces RenderedFile::pieces() const {
    if (crl.empty()) {
        return in_one_piece(content);
    }
    return [list = crl](const std::function<bool(std::string_view)>& take) { pem_pieces("X509 CRL", list, take); };
}

GenerationWriter::GenerationWriter(const Directory& identity, std::uint64_t number,
                                   const std::vector<RenderedFile>& files, std::optional<std::uint64_t> current)
    : identity_(&identity),
      number_(number),
      name_(generation_name(number)),
      files_(&files),
      is_current_(current == number) {}

Status GenerationWriter::ensure() const {
    const auto there = identity_->kind_of(name_);
    if (!there) {
        return fail(there.error());
    }
    if (*there == Directory::Kind::none) {
        return create();
    }
    Status confirmed = confirm();
    if (confirmed || is_current_ || *there != Directory::Kind::directory) {
        return confirmed;
    }
    // Left by a crash, or by a database that is gone: nobody was ever led there.
    discard();
    return create();
}

/// After a crash between the rename and the caller's commit the same generation comes again (S7).
Status GenerationWriter::confirm() const {
    const auto directory = identity_->open_child(name_, Directory::Absent::fail);
    if (!directory) {
        return fail(directory.error());
    }
    const auto names = directory->names();
    if (!names) {
        return fail(names.error());
    }
    if (names->size() != files_->size()) {
        return differs(*directory, "its files are not the expected ones");
    }
    for (const RenderedFile& file : *files_) {
        const auto same = directory->holds(file.name, file.pieces());
        if (!same) {
            return fail(same.error());
        }
        if (!*same) {
            return differs(*directory, fmt::format("{} has another content", file.name));
        }
        if (Status owned = directory->set_ownership(file.name, file.ownership); !owned) {
            return owned;
        }
    }
    return identity_->sync();
}

Status GenerationWriter::differs(const Directory& directory, std::string why) const {
    return fail(ErrorCode::publish_write,
                fmt::format("generation {} is already published otherwise in {}", number_, directory.path().string()),
                std::move(why), "remove that directory if nobody needs it; the agent does not overwrite it");
}

Status GenerationWriter::create() const {
    const std::string temporary = temporary_name(name_);
    Status done = write_files(temporary);
    failpoint("generation-written");
    if (done) {
        done = identity_->rename_to_new(temporary, name_);
    }
    if (!done) {
        static_cast<void>(identity_->remove(temporary));  // the error to report is the first one; sweep() tries again
        return done;
    }
    failpoint("generation-named");
    if (Status synced = identity_->sync(); !synced) {
        discard();
        return synced;
    }
    failpoint("generation-synced");
    return {};
}

Status GenerationWriter::write_files(const std::string& temporary) const {
    const auto directory = identity_->create_child(temporary);
    if (!directory) {
        return fail(directory.error());
    }
    failpoint("generation-begun");
    for (const RenderedFile& file : *files_) {
        if (Status written = directory->write_file(file.name, file.pieces(), file.ownership); !written) {
            return written;
        }
        failpoint("file-written");
    }
    if (Status opened = directory->set_mode(directory_mode); !opened) {
        return opened;
    }
    return directory->sync();
}

/// A generation whose entry may not be durable counts as not written (S3, S4): the next try makes new files instead
/// of trusting a second fsync.
void GenerationWriter::discard() const {
    const std::string temporary = temporary_name(name_);
    if (identity_->rename_to_new(name_, temporary)) {
        static_cast<void>(identity_->remove(temporary));
    }
}

}  // namespace hwenroll::publish
