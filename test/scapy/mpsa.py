"""Multi-point SAs (draft-yamaya-ipsecme-mpsa-00): a peer that knows the draft and not Sheaf is the endpoint of Sheaf's gateway,
and the gateway of Sheaf's endpoint."""
import os
import pathlib
from contextlib import contextmanager

import group_sa
import sheaf
from clone import CLIENT, CLONE, GATEWAY, SUPPORTED, established, refused, scene, spi
from group_sa import (AES_CBC, HMAC_SHA1, HMAC_SHA1_96, INTEGRITY, LIFE, MPSA_PUT, NONCE, ROLL1, ROLL2, SK_D, VENDOR_ID, choice,
                      keys, put, seconds, some, transforms, value)
from ikev2 import (CREATE_CHILD_SA, ENCRYPTION, ESP, IKE, INFORMATIONAL, INVALID_SYNTAX, NO_PROPOSAL_CHOSEN, PRF, REKEY_SA,
                   TEMPORARY_FAILURE, Delete, Notify, Peer, VendorId, require)

VENDOR = VendorId(load=VENDOR_ID)
NAT_DETECTION = 16388, 16389  # RFC 7296 2.23
SLACK = 10  # seconds that a test may take between two of its steps
OTHER = b'bob.example.org'
VECTORS = pathlib.Path(__file__).parent.parent / 'vectors' / 'mpsa_put.txt'


# The draft's own example.

def vector(name):
    text = VECTORS.read_text().split(f'[{name}]')[1].split('\n[')[0].replace('\n    ', '')
    return dict(each.split(' =', 1) for each in text.splitlines() if ' =' in each)


EXAMPLE = group_sa.Shared(bytes.fromhex('f0000001'), AES_CBC, 256, HMAC_SHA1, HMAC_SHA1_96, bytes(range(0x40, 0x60)), bytes(range(20)),
                          3600, 30, 60)


def as_the_figure():
    """Where the draft's figure differs from its tables."""
    parts = transforms(EXAMPLE)
    parts[-2:] = seconds(ROLL1, 30, 16386), seconds(ROLL2, 60, 16386)
    return put(EXAMPLE, parts)


def test_the_example_is_built_read_and_keyed_as_elsewhere():
    by_table = vector('as the tables')
    require(bytes(put(EXAMPLE)).hex() == by_table['octets'].replace(' ', ''), 'the octets of the example differ')
    require(group_sa.read(Notify(bytes.fromhex(by_table['octets']))) == EXAMPLE, 'it is read as something else')
    require([each.hex() for each in keys(EXAMPLE)] == [by_table[each].strip() for each in ('encr', 'integ')], 'its keys differ')
    require(bytes(as_the_figure()).hex() == vector('as the figure')['octets'].replace(' ', ''), 'its figure differs')


# The peer is an endpoint, Sheaf the gateway.

class Member(Peer):
    def __init__(self, process, name=CLIENT, tell=(VENDOR,), notifies=(), childless=False):
        super().__init__(process.address)
        self.sa = self.login(name, GATEWAY, sheaf.SECRET, notifies, tell, childless)

    def asked(self):
        """A request with MPSA_PUT, and what it tells."""
        request = self.await_request()
        require(request.exchange == INFORMATIONAL and request.kinds() == [Notify], f'{request} instead of MPSA_PUT')
        return request, group_sa.read(request.payloads[0])

    def told(self, *answer):
        request, shared = self.asked()
        self.answer(request, *answer)
        return shared


@contextmanager
def office(*tell, configuration=None, **serve):
    """A gateway and a first member that has not been told anything yet."""
    process = sheaf.Sheaf(configuration or sheaf.group_gateway(**serve))
    member = Member(process, tell=tell or (VENDOR,))
    with scene(process, member):
        yield process, member


@contextmanager
def two_members(**serve):
    with office(**serve) as (process, first):
        shared = first.told()
        second = Member(process, OTHER)
        try:
            yield process, first, second, shared
        finally:
            second.close()


def near(count, wanted):
    """Whether a time that runs down from `wanted` shows so much."""
    return wanted - SLACK <= count <= wanted


