#include "agent/runtime/delivery_run.h"

namespace hwenroll::runtime {

std::unique_ptr<DeliveryRun> DeliveryRun::start(EventLoop& loop, DeliveryPlan plan, Done done) {
    std::unique_ptr<DeliveryRun> run(new DeliveryRun(loop, std::move(plan), std::move(done)));
    run->run_hooks();
    return run;
}

void DeliveryRun::run_hooks() {
    hooks_ = HookRun::start(loop_, {plan_.runtime_dir / hook_socket_name},
                            {plan_.identity, plan_.generation, plan_.publish_dir, plan_.hooks},
                            [this](const HookOutcome& outcome) {
                                if (!outcome.succeeded) {
                                    return done_(outcome.error(plan_.identity));
                                }
                                check();
                            });
}

void DeliveryRun::check() {
    done_(std::nullopt);
}

}  // namespace hwenroll::runtime
