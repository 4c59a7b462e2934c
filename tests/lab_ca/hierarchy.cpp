#include "tests/lab_ca/hierarchy.h"

namespace hwenroll::lab_ca {
namespace {

constexpr const char* certificate_request_agent = "1.3.6.1.4.1.311.20.2.1";
constexpr const char* signs = "critical,digitalSignature";
constexpr const char* decrypts = "critical,keyEncipherment";
constexpr const char* does_both = "critical,digitalSignature,keyEncipherment";

RaTerms terms_of(const char* subject, const char* usage, RaPurpose purpose) {
    RaTerms terms{.subject = subject, .key_usage = usage};
    if (purpose == RaPurpose::microsoft) {
        terms.purpose = certificate_request_agent;
    }
    return terms;
}

}  // namespace

Result<Hierarchy> Hierarchy::open(const std::filesystem::path& directory, const HierarchyPolicy& policy,
                                  const RolloverPolicy& rollover, TimePoint now) {
    if (policy.topology != Topology::root && rollover.auto_rollover) {
        return fail(ErrorCode::config_value, "only the topology 'root' rolls over", {},
                    "leave out --auto-rollover or --topology");
    }
    Hierarchy out(policy);
    if (policy.topology != Topology::intermediate) {
        return out;
    }
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) {
        return fail(ErrorCode::input_file, "cannot make the directory '" + directory.string() + "'", error.message());
    }
    auto root = load_or_make(directory, "root", [&] {
        return make_root({.not_before = now - rollover.backdate,
                          .not_after = now + 2 * rollover.lifetime,
                          .subject = "CN=hwenroll lab root,O=hwenroll lab"});
    });
    if (!root) {
        return fail(root.error());
    }
    out.root_ = *std::move(root);
    return out;
}

FirstAuthority Hierarchy::first_authority() const {
    return {policy_.topology == Topology::ec_ca, root_ ? &*root_ : nullptr};
}

Status Hierarchy::add_ras(const std::filesystem::path& directory, const Authority& ca, TimePoint now) {
    const auto add = [&](std::optional<SigningIdentity>& place, const char* name, const RaTerms& terms) -> Status {
        auto ra = load_or_make(directory, name, [&] { return ca.make_ra(now, terms); });
        if (!ra) {
            return fail(ra.error());
        }
        place = *std::move(ra);
        return {};
    };
    const RaPurpose purpose = policy_.purpose;
    switch (policy_.topology) {
        case Topology::root:
        case Topology::intermediate:
            return {};
        case Topology::one_ra:
        case Topology::ec_ca:
            return add(signer_, "ra", terms_of("CN=hwenroll lab RA,O=hwenroll lab", does_both, purpose));
        case Topology::split_ra:
            break;
    }
    Status added = add(signer_, "ra-sign", terms_of("CN=hwenroll lab RA signing,O=hwenroll lab", signs, purpose));
    return added ? add(recipient_, "ra-encrypt",
                       terms_of("CN=hwenroll lab RA encryption,O=hwenroll lab", decrypts, purpose))
                 : added;
}

std::optional<Certificate> Hierarchy::root() const {
    return root_ ? std::optional<Certificate>(root_->certificate) : std::nullopt;
}

std::vector<Certificate> Hierarchy::certificates(const Certificate& ca) const {
    std::vector<Certificate> out{ca};
    for (const auto* beside : {&root_, &signer_, &recipient_}) {
        if (*beside) {
            out.push_back((*beside)->certificate);
        }
    }
    return out;
}

}  // namespace hwenroll::lab_ca
