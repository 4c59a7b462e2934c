// Options for how a CA is set up and answers: hierarchy, web server, shape of replies, and whose product it emulates.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "tests/lab_ca/lab_ca.h"

namespace hwenroll::lab_ca {

/// As given on the command line, with what an emulation has filled in.
struct DeploymentArguments {
    std::string emulate;
    Topology topology = Topology::root;
    RaPurpose ra_purpose = RaPurpose::cmc_ra;
    CapsPolicy caps;
    HttpManner manner;
    ReplyShape reply;
    RepetitionPolicy repetition;
    std::string undecodable = "certrep";
};

/// Declares the options; `arguments` must outlive the parsing.
void declare_deployment(CLI::App& app, DeploymentArguments& arguments);

/// After the parsing: sets each option of the emulation that is named and that the command line did not set itself.
void fill_in_emulation(CLI::App& app, const DeploymentArguments& arguments);

/// Puts the arguments into the options.
void apply(const DeploymentArguments& arguments, LabCaOptions& options);

/// The options that `--emulate NAME` sets, in the spelling of the command line; empty for any other name.
std::vector<std::pair<std::string, std::string>> emulation_of(const std::string& name);

/// Every name that emulation_of() knows.
std::vector<std::string> emulations();

}  // namespace hwenroll::lab_ca
