// Ownership of a POSIX file descriptor.
#pragma once

#include <unistd.h>
#include <utility>

namespace hwenroll::keystore {

/// Owns one open descriptor and closes it. Empty when negative.
class FileDescriptor {
 public:
    FileDescriptor() = default;
    explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    FileDescriptor(FileDescriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        if (this != &other) {
            reset();
            descriptor_ = std::exchange(other.descriptor_, -1);
        }
        return *this;
    }
    ~FileDescriptor() { reset(); }

    [[nodiscard]] int get() const { return descriptor_; }
    [[nodiscard]] bool valid() const { return descriptor_ >= 0; }

    /// Closes now.
    void reset() noexcept {
        if (descriptor_ >= 0) {
            close(std::exchange(descriptor_, -1));
        }
    }

 private:
    int descriptor_ = -1;
};

}  // namespace hwenroll::keystore
