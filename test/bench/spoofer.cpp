#include "test/bench/spoofer.h"

#include "daemon/socket_address.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <utility>
#include <vector>

namespace sheaf::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kMostAtOnce = 64; // datagrams per system call, when the thread was kept waiting
constexpr auto kPause = std::chrono::milliseconds(1);

struct alignas(cmsghdr) Control {
    std::array<std::uint8_t, CMSG_SPACE(sizeof(in_pktinfo))> octets;
};

// Splitmix64: cheap, and good enough that no address comes twice in a row.
std::uint64_t next(std::uint64_t& state) {
    std::uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void put_source(Control& control, msghdr& message, std::uint64_t number) {
    in_pktinfo info{};
    const auto second = 1 + static_cast<std::uint32_t>(number >> 16 & 0xff) % 254;
    const auto host = static_cast<std::uint32_t>(number & 0xffff);
    info.ipi_spec_dst.s_addr = htonl(127U << 24 | second << 16 | host);
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
}

} // namespace

Spoofer::Spoofer(const Endpoint& target, Bytes request, unsigned per_second)
    : target_(target), request_(std::move(request)), per_second_(per_second),
      socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    // The answers come here; what does not fit is dropped at once, as it would be far away.
    const int least = 1;
    daemon::SocketAddress any({IpAddress::any(Family::ipv4), 0});
    if (::setsockopt(socket_.value(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least) != 0 ||
        ::bind(socket_.value(), any.pointer(), any.size) != 0) {
        std::perror("bench: socket of the flood");
        std::exit(1);
    }
    thread_ = std::thread([this] { run(); });
}

Spoofer::~Spoofer() { stop(); }

void Spoofer::stop() {
    stopped_ = true;
    if (thread_.joinable()) thread_.join();
}

void Spoofer::run() {
    const auto begin = Clock::now();
    std::uint64_t done = 0;
    while (!stopped_) {
        const std::chrono::duration<double> passed = Clock::now() - begin;
        const auto due = static_cast<std::uint64_t>(passed.count() * per_second_);
        if (due <= done) {
            std::this_thread::sleep_for(kPause);
            continue;
        }
        const unsigned sent = send(static_cast<unsigned>(std::min<std::uint64_t>(due - done, kMostAtOnce)));
        done += sent;
        sent_ += sent;
    }
}

unsigned Spoofer::send(unsigned count) {
    daemon::SocketAddress to(target_);
    std::vector<Bytes> requests(count, request_);
    std::vector<Control> controls(count);
    std::vector<iovec> parts(count);
    std::vector<mmsghdr> messages(count);
    for (unsigned i = 0; i < count; ++i) {
        const std::uint64_t spi = next(state_) | 1;
        std::memcpy(requests[i].data(), &spi, sizeof spi);
        parts[i] = {requests[i].data(), requests[i].size()};
        msghdr& message = messages[i].msg_hdr;
        message.msg_name = to.pointer();
        message.msg_namelen = to.size;
        message.msg_iov = &parts[i];
        message.msg_iovlen = 1;
        put_source(controls[i], message, next(state_));
    }
    const int sent = ::sendmmsg(socket_.value(), messages.data(), count, 0);
    return sent < 0 ? 0 : static_cast<unsigned>(sent);
}

} // namespace sheaf::bench
