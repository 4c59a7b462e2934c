// A file system of a given size under directories of a test, to be filled.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

namespace hwenroll::test {

/// Puts a tmpfs of `size` octets under each of `directories`, which are made if need be and share its room, in a mount
/// namespace of this process and of those that it starts from now on. Taken away with this object.
class SmallDisk {
 public:
    /// False where this process may not mount: nothing is there to be tested then.
    static bool possible();

    /// `place`: an empty directory. Throws std::runtime_error when something cannot be mounted.
    SmallDisk(std::filesystem::path place, std::size_t size, const std::vector<std::filesystem::path>& directories);
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    ~SmallDisk();

    /// Takes all the room but `left` octets, rounded down to pages.
    void fill(std::size_t left);

    /// Gives the room back.
    void empty();

 private:
    [[nodiscard]] std::filesystem::path ballast() const { return place_ / "ballast"; }

    std::filesystem::path place_;
    std::vector<std::filesystem::path> mounted_;
};

}  // namespace hwenroll::test
