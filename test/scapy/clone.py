"""Cloned IKE SAs (RFC 7791): a peer that knows the RFC and not Sheaf clones with it, begun by either."""
import os
import struct
from contextlib import contextmanager

import sheaf
from ikev2 import (CHILD_SA_NOT_FOUND, CREATE_CHILD_SA, ESP, IKE, IKE_SUITE, INFORMATIONAL, INVALID_KE_PAYLOAD,
                   INITIAL_CONTACT, NO_ADDITIONAL_SAS, NO_PROPOSAL_CHOSEN, REKEY_SA, TEMPORARY_FAILURE, Delete, Half, KeyExchange,
                   Nonce, Notify, Peer, Sa, offer, require)

CLONE_IKE_SA_SUPPORTED, CLONE_IKE_SA = 16432, 16433  # RFC 7791 7
MOBIKE_SUPPORTED, UPDATE_SA_ADDRESSES, COOKIE2 = 16396, 16400, 16401  # RFC 4555 4
SUPPORTED, CLONE = Notify(type=CLONE_IKE_SA_SUPPORTED), Notify(type=CLONE_IKE_SA)
MINUTES = 60
CLIENT, GATEWAY = b'alice.example.org', b'gw.example.org'


# Scenes: Sheaf, the peer and the IKE SA between them.

@contextmanager
def scene(process, peer):
    try:
        yield
        breaches = process.status()['kernel']['breaches']
        require(not breaches, f'its kernel was asked for what is against its contract: {breaches}')
    finally:
        peer.close()
        code = process.close()
    require(code == 0, f'sheaf-process has ended with {code}')


@contextmanager
def at_gateway(most=8, tell=(SUPPORTED,), first=()):
    process = sheaf.Sheaf(sheaf.gateway(most))
    peer = Peer(process.address)
    with scene(process, peer):
        yield process, peer, peer.login(CLIENT, GATEWAY, sheaf.SECRET, tell, first)


@contextmanager
def at_client(most=8, tell=(SUPPORTED,)):
    peer = Peer()
    process = sheaf.Sheaf(sheaf.client(peer.port, most))
    with scene(process, peer):
        process.command('up home')
        sa = peer.accept_login(GATEWAY, sheaf.SECRET, tell)
        has(process, sa, peer.child)
        yield process, peer, sa


# What is looked for at Sheaf.

def established(process):
    return {(each['spi_i'], each['spi_r']): each for each in process.status()['ike_sas'] if each['state'] == 'established'}


def agree(process, *sas):
    """Sheaf has these IKE SAs and no others, and answers on each."""
    theirs, ours = set(established(process)), {(sa.spi_i.hex(), sa.spi_r.hex()) for sa in sas}
    require(theirs == ours, f'Sheaf has the IKE SAs {sorted(theirs)}, the peer {sorted(ours)}')


def all_alive(process, peer, *sas):
    agree(process, *sas)
    for sa in sas:
        peer.alive(sa)


def has(process, sa, *children):
    """Sheaf has these Child SAs on that IKE SA, no others there, and their keys."""
    of = established(process).get((sa.spi_i.hex(), sa.spi_r.hex()))
    require(of, 'the IKE SA is not there')
    theirs = {(each['spi_in'], each['spi_out']) for each in of['children'] if each['installed']}
    ours = {(spi(each.spi_out), spi(each.spi_in)) for each in children}
    require(theirs == ours, f'Sheaf has the Child SAs {sorted(theirs)} there, the peer {sorted(ours)}')
    kernel = {each['spi_in']: (each['in'], each['out']) for each in process.status()['kernel']['sas']}
    for each in children:
        require(kernel[spi(each.spi_out)] == (each.key_out.hex(), each.key_in.hex()), 'the keys of a Child SA differ')


def spi(octets):
    return '0x' + octets.hex()


def refused(answer, notify):
    require(answer.notifies() == [notify] and len(answer.payloads) == 1, f'{answer} instead of the notify {notify}')


def empty(notify):
    """RFC 7791 6: protocol and SPI size zero, and no data."""
    require(notify, 'the notify is not there')
    require((notify.proto, notify.SPIsize, notify.load) == (0, 0, b''), 'the notify has more than its type')


