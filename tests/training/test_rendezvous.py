"""All workers meet before they begin, or one sentence says who is missing."""

import socket
import threading

import pytest

import bit_keras as bit
from bit_keras.training.cluster import Members
from bit_keras.training.rendezvous import meet
from tests.training.clusters import free_ports


def addresses(count):
    return tuple(f"localhost:{port}" for port in free_ports(count))


def met(members, seconds=20):
    """Calls `meet` in a thread; returns the thread and the errors that it leaves."""
    errors = []

    def call():
        try:
            meet(members, seconds=seconds)
        except bit.RunError as error:
            errors.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    return thread, errors


def test_three_workers_that_come_one_after_the_other_meet():
    everyone = addresses(3)
    started = [met(Members(everyone, index)) for index in (2, 0, 1)]
    for thread, errors in started:
        thread.join(timeout=30)
        assert not thread.is_alive() and errors == []


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_workers_with_ipv6_addresses_meet():
    everyone = tuple(f"[::1]:{port}" for port in free_ports(2))
    for thread, errors in [met(Members(everyone, index)) for index in (0, 1)]:
        thread.join(timeout=30)
        assert not thread.is_alive() and errors == []


def test_the_port_is_free_afterwards():
    everyone = addresses(2)
    for thread, _ in [met(Members(everyone, index)) for index in (0, 1)]:
        thread.join()
    socket.create_server(("", int(everyone[0].split(":")[1]))).close()


def test_a_worker_that_never_comes_is_named_with_its_address():
    everyone = addresses(3)
    thread, errors = met(Members(everyone, 0), seconds=1)
    other, other_errors = met(Members(everyone, 2), seconds=1)
    thread.join()
    other.join()
    for error in (errors[0], other_errors[0]):
        assert f"worker 1 at {everyone[1]}" in error and "within 1 seconds" in error
    assert "worker 2" not in errors[0]


def test_another_program_at_the_address_is_no_worker():
    everyone = addresses(2)
    with socket.create_server(("localhost", int(everyone[1].split(":")[1]))):
        thread, errors = met(Members(everyone, 0), seconds=1)
        thread.join(timeout=20)
    assert f"worker 1 at {everyone[1]}" in errors[0]


def test_a_port_in_use_is_one_sentence():
    everyone = addresses(2)
    refusal = pytest.raises(bit.RunError, match=rf"Could not listen on {everyone[0]}.*choose another in TF_CONFIG")
    with socket.create_server(("", int(everyone[0].split(":")[1]))), refusal:
        meet(Members(everyone, 0), seconds=1)
