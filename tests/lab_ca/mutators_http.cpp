// BAD-1 to BAD-18: what is wrong with the HTTP around a reply.
#include <array>

#include <fmt/format.h>

#include "tests/lab_ca/mutator_tables.h"

namespace hwenroll::lab_ca {
namespace {

using Scene = MutationScene;

Bytes octets(std::string_view text) {
    return to_bytes(as_bytes(text));
}

/// The reply with another Content-Length than its body's.
void lie_about_length(HttpReply& reply, std::string_view length) {
    Bytes wire = octets(
        fmt::format("HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n", reply.content_type, length));
    wire.insert(wire.end(), reply.body.begin(), reply.body.end());
    reply.delivery.wire = std::move(wire);
}

void redirect(HttpReply& reply, const std::string& to) {
    reply.status = 302;
    reply.body.clear();
    reply.headers.push_back({"Location", to});
}

/// Bits in the order of DEFLATE (RFC 1951 §3.1.1).
class BitWriter {
 public:
    void put(unsigned value, int count) {
        for (int i = 0; i < count; ++i) {
            if (used_ % 8 == 0) {
                out_.push_back(0);
            }
            out_.back() = static_cast<std::uint8_t>(out_.back() | (((value >> i) & 1U) << (used_ % 8)));
            ++used_;
        }
    }
    Bytes take() { return std::move(out_); }

