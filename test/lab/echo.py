#!/usr/bin/python3
"""echo.py ADDRESS RATE: RATE echo requests a second until SIGINT, then prints "N requests in M ms, R refused", refused by
our own kernel.
Answers are not read: the kernels count both (/proc/net/snmp, /proc/net/snmp6): where what is on trial is the way and not who
sends, ping costs too much, which reads each answer and asks for the time. What is due goes out every 2 ms; what has been late for
more than BURST requests is not caught up with."""
import ipaddress
import signal
import socket
import struct
import sys
import time

BURST = 50
PAUSE = 0.002
SOL_RAW, ICMP_FILTER, ICMP6_FILTER = 255, 1, 1  # linux/icmp.h, linux/icmpv6.h: both filters take a mask of the types that are blocked
PAYLOAD = bytes(48)
running = True


def stop(_signal, _frame):
    global running
    running = False


def checksum(octets):
    total = sum(struct.unpack(f'!{len(octets) // 2}H', octets))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def opened(address):
    """A socket for requests to the address, which no answer comes to, and the request."""
    if address.version == 6:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        sock.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, b'\xff' * 32)
        request = struct.pack('!BBHHH', 128, 0, 0, 1, 1) + PAYLOAD  # the kernel has the sum
    else:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        sock.setsockopt(SOL_RAW, ICMP_FILTER, b'\xff' * 4)
        request = struct.pack('!BBHHH', 8, 0, 0, 1, 1) + PAYLOAD
        request = request[:2] + struct.pack('!H', checksum(request)) + request[4:]
    sock.connect((str(address), 0))
    return sock, request


def main():
    sock, request = opened(ipaddress.ip_address(sys.argv[1]))
    rate = float(sys.argv[2])
    signal.signal(signal.SIGINT, stop)
    sent, refused, began = 0, 0, time.monotonic()
    start = began
    while running:
        due = int((time.monotonic() - start) * rate)
        if due - sent > BURST:
            start += (due - sent - BURST) / rate
            due = sent + BURST
        for _ in range(due - sent):
            try:
                sock.send(request)
            except OSError:
                refused += 1
        sent = due
        time.sleep(max(PAUSE, (sent + 1) / rate - (time.monotonic() - start)))
    print(f'{sent} requests in {(time.monotonic() - began) * 1000:.0f} ms, {refused} refused', flush=True)


main()
