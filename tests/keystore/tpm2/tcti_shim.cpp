// A TCTI that forwards to a real one and answers some commands itself, for faults that no simulator has on demand.
//
// `PATH/libhwenroll-tcti-shim.so:INNER` in a TCTI's place, INNER being the real one. HWENROLL_TCTI_LOG names a file
// that gets the code of every command, a hexadecimal number a line. HWENROLL_TCTI_RULE is `CODE=RESPONSE*TIMES`: the
// first TIMES commands of that code in the file do not reach the TPM and are answered with that response code.
// HWENROLL_TCTI_DELAY is `CODE=MILLISECONDS`: every command of that code reaches the TPM so much later. State is kept
// in the file alone: tctildr unloads the module with each connection.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>

namespace {

struct Shim {
    TSS2_TCTI_CONTEXT_COMMON_V2 common;
    TSS2_TCTI_CONTEXT* inner;
    std::uint32_t answer;  ///< response code of the command at hand; 0: it has gone to the TPM
};

constexpr std::uint64_t magic = 0x4857454E524F4C4C;
constexpr std::size_t header_size = 10;

Shim* shim_of(TSS2_TCTI_CONTEXT* context) {
    return reinterpret_cast<Shim*>(context);
}

/// The functions of the real one (its macros cast in C's way).
const TSS2_TCTI_CONTEXT_COMMON_V1& inner_of(TSS2_TCTI_CONTEXT* context) {
    return *reinterpret_cast<TSS2_TCTI_CONTEXT_COMMON_V1*>(shim_of(context)->inner);
}

/// The command's code is at octet 6 (TPM 2.0 part 1 §18.2).
std::uint32_t code_of(const std::uint8_t* command) {
    return std::uint32_t{command[6]} << 24U | std::uint32_t{command[7]} << 16U | std::uint32_t{command[8]} << 8U |
           command[9];
}

/// Notes the command and says how often it has come before.
unsigned count(std::uint32_t code) {
    const char* path = std::getenv("HWENROLL_TCTI_LOG");
    unsigned before = 0;
    std::ifstream log(path != nullptr ? path : "");
    for (std::string line; std::getline(log, line);) {
        before += std::strtoul(line.c_str(), nullptr, 16) == code ? 1 : 0;
    }
    if (path != nullptr) {
        std::ofstream(path, std::ios::app) << std::hex << code << '\n';
    }
    return before;
}

void trace(const std::uint8_t* octets, std::size_t size) {
    if (const char* path = std::getenv("HWENROLL_TCTI_TRACE")) {
        std::ofstream(path, std::ios::app | std::ios::binary)
            .write(reinterpret_cast<const char*>(octets), static_cast<std::streamsize>(size));
    }
}

/// What the rule says to the command, or 0.
std::uint32_t answer_to(std::uint32_t code, unsigned before) {
    const char* rule = std::getenv("HWENROLL_TCTI_RULE");
    if (rule == nullptr) {
        return 0;
    }
    char* end = nullptr;
    const unsigned long wanted = std::strtoul(rule, &end, 16);
    if (*end != '=') {
        return 0;
    }
    const unsigned long response = std::strtoul(end + 1, &end, 16);
    if (*end != '*') {
        return 0;
    }
    const unsigned long times = std::strtoul(end + 1, &end, 10);
    return wanted == code && before < times ? static_cast<std::uint32_t>(response) : 0;
}

/// For a command that takes as long as a real chip's.
void delay(std::uint32_t code) {
    const char* rule = std::getenv("HWENROLL_TCTI_DELAY");
    char* end = nullptr;
    if (rule != nullptr && std::strtoul(rule, &end, 16) == code && *end == '=') {
        std::this_thread::sleep_for(std::chrono::milliseconds(std::strtoul(end + 1, nullptr, 10)));
    }
}

TSS2_RC transmit(TSS2_TCTI_CONTEXT* context, size_t size, const std::uint8_t* command) {
    Shim* shim = shim_of(context);
    const std::uint32_t code = size >= header_size ? code_of(command) : 0;
    shim->answer = answer_to(code, count(code));
    trace(command, size);
    delay(code);
    return shim->answer != 0 ? TSS2_RC_SUCCESS : inner_of(context).transmit(shim->inner, size, command);
}

TSS2_RC receive(TSS2_TCTI_CONTEXT* context, size_t* size, std::uint8_t* response, std::int32_t timeout) {
    Shim* shim = shim_of(context);
    if (shim->answer == 0) {
        const TSS2_RC rc = inner_of(context).receive(shim->inner, size, response, timeout);
        if (rc == TSS2_RC_SUCCESS && response != nullptr) {
            trace(response, *size);
        }
        return rc;
    }
    if (response == nullptr) {
        *size = header_size;
        return TSS2_RC_SUCCESS;
    }
    if (*size < header_size) {
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    }
    const std::uint8_t octets[header_size] = {0x80,
                                              0x01,
                                              0,
                                              0,
                                              0,
                                              header_size,
                                              static_cast<std::uint8_t>(shim->answer >> 24U),
                                              static_cast<std::uint8_t>(shim->answer >> 16U),
                                              static_cast<std::uint8_t>(shim->answer >> 8U),
                                              static_cast<std::uint8_t>(shim->answer)};
    std::memcpy(response, octets, header_size);
    *size = header_size;
    shim->answer = 0;
    return TSS2_RC_SUCCESS;
}

void finalize(TSS2_TCTI_CONTEXT* context) {
    Tss2_TctiLdr_Finalize(&shim_of(context)->inner);
}

TSS2_RC cancel(TSS2_TCTI_CONTEXT* context) {
    return inner_of(context).cancel(shim_of(context)->inner);
}

TSS2_RC poll_handles(TSS2_TCTI_CONTEXT* context, TSS2_TCTI_POLL_HANDLE* handles, size_t* number) {
    return inner_of(context).getPollHandles(shim_of(context)->inner, handles, number);
}

TSS2_RC set_locality(TSS2_TCTI_CONTEXT* context, std::uint8_t locality) {
    return inner_of(context).setLocality(shim_of(context)->inner, locality);
}

TSS2_RC make_sticky(TSS2_TCTI_CONTEXT* /*context*/, TPM2_HANDLE* /*handle*/, std::uint8_t /*sticky*/) {
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

TSS2_RC initialize(TSS2_TCTI_CONTEXT* context, size_t* size, const char* configuration) {
    if (context == nullptr) {
        *size = sizeof(Shim);
        return TSS2_RC_SUCCESS;
    }
    Shim* shim = shim_of(context);
    std::memset(static_cast<void*>(shim), 0, sizeof *shim);
    TSS2_TCTI_CONTEXT_COMMON_V1& common = shim->common.v1;
    common.magic = magic;
    common.version = 2;
    common.transmit = transmit;
    common.receive = receive;
    common.finalize = finalize;
    common.cancel = cancel;
    common.getPollHandles = poll_handles;
    common.setLocality = set_locality;
    shim->common.makeSticky = make_sticky;
    return Tss2_TctiLdr_Initialize(configuration, &shim->inner);
}

constexpr TSS2_TCTI_INFO info = {2, "hwenroll-tcti-shim", "answers in the TPM's place", "the real TCTI", initialize};

}  // namespace

extern "C" const TSS2_TCTI_INFO* Tss2_Tcti_Info() {
    return &info;
}