 private:
    Bytes out_;
    std::size_t used_ = 0;
};

/// gzip (RFC 1952) of about 120 MB of zeros in 750 kB: one literal and then matches of 258 octets.
Bytes gzip_bomb() {
    constexpr int matches = 460'000;
    constexpr unsigned final_block_of_fixed_codes = 0b011;
    constexpr unsigned literal_zero = 0b00001100;  // 00110000, most significant bit first
    constexpr unsigned length_258 = 0b10100011;    // 11000101
    constexpr unsigned distance_1_in_5_bits = 0;
    BitWriter bits;
    bits.put(final_block_of_fixed_codes, 3);
    bits.put(literal_zero, 8);
    for (int i = 0; i < matches; ++i) {
        bits.put(length_258, 8);
        bits.put(distance_1_in_5_bits, 5);
    }
    constexpr int end_of_block = 7;
    bits.put(0, end_of_block);
    Bytes out{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    const Bytes deflated = bits.take();
    out.insert(out.end(), deflated.begin(), deflated.end());
    out.insert(out.end(), 8, 0);  // CRC-32 and size, which nobody gets to compare
    return out;
}

void flood_headers(HttpReply& reply) {
    constexpr int count = 10'000;
    for (int i = 0; i < count; ++i) {
        reply.headers.push_back({fmt::format("X-Flood-{}", i), "0123456789"});
    }
}

void answer_twice(HttpReply& reply) {
    Bytes wire = to_wire(reply, true);
    const Bytes second = to_wire(text_reply(200, "a second answer"), true);
    wire.insert(wire.end(), second.begin(), second.end());
    reply.delivery.wire = std::move(wire);
}

void reset_after_headers(HttpReply& reply) {
    reply.delivery.wire = octets(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", reply.body.size()));
    reply.delivery.end = Delivery::End::reset;
}

void send_endlessly(HttpReply& reply) {
    constexpr std::size_t chunk = 0x4000;
    reply.delivery.wire =
        octets("HTTP/1.1 200 OK\r\nContent-Type: application/x-pki-message\r\nTransfer-Encoding: chunked\r\n\r\n");
    reply.delivery.endless = octets(fmt::format("{:x}\r\n{}\r\n", chunk, std::string(chunk, '0')));
}

constexpr std::chrono::seconds drip{10};
constexpr std::string_view steering_text = "\x1b[2J\x1b]0;owned\x07\nE-OK web: all is well\r\xe2\x80\xae\xff\n";

constexpr std::array table{
    Mutator{"BAD-1", "closes the connection before the status line",
            [](const Scene&, HttpReply& reply) { reply.delivery.end = Delivery::End::unanswered; }},
    Mutator{"BAD-2", "resets the connection after the headers",
            [](const Scene&, HttpReply& reply) { reset_after_headers(reply); }},
    Mutator{"BAD-3", "sends a shorter body than Content-Length says",
            [](const Scene&, HttpReply& reply) { lie_about_length(reply, std::to_string(reply.body.size() + 100)); }},
    Mutator{"BAD-4", "announces 9e18 octets",
            [](const Scene&, HttpReply& reply) { lie_about_length(reply, "9000000000000000000"); }},
    Mutator{"BAD-4b", "announces less than no octets",
            [](const Scene&, HttpReply& reply) { lie_about_length(reply, "-5"); }},
    Mutator{"BAD-5", "sends an endless chunked body", [](const Scene&, HttpReply& reply) { send_endlessly(reply); }},
    Mutator{"BAD-6", "sends one octet in ten seconds",
            [](const Scene&, HttpReply& reply) { reply.delivery.pause = drip; }},
    Mutator{"BAD-7", "sends a login page",
            [](const Scene&, HttpReply& reply) {
                reply.content_type = "text/html";
                reply.body = octets("<!DOCTYPE html><html><body>Please log in</body></html>");
            }},
    Mutator{"BAD-8", "redirects to another host",
            [](const Scene&, HttpReply& reply) { redirect(reply, "http://127.0.0.2:9/scep"); }},
    Mutator{
        "BAD-9", "redirects to itself",
        [](const Scene& scene, HttpReply& reply) { redirect(reply, scene.request.path + "?" + scene.request.query); }},
    Mutator{"BAD-9b", "redirects to an address inside",
            [](const Scene&, HttpReply& reply) { redirect(reply, "http://169.254.169.254/latest/meta-data"); }},
    Mutator{"BAD-9c", "redirects to a file",
            [](const Scene&, HttpReply& reply) { redirect(reply, "file:///etc/passwd"); }},
    Mutator{"BAD-11", "answers with status 500 and a text",
            [](const Scene&, HttpReply& reply) { reply = text_reply(500, "challenge password is wrong"); }},
    Mutator{"BAD-11b", "answers with status 500 and a text that would steer a terminal and forge a line",
            [](const Scene&, HttpReply& reply) { reply = text_reply(500, steering_text); }},
    Mutator{"BAD-11c", "answers with status 500 and a reason phrase that would steer a terminal",
            [](const Scene&, HttpReply& reply) {
                reply.delivery.wire = octets("HTTP/1.1 500 \x1b[2J\x1b]0;owned\x07\xe2\x80\xae\r\n\r\n");
            }},
    Mutator{"BAD-12", "sends an empty body", [](const Scene&, HttpReply& reply) { reply.body.clear(); }},
    Mutator{"BAD-13", "sends a gzip bomb",
            [](const Scene&, HttpReply& reply) {
                reply.body = gzip_bomb();
                reply.headers.push_back({"Content-Encoding", "gzip"});
            }},
    Mutator{"BAD-14", "sends a header line of 64 kB",
            [](const Scene&, HttpReply& reply) {
                reply.headers.push_back({"X-Flood", std::string(0x10000, 'x')});
            }},
    Mutator{"BAD-14b", "sends 10,000 header lines", [](const Scene&, HttpReply& reply) { flood_headers(reply); }},
    Mutator{"BAD-15", "appends garbage to the message",
            [](const Scene&, HttpReply& reply) { reply.body.insert(reply.body.end(), 16, 0x5a); }},
    Mutator{"BAD-16", "sends a second response behind the first",
            [](const Scene&, HttpReply& reply) { answer_twice(reply); }},
    Mutator{"BAD-17", "answers with status 404",
            [](const Scene&, HttpReply& reply) { reply = text_reply(404, "not found"); }},
    Mutator{"BAD-18", "sends the CA's certificate as such",
            [](const Scene& scene, HttpReply& reply) {
                reply.content_type = "application/x-x509-ca-cert";
                reply.body = scene.current.certificate().der();
            }},
};

}  // namespace

Mutators http_mutators() {
    return table;
}

}  // namespace hwenroll::lab_ca
