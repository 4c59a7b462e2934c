#include "agent/runtime/delivery_run.h"

#include "base/failpoint.h"

namespace hwenroll::runtime {

std::unique_ptr<DeliveryRun> DeliveryRun::start(EventLoop& loop, http::Client& client, DeliveryPlan plan, Done done) {
    std::unique_ptr<DeliveryRun> run(new DeliveryRun(loop, client, std::move(plan), std::move(done)));
    run->run_hooks();
    return run;
}

void DeliveryRun::run_hooks() {
    HookTask task{plan_.identity, plan_.generation, plan_.publish_dir, plan_.hooks};
    HookPlace place{plan_.runtime_dir / hook_socket_name};
    place.service_needed = hook_service_needed();
    hooks_ = HookRun::start(loop_, place, std::move(task), [this](const HookOutcome& outcome) {
        if (!outcome.succeeded) {
            return done_(outcome.error(plan_.identity));
        }
        failpoint("hooks-ended");
        check();
    });
}

void DeliveryRun::check() {
    if (plan_.verify_tls.empty() && plan_.verify_command.empty()) {
        return done_(std::nullopt);
    }
    const auto published = Certificate::from_der(plan_.leaf);
    if (!published) {
        return done_(published.error());
    }
    CheckTask task{plan_.identity, plan_.generation, plan_.publish_dir, plan_.verify_tls, plan_.verify_command};
    check_ = ConsumerCheck::start(loop_, client_, std::move(task), *published, {}, [this](const CheckOutcome& outcome) {
        done_(outcome.confirmed ? std::nullopt : std::optional(outcome.error(plan_.identity)));
    });
}

}  // namespace hwenroll::runtime
