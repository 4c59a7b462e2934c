// Preloaded (LD_PRELOAD): memory that ends. From the HWENROLL_MALLOC_FAILS_AT-th allocation on, in processes whose
// program is HWENROLL_MALLOC_FAILS_IN, malloc and its kin find nothing, as under a memory limit; with
// HWENROLL_MALLOC_FAILS_ONCE only that one does, as when others need memory for a moment.
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

// glibc's own, by the names that it keeps for those who interpose.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
extern char* program_invocation_short_name;
}

namespace {

std::atomic<long> allocations{0};

long limit() {
    const char* const program = std::getenv("HWENROLL_MALLOC_FAILS_IN");
    const char* const number = std::getenv("HWENROLL_MALLOC_FAILS_AT");
    const bool here = program != nullptr && number != nullptr && program_invocation_short_name != nullptr &&
                      std::strcmp(program, program_invocation_short_name) == 0;
    return here ? std::strtol(number, nullptr, 10) : 0;
}

bool is_out_of_memory() {
    static const long fails_at = limit();
    static const bool once = std::getenv("HWENROLL_MALLOC_FAILS_ONCE") != nullptr;
    if (fails_at == 0) {
        return false;
    }
    const long number = allocations.fetch_add(1) + 1;
    if (number < fails_at || (once && number > fails_at)) {
        return false;
    }
    errno = ENOMEM;
    return true;
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) void* malloc(std::size_t size) {
    return is_out_of_memory() ? nullptr : __libc_malloc(size);
}

__attribute__((visibility("default"))) void* calloc(std::size_t count, std::size_t size) {
    return is_out_of_memory() ? nullptr : __libc_calloc(count, size);
}

__attribute__((visibility("default"))) void* realloc(void* block, std::size_t size) {
    return is_out_of_memory() ? nullptr : __libc_realloc(block, size);
}
}
