// The options of scep-lab-ca.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "tests/lab_ca/deployment.h"
#include "tests/lab_ca/lab_ca.h"

namespace hwenroll::lab_ca {

/// As given on the command line.
struct Arguments {
    std::string directory;
    std::string listen = "127.0.0.1:0";
    std::string challenge;
    std::string challenge_file;
    long one_time_challenges = 0;
    std::string ready_file;
    std::string clock_file;
    std::string capabilities;
    bool no_post = false;
    bool allow_weak_requests = false;
    bool leaf_only = false;
    long lifetime = 90L * 86400;
    long ca_lifetime = 3650L * 86400;
    long backdate = 60;
    std::string issue_usage = "copy";
    int min_rsa_bits = 2048;
    std::string signers = "any";
    long signing_time_window = 300;
    std::string manufacturer_ca;
    std::string renewal;
    std::string no_progress = "never";
    unsigned int pending = 0;
    long pending_seconds = 0;
    bool pending_until_approved = false;
    std::string refuse;
    long auto_rollover = 0;
    std::string next_ca_subject;
    std::string next_ca_lifetime = "from-switch";
    std::string next_ca_form = "nested";
    std::string next_ca_keyword = "always";
    long switch_early = 0;
    std::string shadow_valid = "at-switch";
    std::string shadow_issuer = "next";
    std::string shadow_reply_signer = "current";
    long crl_lifetime = 7L * 86400;
    std::vector<std::string> crl_points;
    std::string crl_form = "good";
    std::string cert_form = "good";
    std::vector<std::string> faults;
    std::string ca_key = "rsa";
    std::string reply_envelope = "auto";
    int reply_iterations = 10'000;
    DeploymentArguments deployment;
};

/// Declares every option; `arguments` must outlive the parsing.
void declare(CLI::App& app, Arguments& arguments);

/// Error codes: usage, input_file.
Result<LabCaOptions> options_of(const Arguments& arguments);

}  // namespace hwenroll::lab_ca