def clone(peer, sa):
    return peer.take_ike(peer.ask_ike(sa, CLONE))[0]


def refused_clone(peer, sa, notify):
    refused(peer.await_answer(peer.ask_ike(sa, CLONE)[1]), notify)


def asks_for_clone(peer):
    """Sheaf's request, held to its form."""
    request = peer.await_request()
    require(request.exchange == CREATE_CHILD_SA, f'{request} instead of CREATE_CHILD_SA')
    empty(request.notify(CLONE_IKE_SA))
    require(request.kinds() == [Notify, Sa, Nonce, KeyExchange], f'{request} is no request for a clone')
    return request


def cloned_by_sheaf(process, peer):
    process.command('clone home')
    return peer.give_ike(asks_for_clone(peer))


# The peer is the initiator, Sheaf a gateway.

def test_a_gateway_tells_its_support_in_the_last_answer_of_IKE__AUTH():
    with at_gateway() as (_, peer, _sa):
        empty(peer.auth_answer.notify(CLONE_IKE_SA_SUPPORTED))
        require(CLONE_IKE_SA_SUPPORTED not in peer.first_answer.notifies(), 'it is told in IKE_SA_INIT, too')


def test_a_gateway_that_allows_one_IKE_SA_tells_no_support():
    with at_gateway(most=1) as (_, peer, _sa):
        require(CLONE_IKE_SA_SUPPORTED not in peer.auth_answer.notifies(), 'support is told')


def test_the_answer_to_a_clone_request_has_SA_and_Nr_and_KEr_alone():
    with at_gateway() as (process, peer, sa):
        made, answer = peer.take_ike(peer.ask_ike(sa, CLONE))
        require(answer.kinds() == [Sa, Nonce, KeyExchange], f'the answer is {answer}')
        require(made.spi_r not in (made.spi_i, sa.spi_i, sa.spi_r), 'the SPI is not a new one')
        require(process.saw('ike_cloned') == 1, 'Sheaf does not tell of a clone')


def test_where_the_notify_stands_in_the_request_does_not_matter():
    with at_gateway() as (process, peer, sa):
        half = Half(8)
        posted = peer.post(sa, CREATE_CHILD_SA, offer(IKE, half.spi, IKE_SUITE), *half.payloads(), CLONE)
        made, _ = peer.take_ike((half, posted))
        all_alive(process, peer, sa, made)


def test_a_clone_has_keys_out_of_SK__d_and_message_IDs_from_0():
    with at_gateway() as (process, peer, sa):
        made = clone(peer, sa)
        require(made.next_id == 0, 'the peer does not begin with 0')
        all_alive(process, peer, sa, made)
        all_alive(process, peer, sa, made)


def test_a_clone_does_not_count_on_from_the_message_IDs_of_the_old_one():
    with at_gateway() as (process, peer, sa):
        for _ in range(20):
            peer.alive(sa)
        made = clone(peer, sa)
        made.next_id = sa.next_id
        _, message_id, _ = peer.post(made, INFORMATIONAL)
        answer = peer.wait(lambda: peer.answers.get((made.own_spi(), message_id)), seconds=0.5)
        require(not answer, f'request {message_id} is answered by {answer}')
        made.next_id = 0
        all_alive(process, peer, sa, made)


def test_the_first_request_of_a_gateway_on_a_clone_has_message_ID_0():
    with at_gateway() as (process, peer, sa):
        made = clone(peer, sa)
        process.command('rekey clients')
        successors = {}
        for _ in (sa, made):
            request = peer.await_request()  # with another message ID than the expected one it would be refused
            require(request.id == 0, f'the first request has message ID {request.id}')
            require(CLONE_IKE_SA not in request.notifies(), 'a rekeying is asked for as a clone')
            successors[request.sa] = peer.give_ike(request)
        for _ in (sa, made):
            request = peer.await_request()
            require(request.one(Delete).proto == IKE, f'{request} instead of the end of what was replaced')
            peer.answer(request)
        all_alive(process, peer, *successors.values())
        has(process, successors[sa], peer.child)
        has(process, successors[made])