def test_a_gateway_answers_the_Vendor_ID_in_IKE__SA__INIT():
    with office() as (_, member):
        require(member.first_answer.vendors().count(VENDOR_ID) == 1, f'it tells {member.first_answer.vendors()}')
        require(VENDOR_ID not in member.auth_answer.vendors(), 'it comes in IKE_AUTH, too')


def test_the_first_request_after_IKE__AUTH_is_MPSA__PUT():
    with office() as (_, member):
        request, shared = member.asked()
        require(request.id == 0, f'it has message ID {request.id}')
        require((shared.cipher, shared.bits, shared.prf, shared.integrity) == (12, 256, 5, 12), f'it has the suite {shared}')
        require(near(shared.life, 3600), f'it has {shared.life} s to live')
        require(shared.spi[0] >= 0xf0, 'the SPI is one that a Child SA may have')
        require(set(shared.nonce) != {0} and shared.sk_d not in (member.sa.keys.d, bytes(32)), 'its keys are not random')
        member.answer(request)
        member.alive(member.sa)
        member.silence()


def test_IKE__AUTH_is_as_without_a_group():
    with office() as (process, member):
        member.told()
        sa = process.status()['kernel']['sas'][0]
        require(sa['spi_in'] == spi(member.child.spi_out), 'there is no Child SA')
        require(member.child.spi_out[0] < 0xf0, 'a Child SA has an SPI of the range for groups')
        require(not member.auth_answer.notify(MPSA_PUT), 'MPSA_PUT is in IKE_AUTH')


def test_an_endpoint_without_a_Child_SA_is_told():  # RFC 6023
    process = sheaf.Sheaf(sheaf.childless_gateway())
    member = Member(process, childless=True)
    with scene(process, member):
        request, _ = member.asked()
        require(request.id == 0, f'it has message ID {request.id}')
        member.answer(request)
        member.alive(member.sa)
        require(not process.status()['kernel']['sas'], 'there is a Child SA')


def test_a_gateway_knows_who_has_acknowledged():
    with office() as (process, member):
        request, shared = member.asked()
        group, = process.status()['groups']
        require((group['spi'], group['members'][0]['generation']) == (spi(shared.spi), 0), f'before the answer: {group}')
        member.answer(request)
        member.alive(member.sa)
        group, = process.status()['groups']
        require(group['members'][0]['generation'] == 1, f'after the answer: {group}')


def test_no_key_is_in_the_status():
    with office() as (process, member):
        shared = member.told()
        text = str(process.status())
        require(not any(secret.hex() in text for secret in (shared.sk_d, shared.nonce, *keys(shared))), 'a key is told')


def test_all_members_are_told_the_same_SA():
    with two_members() as (_, first, second, shared):
        theirs = second.told()
        require(theirs._replace(life=0) == shared._replace(life=0), f'{shared} and {theirs}')
        require(keys(theirs) == keys(shared), 'the keys differ')
        first.silence()


def test_a_later_member_is_told_the_lifetime_that_is_left():
    with office() as (process, first):
        shared = first.told()
        process.command('advance 1000')
        second = Member(process, OTHER)
        theirs = second.told()
        require(theirs.spi == shared.spi and near(theirs.life, 2600), f'{theirs.life} s after 1000 of 3600')
        second.close()


def test_an_endpoint_without_the_Vendor_ID_is_told_nothing():
    with office(VendorId(load=b'something else')) as (_, member):
        require(VENDOR_ID not in member.first_answer.vendors(), 'it is told the Vendor ID')
        member.silence()
        member.alive(member.sa)


def test_what_is_nearly_the_Vendor_ID_is_none():
    for other in (VENDOR_ID + b'\0', VENDOR_ID[:-1], VENDOR_ID.lower(), b''):
        with office(VendorId(load=other)) as (_, member):
            require(VENDOR_ID not in member.first_answer.vendors(), f'{other} is taken for it')
            member.silence(0.2)


def test_the_Vendor_ID_is_found_among_others():
    with office(VendorId(load=b'strange'), VENDOR, VendorId(load=bytes(100))) as (_, member):
        member.told()


