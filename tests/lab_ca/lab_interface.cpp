#include "tests/lab_ca/lab_interface.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace hwenroll::lab_ca {
namespace {

using Json = nlohmann::ordered_json;

std::string parameter(const HttpRequest& request, std::string_view name) {
    return percent_decoded(request.parameter(name).value_or(""));
}

HttpReply json_reply(const std::string& text) {
    HttpReply reply;
    reply.content_type = "application/json";
    reply.body = to_bytes(as_bytes(text + "\n"));
    return reply;
}

HttpReply reply_of(const Status& done) {
    return done ? text_reply(200, "done") : text_reply(500, done.error().line());
}

HttpReply issued(const Ledger& ledger) {
    std::string list;
    for (const Issued& one : ledger.issued()) {
        list += (list.empty() ? "" : ",\n") + to_json(one);
    }
    return json_reply("[" + list + "]");
}

HttpReply pending(const Ledger& ledger) {
    Json list = Json::array();
    for (const auto& [id, transaction] : ledger.transactions()) {
        if (!transaction.decision) {
            list.push_back({{"transactionID", id},
                            {"subject", transaction.request.subject().text()},
                            {"publicKey", to_hex(sha256(transaction.request.public_key().spki()))},
                            {"awaitsApproval", transaction.approval == Approval::awaited}});
        }
    }
    return json_reply(list.dump(-1, ' ', true, Json::error_handler_t::replace));
}

HttpReply decide(const HttpRequest& request, Ledger& ledger, bool approve) {
    const std::string id = parameter(request, "transaction");
    Transaction* transaction = ledger.find(id);
    if (transaction == nullptr || transaction->approval != Approval::awaited || transaction->decision) {
        return text_reply(404, "no such transaction awaits approval");
    }
    if (approve) {
        transaction->approval = Approval::granted;
    } else {
        transaction->decision = reject(FailInfo::bad_request, parameter(request, "text"));
    }
    return reply_of(ledger.save(id));
}

HttpReply revoke(const HttpRequest& request, Ledger& ledger) {
    const std::string serial = parameter(request, "serial");
    const bool known = std::any_of(ledger.issued().begin(), ledger.issued().end(),
                                   [&](const Issued& one) { return to_hex(one.certificate.serial()) == serial; });
    return known ? reply_of(ledger.revoke(serial)) : text_reply(404, "no such certificate was issued");
}

}  // namespace

bool is_lab_request(const HttpRequest& request) {
    return request.path.starts_with("/lab/");
}

HttpReply answer_lab_request(const HttpRequest& request, Ledger& ledger) {
    if (request.method != "GET") {
        return text_reply(405, "this needs GET");
    }
    if (request.path == "/lab/issued") {
        return issued(ledger);
    }
    if (request.path == "/lab/pending") {
        return pending(ledger);
    }
    if (request.path == "/lab/approve" || request.path == "/lab/deny") {
        return decide(request, ledger, request.path == "/lab/approve");
    }
    if (request.path == "/lab/revoke") {
        return revoke(request, ledger);
    }
    return text_reply(404, "the lab interface does not know this path");
}

}  // namespace hwenroll::lab_ca