def test_the_old_IKE_SA_goes_on_and_keeps_its_Child_SA():
    with at_gateway() as (process, peer, sa):
        made = clone(peer, sa)
        peer.silence()  # no DELETE of the old one
        process.command(f'advance {5 * MINUTES}')
        peer.silence()
        all_alive(process, peer, sa, made)
        has(process, sa, peer.child)
        has(process, made)


def test_a_clone_request_that_comes_again_gets_the_same_answer():
    with at_gateway() as (process, peer, sa):
        half, (_, message_id, octets) = peer.ask_ike(sa, CLONE)
        first = peer.await_answer((sa, message_id, octets))
        peer.send(octets)
        second = peer.await_answer((sa, message_id, octets))
        require(first.octets == second.octets, 'the answers differ')
        require(len(established(process)) == 2, 'there is more than one clone')


def test_a_Child_SA_on_a_clone_has_keys_of_that_and_the_same_addresses():
    with at_gateway() as (process, peer, sa):
        made = clone(peer, sa)
        child, answer = peer.create_child(made, tsi=peer.child.tsi)
        require(child, f'a Child SA on the clone is answered by {answer}')
        require(bytes(child.tsi[0]) == bytes(peer.child.tsi[0]), f'it is for {child.tsi}')
        has(process, sa, peer.child)
        has(process, made, child)


def test_a_Child_SA_is_deleted_by_its_own_IKE_SA_alone():
    with at_gateway() as (process, peer, sa):
        made = clone(peer, sa)
        delete = Delete(proto=ESP, SPIsize=4, count=1, SPIs=peer.child.spi_in)
        answer = peer.request(made, INFORMATIONAL, delete)
        require(Delete not in answer.kinds(), f'it is answered by {answer} on the clone')
        has(process, sa, peer.child)
        answer = peer.request(sa, INFORMATIONAL, delete)
        require(answer.one(Delete).SPIs == peer.child.spi_out, f'it is answered by {answer} where it is')
        require(not process.status()['kernel']['sas'], 'the kernel keeps it')
        all_alive(process, peer, sa, made)


def test_a_Child_SA_is_rekeyed_by_its_own_IKE_SA_alone():
    with at_gateway() as (process, peer, sa):
        made = clone(peer, sa)
        rekey = Notify(proto=ESP, type=REKEY_SA, SPI=peer.child.spi_in)
        _, answer = peer.create_child(made, rekey, tsi=peer.child.tsi)
        require(answer.notifies() == [CHILD_SA_NOT_FOUND], f'it is answered by {answer} on the clone')
        has(process, sa, peer.child)
        has(process, made)
        child, answer = peer.create_child(sa, rekey, tsi=peer.child.tsi)
        require(child, f'it is answered by {answer} where it is')
        peer.request(sa, INFORMATIONAL, Delete(proto=ESP, SPIsize=4, count=1, SPIs=peer.child.spi_in))
        has(process, sa, child)


def test_the_end_of_a_clone_leaves_the_first_IKE_SA():
    with at_gateway() as (process, peer, sa):
        made = clone(peer, sa)
        peer.create_child(made, tsi=peer.child.tsi)
        peer.delete(made)
        all_alive(process, peer, sa)
        has(process, sa, peer.child)
        require(len(process.status()['kernel']['sas']) == 1, 'a Child SA of the clone is left')


def test_the_end_of_the_first_IKE_SA_leaves_its_clone():
    with at_gateway() as (process, peer, sa):
        made = clone(peer, sa)
        child, _ = peer.create_child(made, tsi=peer.child.tsi)
        peer.delete(sa)
        all_alive(process, peer, made)
        has(process, made, child)
        require(len(process.status()['kernel']['sas']) == 1, 'the Child SA of the first is left')


