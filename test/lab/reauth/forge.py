#!/usr/bin/python3
"""forge.py PID OLD NEW: writes the octets NEW wherever the process has the octets OLD in its memory (both in hex, equally long),
and prints how often that was. So a client is made that names a link which is not its own, and is an honest one otherwise."""
import sys

pid, old, new = sys.argv[1], bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3])
if not old or len(old) != len(new):
    sys.exit(f'forge.py: {len(old)} octets cannot be replaced by {len(new)}')
times = 0
with open(f'/proc/{pid}/maps') as maps, open(f'/proc/{pid}/mem', 'r+b', buffering=0) as memory:
    for line in maps:
        place, rights, *_ = line.split()
        if not rights.startswith('rw'):
            continue
        begin, end = (int(number, 16) for number in place.split('-'))
        try:
            memory.seek(begin)
            octets = memory.read(end - begin)
        except OSError:  # pages that the process itself cannot read
            continue
        at = octets.find(old)
        while at >= 0:
            memory.seek(begin + at)
            memory.write(new)
            times += 1
            at = octets.find(old, at + len(old))
print(times)
sys.exit(0 if times else f'forge.py: process {pid} does not have these octets')
