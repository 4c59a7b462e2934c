// Ownership of a POSIX file descriptor, for the modules that do I/O (docs/adr/0006).
#pragma once

#include <utility>

namespace hwenroll {

/// Owns one open descriptor and closes it. Empty when negative. Not thread-safe, like an int. Never fails: an error of
/// close(2) is dropped, so what must be durable is fsync()ed before.
class FileDescriptor {
 public:
    FileDescriptor() = default;
    explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    FileDescriptor(FileDescriptor&& other) noexcept : descriptor_(other.release()) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept;
    ~FileDescriptor() { reset(); }

    [[nodiscard]] int get() const { return descriptor_; }
    [[nodiscard]] bool valid() const { return descriptor_ >= 0; }

    /// Closes now. errno is left as it was.
    void reset() noexcept;

    /// Gives the descriptor to the caller, who closes it.
    [[nodiscard]] int release() noexcept { return std::exchange(descriptor_, -1); }

 private:
    int descriptor_ = -1;
};

}  // namespace hwenroll