def test_the_end_of_the_last_ends_all():
    with at_gateway() as (process, peer, sa):
        made = clone(peer, sa)
        further = clone(peer, made)
        for each in (made, sa, further):
            require(process.status()['pools'][0]['used'] == 1, 'their address is not used once')
            peer.delete(each)
        status = process.status()
        require(status['pools'][0]['used'] == 0, 'their address is still used')
        require(not status['ike_sas'], 'an IKE SA is left')
        kernel = status['kernel']
        require(not (kernel['sas'] or kernel['policies'] or kernel['links']), f'the kernel keeps {kernel}')


def test_a_clone_is_cloned():
    with at_gateway() as (process, peer, sa):
        made = clone(peer, sa)
        grandchild = clone(peer, made)
        peer.delete(made)
        all_alive(process, peer, sa, grandchild)
        family = {each['family'] for each in established(process).values()}
        require(len(family) == 1, f'they are of the families {family}')


def test_a_clone_is_rekeyed_as_any_IKE_SA():
    with at_gateway() as (process, peer, sa):
        made = clone(peer, sa)
        child, _ = peer.create_child(made, tsi=peer.child.tsi)
        successor, _ = peer.take_ike(peer.ask_ike(made))
        peer.delete(made)
        all_alive(process, peer, sa, successor)
        has(process, sa, peer.child)
        has(process, successor, child)
        all_alive(process, peer, sa, successor, clone(peer, successor))


def test_a_rekeyed_IKE_SA_is_cloned():
    with at_gateway() as (process, peer, sa):
        successor, _ = peer.take_ike(peer.ask_ike(sa))
        peer.delete(sa)
        made = clone(peer, successor)
        all_alive(process, peer, successor, made)
        has(process, successor, peer.child)


def test_beyond_the_limit_the_answer_is_NO__ADDITIONAL__SAS_until_one_ends():
    with at_gateway(most=3) as (process, peer, sa):
        first, second = clone(peer, sa), clone(peer, sa)
        for each in (sa, first, second):
            refused_clone(peer, each, NO_ADDITIONAL_SAS)
        all_alive(process, peer, sa, first, second)
        peer.delete(first)
        all_alive(process, peer, sa, second, clone(peer, second))


def test_a_full_family_is_rekeyed():
    with at_gateway(most=2) as (process, peer, sa):
        made = clone(peer, sa)
        successor, _ = peer.take_ike(peer.ask_ike(sa))
        peer.delete(sa)
        all_alive(process, peer, made, successor)


def plain_rekey(process, peer, sa):
    made, answer = peer.take_ike(peer.ask_ike(sa, CLONE))
    require(answer.kinds() == [Sa, Nonce, KeyExchange], f'the answer is {answer}')
    require((process.saw('ike_rekeyed'), process.saw('ike_cloned')) == (1, 0), 'Sheaf takes it for a clone')
    peer.delete(sa)
    all_alive(process, peer, made)
    has(process, made, peer.child)


def test_without_support_of_the_initiator_a_clone_request_is_a_rekeying():
    with at_gateway(tell=()) as (process, peer, sa):
        plain_rekey(process, peer, sa)


def test_without_support_of_the_responder_a_clone_request_is_a_rekeying():
    with at_gateway(most=1) as (process, peer, sa):
        plain_rekey(process, peer, sa)


def test_support_told_in_IKE__SA__INIT_means_nothing():
    with at_gateway(tell=(), first=(SUPPORTED,)) as (process, peer, sa):
        plain_rekey(process, peer, sa)


def test_CLONE__IKE__SA_in_a_request_for_a_Child_SA_means_nothing():
    with at_gateway() as (process, peer, sa):
        child, answer = peer.create_child(sa, CLONE, tsi=peer.child.tsi)
        require(child, f'it is answered by {answer}')
        require(not answer.notify(CLONE_IKE_SA), 'it is in the answer')
        all_alive(process, peer, sa)


def test_CLONE__IKE__SA_in_a_rekeying_of_a_Child_SA_means_nothing():
    with at_gateway() as (process, peer, sa):
        child, answer = peer.create_child(sa, CLONE, Notify(proto=ESP, type=REKEY_SA, SPI=peer.child.spi_in), tsi=peer.child.tsi)
        require(child, f'it is answered by {answer}')
        peer.request(sa, INFORMATIONAL, Delete(proto=ESP, SPIsize=4, count=1, SPIs=peer.child.spi_in))
        all_alive(process, peer, sa)
        has(process, sa, child)


