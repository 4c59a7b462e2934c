#include "keystore/pin_source.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "base/file_descriptor.h"
#include "keystore/worker/pin_command.h"
#include "keystore/worker/secret_keeper.h"

namespace hwenroll::keystore {
namespace {

/// A buffer that is wiped whatever way its scope ends.
struct PinBuffer {
    // One octet more than the longest PIN with its line end, so that a longer file shows itself.
    std::array<std::uint8_t, max_pin_size + 3> octets{};
    std::size_t size = 0;
    PinBuffer() = default;
    PinBuffer(const PinBuffer&) = delete;
    PinBuffer& operator=(const PinBuffer&) = delete;
    ~PinBuffer() { wipe(octets); }
};

tl::unexpected<Error> refuse_file(const std::string& path, std::string why, std::string next = {}) {
    return fail(ErrorCode::token_pin_source, fmt::format("cannot use the PIN file '{}'", path), std::move(why),
                std::move(next));
}

std::string error_text(int number) {
    return std::generic_category().message(number);
}

std::int64_t nanoseconds(const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

PinSourceIdentity identity_of(const struct stat& file) {
    return {file.st_dev, file.st_ino, static_cast<std::uint64_t>(file.st_size), nanoseconds(file.st_mtim),
            nanoseconds(file.st_ctim)};
}

/// The directory systemd puts a service's credentials in (systemd.exec(5), LoadCredential=); empty outside a service.
std::filesystem::path credentials_directory() {
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    return directory != nullptr && directory[0] == '/' ? std::filesystem::path(directory).lexically_normal()
                                                       : std::filesystem::path();
}

bool is_credential(const std::string& path) {
    const auto directory = credentials_directory();
    if (directory.empty()) {
        return false;
    }
    const auto relative = std::filesystem::path(path).lexically_normal().lexically_relative(directory);
    return !relative.empty() && *relative.begin() != ".." && *relative.begin() != ".";
}

Status check_file(const std::string& path, const struct stat& file) {
    if (!S_ISREG(file.st_mode)) {
        return refuse_file(path, "it is no regular file");
    }
    if (file.st_uid != 0 && file.st_uid != geteuid() && file.st_uid != secret_keeper()) {
        return refuse_file(path, fmt::format("it belongs to user {}, not to root or user {}", file.st_uid, geteuid()),
                           "chown it to the user of the token worker");
    }
    const mode_t forbidden = is_credential(path) ? 0037 : 0077;
    if ((file.st_mode & forbidden) != 0) {
        return refuse_file(path,
                           fmt::format("its mode {:04o} lets others than its owner use it", file.st_mode & 07777U),
                           "chmod it to 0600");
    }
    return {};
}

/// Drops one line end and checks what is left.
Result<Secret> pin_from(const std::string& path, const PinBuffer& buffer) {
    std::size_t size = buffer.size;
    if (size > 0 && buffer.octets[size - 1] == '\n') {
        --size;
        if (size > 0 && buffer.octets[size - 1] == '\r') {
            --size;
        }
    }
    const ByteView pin(buffer.octets.data(), size);
    if (pin.empty()) {
        return refuse_file(path, "it is empty");
    }
    if (pin.size() > max_pin_size) {
        return refuse_file(path, fmt::format("it holds more than {} octets", max_pin_size));
    }
    // A stray second line would reach the token as part of the PIN and cost one of its tries.
    if (std::any_of(pin.begin(), pin.end(), [](std::uint8_t c) { return c == '\n' || c == '\r' || c == 0; })) {
        return refuse_file(path, "it holds more than one line");
    }
    return Secret(pin);
}

Result<Pin> read_pin_file(const std::string& path) {
    // O_NONBLOCK: opening a FIFO must not wait for its writer; it has no effect on the regular file we insist on.
    const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    if (!file.valid()) {
        return refuse_file(path, errno == ELOOP ? "it is a symbolic link" : error_text(errno));
    }
    struct stat status {};
    if (fstat(file.get(), &status) != 0) {
        return refuse_file(path, error_text(errno));
    }
    if (auto usable = check_file(path, status); !usable) {
        return fail(std::move(usable.error()));
    }
    PinBuffer buffer;
    while (buffer.size < buffer.octets.size()) {
        const ssize_t got = read(file.get(), buffer.octets.data() + buffer.size, buffer.octets.size() - buffer.size);
        if (got < 0 && errno != EINTR) {
            return refuse_file(path, error_text(errno));
        }
        if (got == 0) {
            break;
        }
        buffer.size += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
    // Half of an old and half of a new PIN would cost a try, under the identity of either.
    struct stat after {};
    if (fstat(file.get(), &after) != 0) {
        return refuse_file(path, error_text(errno));
    }
    if (identity_of(after) != identity_of(status)) {
        return refuse_file(path, "it changed while it was read", "write it anew and rename it into place");
    }
    auto pin = pin_from(path, buffer);
    if (!pin) {
        return fail(std::move(pin.error()));
    }
    return Pin{std::move(*pin), identity_of(status)};
}

Result<Pin> read_credential(const std::string& name) {
    const auto directory = credentials_directory();
    if (directory.empty()) {
        return fail(ErrorCode::token_pin_source, fmt::format("cannot read the PIN from the credential '{}'", name),
                    "CREDENTIALS_DIRECTORY is not set: only a systemd service has credentials",
                    "use hwenroll-token@.service with LoadCredential=, or a file: source");
    }
    struct stat status {};
    if (lstat((directory / name).c_str(), &status) != 0 && errno == ENOENT) {
        // P9: what was sealed to a TPM is lost with the state of the machine that it was sealed to.
        return fail(ErrorCode::token_pin_source, fmt::format("cannot read the PIN from the credential '{}'", name),
                    "systemd has none of this name for the service, or could not unseal it",
                    fmt::format("add LoadCredential=, or after a change of firmware or TPM seal it anew: systemd-creds "
                                "encrypt --with-key=tpm2 --tpm2-pcrs=23 --name={0} PIN-FILE "
                                "/etc/credstore.encrypted/{0} (--with-key=host where there is no TPM)",
                                name));
    }
    auto pin = read_pin_file(directory / name);
    if (pin) {
        pin->identity.reset();
    }
    return pin;
}

bool is_credential_name(std::string_view name) {
    const auto allowed = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '-' ||
               c == '_';
    };
    return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
           std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace

Result<PinSource> PinSource::parse(std::string_view text) {
    if (text.empty()) {
        return PinSource(Kind::none, {});
    }
    const auto after = [text](std::string_view prefix) -> std::optional<std::string> {
        return text.starts_with(prefix) ? std::optional(std::string(text.substr(prefix.size()))) : std::nullopt;
    };
    const auto is_path = [](const std::string& path) {
        return path.starts_with('/') && path.find('\0') == std::string::npos;
    };
    if (auto path = after("file:"); path && is_path(*path)) {
        return PinSource(Kind::file, std::move(*path));
    }
    if (auto path = after("exec:"); path && is_path(*path)) {
        return PinSource(Kind::command, std::move(*path));
    }
    if (auto name = after("credential:"); name && is_credential_name(*name)) {
        return PinSource(Kind::credential, std::move(*name));
    }
    // The value itself is not repeated: it may be the PIN.
    return fail(ErrorCode::config_value, "the 'pin' of a token is not acceptable",
                "it must be file:/path, credential:NAME or exec:/path with an absolute path");
}

Result<std::optional<PinSourceIdentity>> PinSource::identity() const {
    if (kind_ != Kind::file || is_credential(location_)) {
        return std::optional<PinSourceIdentity>();
    }
    struct stat status {};
    if (lstat(location_.c_str(), &status) != 0) {
        return refuse_file(location_, error_text(errno));
    }
    return std::optional(identity_of(status));
}

Result<Pin> PinSource::read(std::chrono::milliseconds deadline) const {
    switch (kind_) {
        case Kind::file: {
            auto pin = read_pin_file(location_);
            if (pin && is_credential(location_)) {
                // Each start of a service makes these files anew: that it is another file says nothing of the PIN.
                pin->identity.reset();
            }
            return pin;
        }
        case Kind::credential:
            return read_credential(location_);
        case Kind::command: {
            auto pin = run_pin_command(location_, deadline);
            if (!pin) {
                return fail(std::move(pin.error()));
            }
            return Pin{std::move(*pin), std::nullopt};
        }
        case Kind::none:
            break;
    }
    return fail(ErrorCode::token_pin_source, "there is no PIN to read", "the token has no 'pin'",
                "set the 'pin' of the token");
}

}  // namespace hwenroll::keystore
