#include "tests/support/small_disk.h"

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <stdexcept>
#include <string>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>

namespace hwenroll::test {
namespace {

void require(bool done, const std::filesystem::path& path) {
    if (!done) {
        throw std::runtime_error(path.string() + ": " + std::generic_category().message(errno));
    }
}

}  // namespace

bool SmallDisk::possible() {
    static const bool own =
        ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    return own;
}

SmallDisk::SmallDisk(std::filesystem::path place, std::size_t size,
                     const std::vector<std::filesystem::path>& directories)
    : place_(std::move(place)) {
    std::filesystem::create_directories(place_);
    const std::string options = "mode=0755,size=" + std::to_string(size);
    require(::mount("tmpfs", place_.c_str(), "tmpfs", MS_NOSUID, options.c_str()) == 0, place_);
    mounted_.push_back(place_);
    for (const std::filesystem::path& directory : directories) {
        const std::filesystem::path there = place_ / directory.filename();
        std::filesystem::create_directories(directory);
        std::filesystem::create_directory(there);
        std::filesystem::permissions(there, std::filesystem::perms::owner_all);
        require(::mount(there.c_str(), directory.c_str(), nullptr, MS_BIND, nullptr) == 0, directory);
        mounted_.push_back(directory);
    }
}

SmallDisk::~SmallDisk() {
    for (auto path = mounted_.rbegin(); path != mounted_.rend(); ++path) {
        ::umount2(path->c_str(), MNT_DETACH);
    }
}

void SmallDisk::fill(std::size_t left) {
    empty();
    struct statvfs room {};
    require(::statvfs(place_.c_str(), &room) == 0, place_);
    const std::size_t free = room.f_bfree * room.f_frsize;
    const int file = ::open(ballast().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    require(file >= 0, ballast());
    const bool taken = free <= left || ::posix_fallocate(file, 0, static_cast<off_t>(free - left)) == 0;
    ::close(file);
    require(taken, ballast());
}

void SmallDisk::empty() {
    std::filesystem::remove(ballast());
}

}  // namespace hwenroll::test