def test_CLONE__IKE__SA_in_INFORMATIONAL_means_nothing():
    with at_gateway() as (process, peer, sa):
        answer = peer.request(sa, INFORMATIONAL, CLONE)
        require(not answer.payloads, f'it is answered by {answer}')
        all_alive(process, peer, sa)


def test_CLONE__IKE__SA_in_IKE__AUTH_means_nothing():
    with at_gateway(tell=(CLONE, SUPPORTED)) as (process, peer, sa):
        all_alive(process, peer, sa)
        all_alive(process, peer, sa, clone(peer, sa))


def test_a_clone_request_with_another_group_is_told_which_and_comes_again():
    with at_gateway() as (process, peer, sa):
        half = Half(8)
        posted = peer.post(sa, CREATE_CHILD_SA, CLONE, offer(IKE, half.spi, IKE_SUITE), Nonce(load=half.nonce),
                           KeyExchange(group=19, load=bytes(64)))
        answer = peer.await_answer(posted)
        refused(answer, INVALID_KE_PAYLOAD)
        require(struct.unpack('!H', answer.payloads[0].load) == (31,), 'another group than that of the offer is wanted')
        all_alive(process, peer, sa, clone(peer, sa))


def test_a_clone_request_without_a_key_exchange_is_refused():
    with at_gateway() as (process, peer, sa):
        half = Half(8)
        answer = peer.request(sa, CREATE_CHILD_SA, CLONE, offer(IKE, half.spi, IKE_SUITE), Nonce(load=half.nonce))
        require(len(answer.notifies()) == 1 and answer.notifies()[0] < 16384, f'it is answered by {answer}')
        require(len(established(process)) <= 1, 'there is a clone')


def test_a_gateway_that_deletes_the_IKE_SA_answers_TEMPORARY__FAILURE():
    with at_gateway() as (process, peer, sa):
        process.command('down clients')
        request = peer.await_request()
        require(request.one(Delete).proto == IKE, f'{request} instead of the end of the IKE SA')
        refused_clone(peer, sa, TEMPORARY_FAILURE)
        peer.answer(request)
        require(not process.status()['ike_sas'], 'an IKE SA is left')


def test_a_gateway_that_rekeys_the_IKE_SA_answers_TEMPORARY__FAILURE_and_its_successor_is_cloned():
    with at_gateway() as (process, peer, sa):
        process.command('rekey clients')
        request = peer.await_request()
        refused_clone(peer, sa, TEMPORARY_FAILURE)
        successor = peer.give_ike(request)
        peer.answer(peer.await_request())  # the end of the old one
        all_alive(process, peer, successor, clone(peer, successor))


def test_a_gateway_clones_too():
    with at_gateway() as (process, peer, sa):
        process.command(f'clone {CLIENT.decode()}')
        made = peer.give_ike(asks_for_clone(peer))
        peer.silence()
        all_alive(process, peer, sa, made)
        has(process, sa, peer.child)
        child, answer = peer.create_child(made, tsi=peer.child.tsi)
        require(child, f'a Child SA on it is answered by {answer}')
        has(process, made, child)


def outer(process, child):
    """Where Sheaf sends the packets of a Child SA."""
    return next(each['peer'] for each in process.status()['kernel']['sas'] if each['spi_in'] == spi(child.spi_out))