def test_a_gateway_without_a_group_has_no_Vendor_ID():
    with office(configuration=sheaf.gateway(8)) as (_, member):
        require(VENDOR_ID not in member.first_answer.vendors(), 'it is told the Vendor ID')
        member.silence()


def test_behind_a_NAT_an_endpoint_is_told_nothing():  # ESP between members would have to pass it
    with office(VENDOR, *[Notify(type=each, load=os.urandom(20)) for each in NAT_DETECTION]) as (_, member):
        member.silence()
        member.alive(member.sa)


def test_MPSA__PUT_that_is_not_answered_comes_again_unchanged():
    with office() as (process, member):
        request, _ = member.asked()
        process.command('advance 2')
        again = member.wait(lambda: member.repeats and member.repeats.popleft())
        require(again and again.octets == request.octets, 'it does not come again, or is another one')
        member.answer(request)
        member.silence()


def test_a_rekeying_tells_all_members_a_new_SA_with_rollover_times():
    with two_members() as (process, first, second, shared):
        second.told()
        process.command('rekey-group office')
        new, same = first.told(), second.told()
        require(new.spi != shared.spi and new.nonce != shared.nonce and new.sk_d != shared.sk_d, 'something is as before')
        require(new[:7] == same[:7], 'the two are told different SAs')
        require(near(new.life, 3600), f'it has {new.life} s to live')
        require(near(new.roll1, 60) and near(new.roll2, 120), f'its delays are {new.roll1} and {new.roll2}')


def test_the_delays_are_those_of_the_configuration():
    rollover = {'send_after': '90s', 'refuse_after': '200s'}
    with office(lifetime='30m', rollover=rollover, suite='aes128-sha512-prfsha384') as (process, member):
        first = member.told()
        require((first.cipher, first.bits, first.integrity, first.prf) == (12, 128, 14, 6), f'it has the suite {first}')
        require(near(first.life, 1800), f'it has {first.life} s to live')
        process.command('rekey-group office')
        new = member.told()
        require(near(new.roll1, 90) and near(new.roll2, 200), f'its delays are {new.roll1} and {new.roll2}')


def test_who_joins_during_a_rollover_is_told_the_old_SA_first():
    with office() as (process, first):
        old = first.told()
        process.command('rekey-group office')
        new = first.told()
        process.command('advance 20')
        joiner = Member(process, OTHER)
        told = joiner.told(), joiner.told()
        require([each.spi for each in told] == [old.spi, new.spi], 'not the old one and then the new one')
        require((told[0].roll1, told[0].roll2) == (0, 0), f'the old one has the delays {told[0].roll1} and {told[0].roll2}')
        require(near(told[1].roll1, 40) and near(told[1].roll2, 100), f'{told[1].roll1} and {told[1].roll2} s are left of 60 and 120')
        joiner.close()


def test_a_gateway_rekeys_before_the_lifetime_ends():
    with office(lifetime='20m') as (process, member):
        shared = member.told()
        process.command('advance 900')
        member.silence(0.2)
        process.command('advance 70')  # the lifetime less twice the second delay has passed
        new = member.told()
        require(new.spi != shared.spi and near(new.life, 1200), f'it is told {new}')


def test_when_a_member_leaves_the_others_change():
    with two_members() as (_, first, second, shared):
        second.told()
        second.delete(second.sa)
        new = first.told()
        require(new.spi != shared.spi and keys(new) != keys(shared), 'the SA is the one that the other knows')
        first.silence()


def test_a_member_that_does_not_answer_does_not_hold_up_the_others():
    with two_members() as (process, first, second, shared):
        second.asked()
        process.command('rekey-group office')
        require(first.told().spi != shared.spi, 'no new SA comes')


def test_a_gateway_that_is_answered_NO__PROPOSAL__CHOSEN_does_not_ask_again():
    with office() as (process, member):
        shared = member.told(Notify(type=NO_PROPOSAL_CHOSEN))
        member.silence()
        process.command('advance 600')
        member.silence()
        member.alive(member.sa)
        group, = process.status()['groups']
        require(group['members'][0]['generation'] == 0, 'it is taken for acknowledged')
        process.command('rekey-group office')
        member.silence()  # without the old SA it would send with the new one too early
        process.command('advance 100')
        require(member.told().spi != shared.spi, 'it has no chance with the next SA')


