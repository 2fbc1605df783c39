#!/usr/bin/python3
"""A stream of numbered datagrams, to count what is lost.

stream.py receive PORT: counts until SIGTERM, then prints "received N distinct, highest H, N double, N late, longest gap G ms".
stream.py send ADDRESS PORT RATE: RATE datagrams a second until SIGTERM, then prints "sent N in S s, R a second, N refused".
Refused is what the sender's own kernel did not take (EINVAL: an SA was deleted under the packet); it is sent again.
Numbers begin with 1, so nothing was lost if the distinct ones are as many as were sent."""
import errno
import signal
import socket
import struct
import sys
import time

PAYLOAD = bytes(56)
BURST = 50
running = True


def stop(_signal, _frame):
    global running
    running = False


def receive(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE: the stream is on trial, not this process
    sock.bind(('::', port))
    sock.settimeout(0.2)
    seen, highest, double, late, gap, last = set(), 0, 0, 0, 0.0, None
    print('ready', flush=True)
    while running:
        try:
            data = sock.recv(2048)
        except TimeoutError:
            continue
        now = time.monotonic()
        number = struct.unpack_from('!Q', data)[0]
        double += number in seen
        late += number < highest
        seen.add(number)
        highest = max(highest, number)
        if last is not None:
            gap = max(gap, now - last)
        last = now
    print(f'received {len(seen)} distinct, highest {highest}, {double} double, {late} late, longest gap {gap * 1000:.0f} ms')


def send(address, port, rate):
    family, *_, target = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]
    sock = socket.socket(family, socket.SOCK_DGRAM)
    began = since = time.monotonic()
    count = base = refused = 0
    while running:
        due = base + int((time.monotonic() - since) * rate)
        if due - count > BURST:  # too slow a machine: go on from here, and tell the true rate
            since, base = time.monotonic(), count + BURST
            due = base
        for count in range(count + 1, due + 1):
            datagram = struct.pack('!Q', count) + PAYLOAD
            while True:
                try:
                    sock.sendto(datagram, target)
                    break
                except OSError as error:
                    if error.errno != errno.EINVAL:
                        raise
                    refused += 1
        time.sleep(0.001)
    seconds = time.monotonic() - began
    print(f'sent {count} in {seconds:.1f} s, {count / seconds:.0f} a second, {refused} refused')


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
if sys.argv[1] == 'receive':
    receive(int(sys.argv[2]))
else:
    send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
