#include "tests/lab_ca/files.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <unistd.h>

#include <fmt/format.h>

#include "base/file_descriptor.h"

namespace hwenroll::lab_ca {

Status write_file(const std::filesystem::path& path, std::string_view text, mode_t mode) {
    const std::filesystem::path unfinished = path.string() + ".new";
    const FileDescriptor file(open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
    if (!file.valid() || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        rename(unfinished.c_str(), path.c_str()) != 0) {
        return fail(ErrorCode::input_file, fmt::format("cannot write '{}'", path.string()), std::strerror(errno),
                    "check space and permissions of the lab CA's directory");
    }
    return {};
}

Status append_line(const std::filesystem::path& path, std::string_view line) {
    const FileDescriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!file.valid() || write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
        return fail(ErrorCode::input_file, fmt::format("cannot write '{}'", path.string()), std::strerror(errno));
    }
    return {};
}

Result<std::string> read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        return fail(ErrorCode::input_file, fmt::format("cannot read '{}'", path.string()), std::strerror(errno));
    }
    return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace hwenroll::lab_ca