def test_a_gateway_that_is_answered_TEMPORARY__FAILURE_asks_again_later():
    with office() as (process, member):
        shared = member.told(Notify(type=TEMPORARY_FAILURE))
        member.silence()
        process.command('advance 30')
        again = member.told()
        require(again.spi == shared.spi and near(again.life, shared.life - 30), 'it is another SA, or has lost no time')
        member.silence()


def test_INVALID__SYNTAX_ends_the_IKE_SA():  # RFC 7296 2.21.3
    with office() as (process, member):
        member.told(Notify(type=INVALID_SYNTAX))
        gone = member.wait(lambda: not established(process), seconds=5)
        require(gone, 'it is still there')


def test_a_rekeyed_IKE_SA_has_the_group():
    with office() as (process, member):
        shared = member.told()
        successor, _ = member.take_ike(member.ask_ike(member.sa))
        member.delete(member.sa)
        member.silence()  # the SA of the group is not touched
        process.command('rekey-group office')
        request, new = member.asked()
        require(request.sa is successor and new.spi != shared.spi, 'the new SA does not come there')
        member.answer(request)


def test_a_clone_is_the_same_member():
    with office() as (process, member):
        member.told()
    process = sheaf.Sheaf(sheaf.group_gateway())
    member = Member(process, notifies=(SUPPORTED,))
    with scene(process, member):
        shared = member.told()
        made, _ = member.take_ike(member.ask_ike(member.sa, CLONE))
        member.silence()
        require(len(process.status()['groups'][0]['members']) == 1, 'it is a member twice')
        process.command('rekey-group office')
        require(member.told().spi != shared.spi, 'no new SA comes')
        member.silence()
        member.delete(member.sa)
        process.command('advance 300')
        process.command('rekey-group office')
        request, _ = member.asked()
        require(request.sa is made, 'with the first IKE SA gone, nothing comes on the clone')
        member.answer(request)


def test_MPSA__PUT_from_an_endpoint_means_nothing():
    with office() as (process, member):
        shared = member.told()
        answer = member.request(member.sa, INFORMATIONAL, put(some()))
        require(not answer.payloads, f'it is answered by {answer}')
        member.alive(member.sa)
        require(process.status()['groups'][0]['spi'] == spi(shared.spi), 'the gateway has another SA')


def test_a_gateway_asks_nothing_of_its_kernel():
    with office() as (process, member):
        member.told()
        require(not process.status()['kernel']['groups'], 'it has the SA in its kernel')


# The peer is the gateway, Sheaf an endpoint.

@contextmanager
def endpoint(*tell, configuration=sheaf.endpoint, notifies=(), childless=False, **join):
    peer = Peer()
    process = sheaf.Sheaf(configuration(peer.port, **join))
    with scene(process, peer):
        process.command('up home')
        yield process, peer, peer.accept_login(GATEWAY, sheaf.SECRET, notifies, tell=tell or (VENDOR,), childless=childless)


def give(peer, sa, notify):
    return peer.request(sa, INFORMATIONAL, notify)


def give_taken(peer, sa, *all_):
    for each in all_:
        answer = give(peer, sa, each if isinstance(each, Notify) else put(each))
        require(answer.exchange == INFORMATIONAL and not answer.payloads, f'MPSA_PUT is answered by {answer}')


def group_of(process):
    group, = process.status()['kernel']['groups']
    return group


def holds(process, *all_, sends=None):
    """Sheaf's kernel has these SAs with their keys, and sends with that one."""
    group = group_of(process)
    theirs = {each['spi']: (each['encryption'], each['integrity']) for each in group['sas']}
    ours = {spi(each.spi): tuple(key.hex() for key in keys(each)) for each in all_}
    require(theirs == ours, f'the kernel has {sorted(theirs)} instead of {sorted(ours)}, or their keys differ')
    wanted = spi(sends.spi) if sends else None
    require(group['sends'] == wanted, f'it sends with {group["sends"]} instead of {wanted}')


