#!/usr/bin/python3
"""echo.py ADDRESS RATE: RATE echo replies a second, which nobody has asked for, until SIGINT; then prints "N packets in M ms, R refused",
refused by our own kernel.
Kernels count them where they go out and come in (/proc/net/snmp, /proc/net/snmp6) and do nothing else with them: where the way is on
trial, and not who sends or takes, little else is as cheap. What is due goes out every 2 ms; of what is late BURST packets are caught
up with."""
import ipaddress
import signal
import socket
import struct
import sys
import time

BURST = 100
PAUSE = 0.002
SOL_RAW, ICMP_FILTER, ICMP6_FILTER = 255, 1, 1  # linux/icmp.h, linux/icmpv6.h: both filters take a mask of the types that are blocked
REPLY4, REPLY6 = 0, 129
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
    """A socket that sends to the address and takes nothing, and the packet."""
    if address.version == 6:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        sock.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, b'\xff' * 32)
        packet = struct.pack('!BBHHH', REPLY6, 0, 0, 1, 1) + PAYLOAD  # the kernel has the sum
    else:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        sock.setsockopt(SOL_RAW, ICMP_FILTER, b'\xff' * 4)
        packet = struct.pack('!BBHHH', REPLY4, 0, 0, 1, 1) + PAYLOAD
        packet = packet[:2] + struct.pack('!H', checksum(packet)) + packet[4:]
    sock.connect((str(address), 0))
    return sock, packet


def main():
    sock, packet = opened(ipaddress.ip_address(sys.argv[1]))
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
                sock.send(packet)
            except OSError:
                refused += 1
        sent = due
        time.sleep(max(PAUSE, (sent + 1) / rate - (time.monotonic() - start)))
    print(f'{sent} packets in {(time.monotonic() - began) * 1000:.0f} ms, {refused} refused', flush=True)


main()