def test_a_clone_moves_to_another_address_and_the_first_IKE_SA_stays():  # RFC 7791 A
    with at_gateway(tell=(Notify(type=MOBIKE_SUPPORTED), SUPPORTED)) as (process, peer, sa):
        require(peer.auth_answer.notify(MOBIKE_SUPPORTED), 'Sheaf does not know RFC 4555')
        made = clone(peer, sa)
        child, _ = peer.create_child(made, tsi=peer.child.tsi)
        there = Peer(process.address, host='127.0.0.3')
        there.add(peer.sas.pop(made.own_spi()))
        cookie = os.urandom(16)
        answer = there.request(made, INFORMATIONAL, Notify(type=UPDATE_SA_ADDRESSES), Notify(type=COOKIE2, load=cookie))
        require(answer.notifies() == [COOKIE2] and answer.payloads[0].load == cookie, f'the move is answered by {answer}')
        proof = there.await_request()  # that answers reach us there, RFC 4555 3.7
        require(COOKIE2 in proof.notifies(), f'{proof} proves no route')
        there.answer(proof, proof.notify(COOKIE2))
        peer.alive(sa)
        there.alive(made)
        agree(process, sa, made)
        has(process, sa, peer.child)
        has(process, made, child)
        require(outer(process, child).startswith(f'{there.host}:'), 'the Child SA of the clone has not moved')
        require(outer(process, peer.child).startswith(f'{peer.host}:'), 'the Child SA of the first has moved')
        there.close()


def test_a_new_login_with_INITIAL__CONTACT_ends_the_whole_family():
    with at_gateway() as (process, peer, sa):
        clone(peer, clone(peer, sa))
        again = Peer(process.address)
        fresh = again.login(CLIENT, GATEWAY, sheaf.SECRET, (SUPPORTED, Notify(type=INITIAL_CONTACT)))
        all_alive(process, again, fresh)
        has(process, fresh, again.child)
        require(len(process.status()['kernel']['sas']) == 1, 'a Child SA of the old family is left')
        again.close()


# Sheaf is the initiator, a client.

def test_a_client_tells_its_support_in_the_first_request_of_IKE__AUTH():
    with at_client() as (_, peer, _sa):
        empty(peer.auth_request.notify(CLONE_IKE_SA_SUPPORTED))


def test_a_client_clones():
    with at_client() as (process, peer, sa):
        made = cloned_by_sheaf(process, peer)
        require(process.saw('ike_cloned') == 1, 'Sheaf does not tell of a clone')
        peer.silence()  # no DELETE of the old one
        all_alive(process, peer, sa, made)
        has(process, sa, peer.child)
        has(process, made)


def test_a_client_begins_a_clone_with_message_ID_0():
    with at_client() as (process, peer, sa):
        made = cloned_by_sheaf(process, peer)
        peer.delete(sa)
        process.command('clone home')
        request = asks_for_clone(peer)
        require(request.sa is made and request.id == 0, f'its first request has message ID {request.id}')
        all_alive(process, peer, made, peer.give_ike(request))


def test_a_client_does_not_clone_where_the_responder_does_not():
    with at_client(tell=()) as (process, peer, sa):
        require('error' in process.command('clone home'), 'the command is taken')
        peer.silence()
        all_alive(process, peer, sa)


def test_a_clone_request_that_is_lost_comes_again_unchanged():
    with at_client() as (process, peer, sa):
        process.command('clone home')
        request = asks_for_clone(peer)
        process.command('advance 6')
        again = peer.wait(lambda: peer.repeats and peer.repeats.popleft())
        require(again and again.octets == request.octets, 'it does not come again, or is another one')
        all_alive(process, peer, sa, peer.give_ike(request))


def test_a_client_that_is_asked_for_another_group_clones_with_that():
    with at_client() as (process, peer, sa):
        process.command('clone home')
        peer.answer(asks_for_clone(peer), Notify(type=INVALID_KE_PAYLOAD, load=struct.pack('!H', 19)))
        request = asks_for_clone(peer)
        require(request.one(KeyExchange).group == 19, f'it comes with group {request.one(KeyExchange).group}')
        peer.answer(request, Notify(type=NO_PROPOSAL_CHOSEN))
        all_alive(process, peer, sa)


def test_a_client_that_ends_while_it_clones_ends_the_clone_as_well():
    with at_client() as (process, peer, sa):
        process.command('clone home')
        request = asks_for_clone(peer)
        process.command('down home')
        peer.give_ike(request)
        for _ in range(2):
            end = peer.await_request()
            require(end.one(Delete).proto == IKE, f'{end} instead of the end of an IKE SA')
            peer.answer(end)
        status = process.status()
        require(not status['ike_sas'] and not status['kernel']['sas'], 'something is left')