def holds_nothing(process):
    require(not any(each['sas'] or each['sends'] for each in process.status()['kernel']['groups']), 'there is an SA')


def there(process, sa):
    return (sa.spi_i.hex(), sa.spi_r.hex()) in established(process)


def test_an_endpoint_tells_the_Vendor_ID_in_IKE__SA__INIT():
    with endpoint() as (_, peer, _sa):
        require(peer.first_request.vendors().count(VENDOR_ID) == 1, f'it tells {peer.first_request.vendors()}')


def test_without_a_group_there_is_no_Vendor_ID_and_MPSA__PUT_means_nothing():
    with endpoint(configuration=lambda port: sheaf.client(port, 8)) as (process, peer, sa):
        require(VENDOR_ID not in peer.first_request.vendors(), 'the Vendor ID is told')
        give_taken(peer, sa, some())
        require(not process.status()['kernel']['groups'], 'there is a group')
        peer.alive(sa)


def test_an_endpoint_that_is_told_an_SA_reads_and_sends_with_it():
    with endpoint() as (process, peer, sa):
        holds_nothing(process)
        shared = some(life=1234)
        give_taken(peer, sa, shared)
        holds(process, shared, sends=shared)
        group = group_of(process)
        require(near(group['sas'][0]['expires_in'], 1234), f'it ends in {group["sas"][0]["expires_in"]} s')
        require(group['interface'] == 'office0', f'its interface is {group["interface"]}')
        peer.alive(sa)


def test_an_endpoint_needs_no_Child_SA():
    with endpoint(configuration=sheaf.childless_endpoint, childless=True) as (process, peer, sa):
        shared = some()
        give_taken(peer, sa, shared)
        holds(process, shared, sends=shared)
        require(not process.status()['kernel']['sas'], 'there is a Child SA')
        peer.alive(sa)


def test_no_key_is_in_an_endpoints_status():
    with endpoint() as (process, peer, sa):
        shared = some()
        give_taken(peer, sa, shared)
        status = process.status()
        del status['kernel']
        require(not any(secret.hex() in str(status) for secret in (shared.sk_d, shared.nonce, *keys(shared))), 'a key is told')
        group, = status['groups']
        require(group['sas'][0]['spi'] == spi(shared.spi), f'the status is {group}')


def test_the_example_of_the_draft_is_refused_for_SHA__1():
    with endpoint() as (process, peer, sa):
        refused(give(peer, sa, put(EXAMPLE)), NO_PROPOSAL_CHOSEN)
        holds_nothing(process)
        peer.alive(sa)


def test_the_example_of_the_draft_is_taken_where_SHA__1_is_allowed():
    for notify in (put(EXAMPLE), as_the_figure()):
        with endpoint(allow_sha1=True) as (process, peer, sa):
            give_taken(peer, sa, notify)
            holds(process, EXAMPLE, sends=EXAMPLE)


def test_other_suites_are_taken():
    for bits, integrity, prf, size in ((128, 12, 5, 32), (192, 13, 6, 48), (256, 14, 7, 64)):
        with endpoint() as (process, peer, sa):
            shared = some(bits=bits, integrity=integrity, prf=prf, sk_d=os.urandom(size))
            give_taken(peer, sa, shared)
            holds(process, shared, sends=shared)


def test_transforms_may_come_in_any_order():
    with endpoint() as (process, peer, sa):
        shared = some()
        parts = transforms(shared)[::-1]
        parts[0].mark, parts[-1].mark = 3, 0
        give_taken(peer, sa, put(shared, parts))
        holds(process, shared, sends=shared)


def test_the_last_transform_may_be_marked_as_the_figure_has_it():
    with endpoint() as (process, peer, sa):
        shared = some()
        parts = transforms(shared)
        parts[-1].mark = 3
        give_taken(peer, sa, put(shared, parts))
        holds(process, shared, sends=shared)


def test_rollover_times_may_have_the_attribute_of_the_figure():
    with endpoint() as (process, peer, sa):
        old, new = some(), some()
        give_taken(peer, sa, old, put(new, transforms(new)[:-2] + [seconds(ROLL1, 30, 16386), seconds(ROLL2, 60, 16386)]))
        process.command('advance 15')
        holds(process, old, new, sends=old)
        process.command('advance 16')
        holds(process, old, new, sends=new)


