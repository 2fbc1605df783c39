#!/usr/bin/python3
"""A stream of numbered datagrams, to count what is lost.

stream.py receive PORT [FILE]: counts until SIGTERM, then prints "received N distinct, highest H, N double, N late, longest gap G ms".
With FILE each datagram is a line there: its number, when it was sent, when it came.
stream.py send ADDRESS PORT RATE [once [SOURCE]]: RATE datagrams a second until SIGTERM, then prints "sent N in S s, R a second, N refused".
Refused is what the sender's own kernel did not take (EINVAL: an SA was deleted under the packet); it is sent again, but with `once`
it is lost, whatever the reason, and all datagrams keep the source address of the first, or SOURCE.
stream.py losses FILE SENT NAME=TIME...: of SENT datagrams, for each NAME from its TIME (seconds, as /proc/uptime has them) to that
of the next one, "NAME LOST GAP": how many sent then never came, and the longest time in milliseconds in which none did, by its end.
Numbers begin with 1, so nothing was lost if the distinct ones are as many as were sent."""
import errno
import signal
import socket
import struct
import sys
import time

HEAD = struct.Struct('!Qd')
PAYLOAD = bytes(48)
BURST = 50
running = True


def stop(_signal, _frame):
    global running
    running = False


def receive(port, file=None):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE: the stream is on trial, not this process
    sock.bind(('::', port))
    sock.settimeout(0.2)
    seen, highest, double, late, gap, last = set(), 0, 0, 0, 0.0, None
    arrivals = []
    print('ready', flush=True)
    while running:
        try:
            data = sock.recv(2048)
        except TimeoutError:
            continue
        now = time.monotonic()
        number, sent = HEAD.unpack_from(data)
        if file:
            arrivals.append((number, sent, now))
        double += number in seen
        late += number < highest
        seen.add(number)
        highest = max(highest, number)
        if last is not None:
            gap = max(gap, now - last)
        last = now
    if file:
        with open(file, 'w') as out:
            out.writelines(f'{number} {sent:.6f} {came:.6f}\n' for number, sent, came in arrivals)
    print(f'received {len(seen)} distinct, highest {highest}, {double} double, {late} late, longest gap {gap * 1000:.0f} ms')


def losses(file, sent, marks):
    # A datagram that never came was sent between those beside it that did; what is lost at the end belongs to the last mark.
    arrivals = [tuple(map(float, line.split())) for line in open(file)]
    names = [mark.split('=')[0] for mark in marks]
    times = [float(mark.split('=')[1]) for mark in marks]
    lost, gaps = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)

    def at(time):
        return names[max([i for i in range(len(times)) if times[i] <= time] or [0])]

    before, since = 0, times[0]
    for number, time, _ in sorted(arrivals):
        for missing in range(int(before) + 1, int(number)):
            lost[at(since + (time - since) * (missing - before) / (number - before))] += 1
        if number > before:
            before, since = number, time
    lost[names[-1]] += int(sent - before)
    last = None
    for _, _, came in arrivals:
        if last is not None:
            gaps[at(came)] = max(gaps[at(came)], came - last)
        last = came
    for name in names:
        print(name, lost[name], round(gaps[name] * 1000))


def send(address, port, rate, once=False, source=None):
    family, *_, target = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if source:
        sock.bind((source, 0))
    if once:
        sock.connect(target)
    print('sending')
    began = since = time.monotonic()
    count = base = refused = 0
    while running:
        due = base + int((time.monotonic() - since) * rate)
        if due - count > BURST:  # too slow a machine: go on from here, and tell the true rate
            since, base = time.monotonic(), count + BURST
            due = base
        for count in range(count + 1, due + 1):
            datagram = HEAD.pack(count, time.monotonic()) + PAYLOAD
            while True:
                try:
                    if once:
                        sock.send(datagram)
                    else:
                        sock.sendto(datagram, target)
                    break
                except OSError as error:
                    refused += 1
                    if once:
                        break
                    if error.errno != errno.EINVAL:
                        raise
        time.sleep(0.001)
    seconds = time.monotonic() - began
    print(f'sent {count} in {seconds:.1f} s, {count / seconds:.0f} a second, {refused} refused')


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
verb, *arguments = sys.argv[1:]
if verb == 'receive':
    receive(int(arguments[0]), *arguments[1:])
elif verb == 'losses':
    losses(arguments[0], int(arguments[1]), arguments[2:])
else:
    send(arguments[0], int(arguments[1]), int(arguments[2]), bool(arguments[3:]), *arguments[4:])
