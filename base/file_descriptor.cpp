#include "base/file_descriptor.h"

#include <cerrno>
#include <unistd.h>

namespace hwenroll {

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
        reset();
        descriptor_ = other.release();
    }
    return *this;
}

void FileDescriptor::reset() noexcept {
    if (descriptor_ >= 0) {
        const int number = errno;
        close(release());
        errno = number;
    }
}

}  // namespace hwenroll