def test_a_client_that_is_answered_TEMPORARY__FAILURE_asks_again_later():
    with at_client() as (process, peer, sa):
        process.command('clone home')
        request = asks_for_clone(peer)
        peer.answer(request, Notify(type=TEMPORARY_FAILURE))
        peer.silence()  # not at once, RFC 7296 2.25
        all_alive(process, peer, sa)
        process.command(f'advance {5 * MINUTES}')
        made = peer.give_ike(asks_for_clone(peer))
        all_alive(process, peer, sa, made)
        has(process, sa, peer.child)


def test_a_client_that_is_answered_NO__ADDITIONAL__SAS_asks_no_more():
    with at_client() as (process, peer, sa):
        made = cloned_by_sheaf(process, peer)
        peer.delete(made)
        process.command('clone home')
        peer.answer(asks_for_clone(peer), Notify(type=NO_ADDITIONAL_SAS))
        peer.silence()
        process.command(f'advance {30 * MINUTES}')
        peer.silence()
        process.command('clone home')
        peer.silence()
        all_alive(process, peer, sa)
        has(process, sa, peer.child)


def test_after_NO__ADDITIONAL__SAS_a_client_may_ask_again_when_one_has_ended():
    with at_client() as (process, peer, sa):
        made = cloned_by_sheaf(process, peer)
        process.command('clone home')
        peer.answer(asks_for_clone(peer), Notify(type=NO_ADDITIONAL_SAS))
        peer.delete(made)
        process.command('clone home')
        all_alive(process, peer, sa, peer.give_ike(asks_for_clone(peer)))


def test_a_client_whose_clone_is_refused_otherwise_keeps_what_it_has():
    with at_client() as (process, peer, sa):
        process.command('clone home')
        peer.answer(asks_for_clone(peer), Notify(type=NO_PROPOSAL_CHOSEN))
        peer.silence()
        all_alive(process, peer, sa)
        has(process, sa, peer.child)


def test_CLONE__IKE__SA_in_the_answer_to_a_clone_request_means_nothing():
    with at_client() as (process, peer, sa):
        process.command('clone home')
        made = peer.give_ike(asks_for_clone(peer), CLONE)
        all_alive(process, peer, sa, made)


def test_CLONE__IKE__SA_in_the_answer_to_a_rekeying_means_nothing():
    with at_client() as (process, peer, sa):
        process.command('rekey home')
        request = peer.await_request()
        require(CLONE_IKE_SA not in request.notifies(), 'a rekeying is asked for as a clone')
        successor = peer.give_ike(request, CLONE)
        request = peer.await_request()
        require(request.sa is sa and request.one(Delete).proto == IKE, f'{request} instead of the end of the old one')
        peer.answer(request)
        all_alive(process, peer, successor)
        has(process, successor, peer.child)


def test_the_end_of_the_first_IKE_SA_leaves_a_client_its_clone():
    with at_client() as (process, peer, sa):
        made = cloned_by_sheaf(process, peer)
        peer.delete(sa)
        all_alive(process, peer, made)


def test_the_end_of_a_clone_leaves_a_client_the_first_IKE_SA():
    with at_client() as (process, peer, sa):
        made = cloned_by_sheaf(process, peer)
        peer.delete(made)
        all_alive(process, peer, sa)
        has(process, sa, peer.child)


def test_a_gateway_may_clone_at_a_client():
    with at_client() as (process, peer, sa):
        made, answer = peer.take_ike(peer.ask_ike(sa, CLONE))
        require(answer.kinds() == [Sa, Nonce, KeyExchange], f'the answer is {answer}')
        all_alive(process, peer, sa, made)
        has(process, sa, peer.child)
        all_alive(process, peer, sa, made, clone(peer, made))


def test_a_client_beyond_its_own_limit_answers_NO__ADDITIONAL__SAS():
    with at_client(most=2) as (process, peer, sa):
        made = clone(peer, sa)
        refused_clone(peer, made, NO_ADDITIONAL_SAS)
        process.command('clone home')
        peer.silence()
        all_alive(process, peer, sa, made)


# Both at the same time.

