"""Sheaf's side: sheaf-process (sheaf_process.cpp) with a configuration, its commands and what it tells."""
import json
import subprocess
import tempfile

SECRET = b'not for use outside of this test'
BINARY = None  # set by run.py


class Sheaf:
    def __init__(self, configuration):
        with tempfile.NamedTemporaryFile('w', suffix='.json') as file:
            json.dump(configuration, file)
            file.flush()
            self.process = subprocess.Popen([BINARY, file.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.events = []
            self.address = '127.0.0.1', self.read()['port']

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError('sheaf-process has ended; its reason stands above')
        return json.loads(line)

    def command(self, line):
        """The answer; events that were told before it are kept."""
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        while 'answer' not in (told := self.read()):
            self.events.append(told)
        return told

    def status(self):
        return self.command('status')

    def saw(self, event):
        """How many such events there were up to now."""
        self.status()
        return sum(each['event'] == event for each in self.events)

    def close(self):
        """Its exit code."""
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(10)


def gateway(most):
    """The configuration of a gateway where one authentication may carry so many IKE SAs."""
    return {
        'listen': {'addresses': ['127.0.0.1']},
        'pools': {'v4': {'prefix': '10.77.0.0/24'}},
        'secrets': {'all': {'id': '*.example.org', 'text': SECRET.decode()}},
        'connections': {'clients': {
            'role': 'gateway', 'local': {'id': 'gw.example.org'}, 'remote': {'id': '*.example.org'}, 'pools': ['v4'],
            'liveness': '0s', 'paths': {'most': most}}}}


def client(port, most):
    return {
        'listen': {'addresses': ['127.0.0.1']},
        'secrets': {'gw': {'id': 'gw.example.org', 'text': SECRET.decode()}},
        'connections': {'home': {
            'role': 'client', 'local': {'id': 'alice.example.org'},
            'remote': {'id': 'gw.example.org', 'address': '127.0.0.1', 'port': port},
            'request': ['ipv4'], 'liveness': '0s', 'retransmit': {'first': '5s'}, 'paths': {'most': most}}}}


def group_gateway(**serve):
    """The same with a group for all its clients."""
    configuration = gateway(8)
    configuration['connections']['clients']['group'] = 'office'
    return configuration | {'groups': {'office': {'serve': serve}}}


def endpoint(port, **join):
    configuration = client(port, 8)
    configuration['connections']['home']['group'] = 'office'
    return configuration | {'groups': {'office': {'join': {'interface': 'office0', 'sites': {'192.0.2.9': ['10.9.0.0/16']}, **join}}}}


def childless(configuration, name):
    """The same between peers, for the group alone (RFC 6023)."""
    connection = configuration['connections'][name]
    connection['role'] = 'peer'
    for key in ('pools', 'request', 'paths'):
        connection.pop(key, None)
    configuration.pop('pools', None)
    return configuration


def childless_gateway():
    return childless(group_gateway(), 'clients')


def childless_endpoint(port):
    return childless(endpoint(port), 'home')