def test_rollover_times_may_be_missing():
    with endpoint() as (process, peer, sa):
        old, new = some(), some()
        give_taken(peer, sa, old, put(new, transforms(new)[:-2]))
        holds(process, new, sends=new)


def test_nonces_of_16_and_of_256_octets_are_taken():
    for size in (16, 256):
        with endpoint() as (process, peer, sa):
            shared = some(nonce=os.urandom(size))
            give_taken(peer, sa, shared)
            holds(process, shared, sends=shared)


def malformed(shared):
    """By name, what must be answered by INVALID_SYNTAX."""
    def without(kind):
        return put(shared, [each for each in transforms(shared) if each.kind != kind])

    def instead(kind, part):
        return put(shared, [part if each.kind == kind else each for each in transforms(shared)])

    second = bytes(group_sa.PutProposal(number=2, SPI=shared.spi, transforms=transforms(shared)))
    cut = put(shared)
    cut.load = cut.load[:-1]
    return {
        'a second proposal': put(shared, mark=2, after=second),
        'a proposal of another number': put(shared, number=2),
        'another SPI inside': put(shared, SPI=b'\xf0\0\0\1'),
        'no SPI inside': put(shared, SPI=b''),
        'no SPI outside': put(shared, outer=b''),
        'a reserved SPI': put(shared._replace(spi=b'\0\0\0\xff')),
        'AH inside': put(shared, proto=2),
        'a lifetime of zero': instead(LIFE, seconds(LIFE, 0)),
        'a lifetime of two octets': instead(LIFE, value(LIFE, b'\x0e\x10')),
        'no lifetime': without(LIFE),
        'no cipher': without(ENCRYPTION),
        'no PRF': without(PRF),
        'no integrity': without(INTEGRITY),
        'no nonce': without(NONCE),
        'no SK_d': without(SK_D),
        'two lifetimes': put(shared, [seconds(LIFE, 60), *transforms(shared)]),
        'two ciphers': put(shared, [choice(ENCRYPTION, 12, 128), *transforms(shared)]),
        'a nonce of 15 octets': instead(NONCE, value(NONCE, bytes(15))),
        'a nonce of 257 octets': instead(NONCE, value(NONCE, bytes(257))),
        'an SK_d that is too short for the PRF': instead(SK_D, value(SK_D, bytes(31))),
        'an SK_d that is too long for the PRF': instead(SK_D, value(SK_D, bytes(33))),
        'fewer transforms than are told': put(shared, count=9),
        'more transforms than are told': put(shared, count=7),
        'an octet too few': cut,
        'an octet too many': put(shared, after=b'\0'),
    }


def test_what_is_malformed_is_answered_INVALID__SYNTAX_and_ends_the_IKE_SA():
    for what in malformed(some()):
        with endpoint() as (process, peer, sa):
            answer = give(peer, sa, malformed(some())[what])
            require(answer.notifies() == [INVALID_SYNTAX], f'{what} is answered by {answer}')
            holds_nothing(process)
            require(not there(process, sa), f'after {what} the IKE SA is still there')


def unsupported(shared):
    """By name, what must be answered by NO_PROPOSAL_CHOSEN."""
    def other(**changes):
        return put(shared, transforms(shared._replace(**changes)))

    def with_cipher(part):
        return put(shared, [part] + [each for each in transforms(shared) if each.kind not in (ENCRYPTION, INTEGRITY)])

    of_counters = {f'the counter mode {number}': with_cipher(choice(ENCRYPTION, number, 256))
                   for number in (13, 14, 15, 16, 18, 19, 20, 30)}
    return of_counters | {
        'the counter mode 28': with_cipher(choice(ENCRYPTION, 28)),
        'a counter mode with integrity': put(shared, [choice(ENCRYPTION, 13, 256), *transforms(shared)[1:]]),
        '3DES': put(shared, [choice(ENCRYPTION, 3), *transforms(shared)[1:]]),
        'no encryption': put(shared, [choice(ENCRYPTION, 11), *transforms(shared)[1:]]),
        'AES with a key of 100 bits': other(bits=100),
        'AES-XCBC for integrity': other(integrity=5),
        'integrity NONE': other(integrity=0),
        'SHA-1 for integrity': other(integrity=HMAC_SHA1_96),
        'a PRF that nobody knows': other(prf=1000),
        'a sender ID': put(shared, [group_sa.PutTransform(kind=246, attributes=group_sa.tlv(16389, bytes(4))), *transforms(shared)]),
        'a transform that nobody knows': put(shared, [choice(250, 1), *transforms(shared)]),
        'a nonce of another ID': put(shared, [group_sa.PutTransform(kind=each.kind, id=2, attributes=each.attributes)
                                              if each.kind == NONCE else each for each in transforms(shared)]),
    }