def test_clone_requests_that_cross_are_both_answered():
    with at_client() as (process, peer, sa):
        process.command('clone home')
        theirs = asks_for_clone(peer)
        ours, _ = peer.take_ike(peer.ask_ike(sa, CLONE))
        made = peer.give_ike(theirs)
        peer.silence()  # none of them is redundant
        all_alive(process, peer, sa, ours, made)
        has(process, sa, peer.child)


def test_clone_requests_that_cross_at_a_gateway_are_both_answered():
    with at_gateway() as (process, peer, sa):
        process.command(f'clone {CLIENT.decode()}')
        theirs = asks_for_clone(peer)
        ours, _ = peer.take_ike(peer.ask_ike(sa, CLONE))
        made = peer.give_ike(theirs)
        peer.silence()
        all_alive(process, peer, sa, ours, made)
        has(process, sa, peer.child)


def test_of_clone_requests_that_cross_the_other_answer_may_come_first():
    with at_client() as (process, peer, sa):
        process.command('clone home')
        asked = peer.ask_ike(sa, CLONE)
        made = peer.give_ike(asks_for_clone(peer))
        ours, _ = peer.take_ike(asked)
        peer.silence()
        all_alive(process, peer, sa, ours, made)


def test_clone_requests_that_cross_at_the_limit_make_no_more_than_that():
    with at_client(most=2) as (process, peer, sa):
        process.command('clone home')
        theirs = asks_for_clone(peer)
        answer = peer.await_answer(peer.ask_ike(sa, CLONE)[1])
        peer.answer(theirs, Notify(type=NO_ADDITIONAL_SAS))
        require(len(established(process)) <= 2, 'there are more IKE SAs than are allowed')
        require(answer.notifies() in ([], [NO_ADDITIONAL_SAS], [TEMPORARY_FAILURE]), f'it is answered by {answer}')
        peer.alive(sa)


def test_a_rekeying_that_crosses_a_clone_request_goes_on_and_the_successor_is_cloned():
    with at_client() as (process, peer, sa):
        process.command('clone home')
        theirs = asks_for_clone(peer)
        successor, _ = peer.take_ike(peer.ask_ike(sa))
        peer.answer(theirs, Notify(type=TEMPORARY_FAILURE))  # RFC 7296 2.25
        peer.delete(sa)
        all_alive(process, peer, successor)
        has(process, successor, peer.child)
        process.command(f'advance {5 * MINUTES}')
        request = asks_for_clone(peer)
        require(request.sa is successor, 'the request for a clone comes on what was replaced')
        all_alive(process, peer, successor, peer.give_ike(request))


def test_a_clone_that_was_given_before_a_rekeying_came_stays():
    with at_client() as (process, peer, sa):
        process.command('clone home')
        theirs = asks_for_clone(peer)
        asked = peer.ask_ike(sa)
        made = peer.give_ike(theirs)
        successor, _ = peer.take_ike(asked)
        peer.delete(sa)
        all_alive(process, peer, successor, made)
        has(process, successor, peer.child)
        has(process, made)


def test_a_request_for_a_Child_SA_that_crosses_a_clone_request_is_answered():
    with at_client() as (process, peer, sa):
        process.command('clone home')
        theirs = asks_for_clone(peer)
        rekey = Notify(proto=ESP, type=REKEY_SA, SPI=peer.child.spi_in)
        child, answer = peer.create_child(sa, rekey, tsr=peer.child.tsi)
        require(child, f'cloning holds up a Child SA: {answer}')
        peer.request(sa, INFORMATIONAL, Delete(proto=ESP, SPIsize=4, count=1, SPIs=peer.child.spi_in))
        made = peer.give_ike(theirs)
        all_alive(process, peer, sa, made)
        has(process, sa, child)
        has(process, made)


def test_the_end_of_an_IKE_SA_that_crosses_a_clone_request_ends_it():
    with at_client() as (process, peer, sa):
        process.command('clone home')
        asks_for_clone(peer)
        peer.delete(sa)
        require((sa.spi_i.hex(), sa.spi_r.hex()) not in established(process), 'it is still there')