def test_what_is_not_supported_is_answered_NO__PROPOSAL__CHOSEN_and_changes_nothing():
    with endpoint() as (process, peer, sa):
        before = some()
        give_taken(peer, sa, before)
        for what, notify in unsupported(some()).items():
            answer = give(peer, sa, notify)
            require(answer.notifies() == [NO_PROPOSAL_CHOSEN], f'{what} is answered by {answer}')
        holds(process, before, sends=before)
        peer.alive(sa)


def test_without_the_gateways_Vendor_ID_MPSA__PUT_means_nothing():
    for other in (b'something else', VENDOR_ID + b'\0'):
        with endpoint(VendorId(load=other)) as (process, peer, sa):
            give_taken(peer, sa, some())
            holds_nothing(process)
            peer.alive(sa)


def test_outside_of_an_INFORMATIONAL_request_MPSA__PUT_means_nothing():
    with endpoint(notifies=(put(some()),)) as (process, peer, sa):
        holds_nothing(process)
        child, answer = peer.create_child(sa, put(some()), Notify(proto=ESP, type=REKEY_SA, SPI=peer.child.spi_in), tsr=peer.child.tsi)
        require(child, f'a Child SA is answered by {answer}')
        holds_nothing(process)
        process.command('rekey home')
        peer.give_ike(peer.await_request(), put(some()))
        holds_nothing(process)


def test_the_same_SA_again_lasts_as_long_as_is_told_last():
    with endpoint() as (process, peer, sa):
        shared = some(life=600)
        give_taken(peer, sa, shared, shared, shared._replace(life=300))
        holds(process, shared, sends=shared)
        require(near(group_of(process)['sas'][0]['expires_in'], 300), 'the lifetime is not that of the last message')


def test_other_keys_for_the_same_SPI_are_answered_INVALID__SYNTAX():
    for changes in ({'sk_d': os.urandom(32)}, {'nonce': os.urandom(32)}, {'bits': 128}):
        with endpoint() as (process, peer, sa):
            shared = some()
            give_taken(peer, sa, shared)
            refused(give(peer, sa, put(shared._replace(**changes))), INVALID_SYNTAX)
            require(not there(process, sa), 'the IKE SA is still there')


def test_a_new_SA_is_read_at_once_sent_after_one_delay_and_alone_after_the_other():
    with endpoint() as (process, peer, sa):
        old, new = some(), some(roll1=60, roll2=120)
        give_taken(peer, sa, old, new)
        holds(process, old, new, sends=old)
        process.command('advance 45')
        holds(process, old, new, sends=old)
        process.command('advance 16')
        holds(process, old, new, sends=new)
        process.command('advance 45')
        holds(process, old, new, sends=new)
        process.command('advance 15')
        holds(process, new, sends=new)


def test_without_an_old_SA_the_delays_mean_nothing():
    with endpoint() as (process, peer, sa):
        shared = some(roll1=1000, roll2=2000)
        give_taken(peer, sa, shared)
        holds(process, shared, sends=shared)


def test_an_old_SA_that_ends_within_the_delay_is_not_used_beyond_its_end():
    with endpoint() as (process, peer, sa):
        old, new = some(life=30), some(roll1=60, roll2=120)
        give_taken(peer, sa, old, new)
        holds(process, old, new, sends=old)
        process.command('advance 31')
        holds(process, new, sends=new)


def test_a_second_delay_below_the_first_is_as_long_as_that():
    with endpoint() as (process, peer, sa):
        old, new = some(), some(roll1=60, roll2=10)
        give_taken(peer, sa, old, new)
        process.command('advance 40')
        holds(process, old, new, sends=old)
        process.command('advance 21')
        holds(process, new, sends=new)


def test_when_its_lifetime_ends_the_SA_is_gone_in_both_directions():
    with endpoint() as (process, peer, sa):
        give_taken(peer, sa, some(life=100))
        process.command('advance 101')
        holds_nothing(process)
        require(group_of(process)['interface'] == 'office0', 'its interface is gone, and packets go elsewhere')
        shared = some()
        give_taken(peer, sa, shared)
        holds(process, shared, sends=shared)


def test_an_SA_that_the_gateway_deletes_is_gone_at_once():
    with endpoint() as (process, peer, sa):
        shared = some()
        give_taken(peer, sa, shared)
        answer = peer.request(sa, INFORMATIONAL, Delete(proto=ESP, SPIsize=4, count=1, SPIs=shared.spi))
        require(not answer.payloads, f'the end of an SA without a counterpart is answered by {answer}')
        holds_nothing(process)
        peer.alive(sa)


def test_when_the_gateway_ends_the_IKE_SA_the_SA_is_gone():
    with endpoint() as (process, peer, sa):
        give_taken(peer, sa, some())
        peer.delete(sa)
        holds_nothing(process)


def test_a_gateway_that_is_silent_leaves_the_SA_until_its_lifetime_ends():
    with endpoint() as (process, peer, sa):
        shared = some(life=2000)
        give_taken(peer, sa, shared)
        process.command('rekey home')
        for _ in range(8):
            process.command('advance 200')
        require(not there(process, sa), 'the IKE SA is still there')
        holds(process, shared, sends=shared)
        process.command('advance 500')
        holds_nothing(process)


def test_an_SPI_of_a_Child_SA_is_answered_TEMPORARY__FAILURE_and_that_is_rekeyed():
    with endpoint() as (process, peer, sa):
        refused(give(peer, sa, put(some(spi=peer.child.spi_out))), TEMPORARY_FAILURE)
        holds_nothing(process)
        request = peer.await_request()
        require(request.exchange == CREATE_CHILD_SA and request.notify(REKEY_SA), f'{request} instead of a rekeying')
        peer.answer(request, Notify(type=TEMPORARY_FAILURE))
        peer.alive(sa)


def test_what_the_kernel_refuses_is_answered_TEMPORARY__FAILURE():
    with endpoint() as (process, peer, sa):
        shared = some()
        process.command('refuse-group-sa')
        refused(give(peer, sa, put(shared)), TEMPORARY_FAILURE)
        holds_nothing(process)
        give_taken(peer, sa, shared)
        holds(process, shared, sends=shared)


def test_a_request_that_comes_again_gets_the_same_answer():
    with endpoint() as (process, peer, sa):
        shared = some()
        posted = peer.post(sa, INFORMATIONAL, put(shared))
        first = peer.await_answer(posted)
        peer.send(posted[2])
        require(peer.await_answer(posted).octets == first.octets, 'the answers differ')
        holds(process, shared, sends=shared)


def test_on_a_successor_and_on_a_clone_the_group_goes_on():
    with endpoint(notifies=(SUPPORTED,)) as (process, peer, sa):
        first, second, third = some(), some(), some()
        give_taken(peer, sa, first)
        successor, _ = peer.take_ike(peer.ask_ike(sa))
        peer.delete(sa)
        holds(process, first, sends=first)
        give_taken(peer, successor, second)
        holds(process, second, sends=second)
        made, _ = peer.take_ike(peer.ask_ike(successor, CLONE))
        give_taken(peer, made, third)
        holds(process, third, sends=third)


def test_an_endpoint_that_goes_down_keeps_nothing():
    with endpoint() as (process, peer, sa):
        give_taken(peer, sa, some())
        process.command('down home')
        request = peer.await_request()
        require(request.one(Delete).proto == IKE, f'{request} instead of the end of the IKE SA')
        peer.answer(request)
        holds_nothing(process)
