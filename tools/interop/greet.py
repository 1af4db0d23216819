"""Greets a running node with a Noise implementation that is not ours, and says what came of it.

    tools/interop/greet earshot://<node id>@host:port --network <identity, from `earshot genesis check`> [--under-load]

Noise is the PyPI package `noiseprotocol`, Ed25519 that of `cryptography`; BLAKE2b comes with Python. Everything else is
written here from Session.md, Wire and the standards, in plain integers; no code of Earshot's is used, which is all that
this script is for: what both sides of one program agree on may still be wrong.

It makes a handshake (initiation of 1,200 octets with mac1, response), checks the node's card, sends a ping in the
session, reads the pong, and sees that forged and replayed datagrams are met with silence. With --under-load it first
burdens the node until it asks for proofs of address, and gives one. Exits with 0 if all holds.
"""

import argparse
import hashlib
import os
import select
import socket
import struct
import sys
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from noise.connection import Keypair, NoiseConnection

PRIME = 2**255 - 19
INITIATION, RESPONSE, COOKIE, DATA = 1, 2, 3, 4
PAYLOAD, KEEPALIVE, CLOSE = 0, 1, 4
PROBE, PONG, NEARBY, RECORDS = 13, 6, 14, 0
BERN = 0x851F8347FFFFFFF  # an H3 cell of resolution 5
PATIENCE = 5.0


def expect(holds, what):
    if not holds:
        sys.exit(f"greet: {what}")


def blake2b(data, size, key=b""):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


# Identities -------------------------------------------------------------------------------------------------------


def bech32m(text):
    """The octets of a Bech32m text (BIP 350)."""
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    prefix, _, data = text.lower().rpartition("1")
    expect(prefix == "ear" and all(c in alphabet for c in data), f"{text} is no node id")
    values = [alphabet.index(c) for c in data]
    check = 1
    for value in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, mask in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= mask if top >> bit & 1 else 0
    expect(check == 0x2BC830A3, f"the checksum of {text} does not match")
    bits = 0
    for value in values[:-6]:
        bits = bits << 5 | value
    return (bits >> 4).to_bytes(32, "big")


def exchange_public(ed25519):
    """The same point on Curve25519 (RFC 7748, section 4.1): u = (1 + y) / (1 - y)."""
    y = int.from_bytes(ed25519, "little") & (2**255 - 1)
    return ((1 + y) * pow(1 - y, -1, PRIME) % PRIME).to_bytes(32, "little")


class Identity:
    def __init__(self):
        seed = os.urandom(32)
        self.key = Ed25519PrivateKey.from_private_bytes(seed)
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        self.node = self.key.public_key().public_bytes(*raw)
        # RFC 8032, section 5.1.5: the scalar; X25519 clamps it as Ed25519 does.
        self.scalar = hashlib.sha512(seed).digest()[:32]


# Wire (BCS) -------------------------------------------------------------------------------------------------------


def preimage(domain, network, message):
    return b"earshot\0" + domain + b"\0" + network + message


def own_record(identity, network):
    body = identity.node + struct.pack("<QQBB", 1, 0, 8, 0) + b"\0" + struct.pack("<H", 1)
    return body + identity.key.sign(preimage(b"record", network, body))


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        expect(self.at + count <= len(self.data), "what the node said is cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def unpack(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def endpoint(self):
        address = self.take(16)
        port = self.unpack("<H")
        if address[:12] == b"\0" * 10 + b"\xff\xff":
            return f"{socket.inet_ntop(socket.AF_INET, address[12:])}:{port}"
        return f"[{socket.inet_ntop(socket.AF_INET6, address)}]:{port}"


def read_record(reader, network):
    start = reader.at
    node = reader.take(32)
    sequence, epoch = reader.unpack("<Q"), reader.unpack("<Q")
    roles = reader.unpack("<B")
    endpoints = [reader.endpoint() for _ in range(reader.unpack("<B"))]
    region = reader.unpack("<Q") if reader.unpack("<B") else None
    version = reader.unpack("<H")
    body = reader.data[start : reader.at]
    signature = reader.take(64)
    try:
        Ed25519PublicKey.from_public_bytes(node).verify(signature, preimage(b"record", network, body))
    except InvalidSignature:
        sys.exit("greet: the node's record is not signed by it")
    return node, sequence, epoch, roles, endpoints, region, version


# Sessions ---------------------------------------------------------------------------------------------------------


def mac1(responder, message):
    return blake2b(message, 16, key=blake2b(b"mac1----" + responder, 32))


def hchacha20(key, nonce):
    """The key for the rest of a long nonce (draft-irtf-cfrg-xchacha-03, section 2.2)."""
    x = list(struct.unpack("<4I8I4I", b"expand 32-byte k" + key + nonce))

    def add(a, b, d, left):
        x[a] = (x[a] + x[b]) & 0xFFFFFFFF
        turned = x[d] ^ x[a]
        x[d] = (turned << left | turned >> 32 - left) & 0xFFFFFFFF

    for _ in range(10):
        for slant in (0, 1):  # columns, then diagonals
            for i in range(4):
                a, b, c, d = (4 * row + (i + slant * row) % 4 for row in range(4))
                add(a, b, d, 16), add(c, d, b, 12), add(a, b, d, 8), add(c, d, b, 7)
    return struct.pack("<8I", *x[:4], *x[12:])


def open_cookie(responder, reply, sent_mac1):
    """XChaCha20-Poly1305; the initiation's mac1 is authenticated with it."""
    key, nonce, box = blake2b(b"cookie--" + responder, 32), reply[8:32], reply[32:]
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])).decrypt(bytes(4) + nonce[16:], box, sent_mac1)


class Session:
    def __init__(self, connection, remote_index, own_index):
        self.sealing = connection.noise_protocol.cipher_state_encrypt
        self.opening = connection.noise_protocol.cipher_state_decrypt
        self.remote_index, self.own_index, self.counter = remote_index, own_index, 0

    def seal(self, body, kind):
        head = struct.pack("<IIQ", DATA, self.remote_index, self.counter)
        self.sealing.n = self.counter
        self.counter += 1
        return head + self.sealing.encrypt_with_ad(head, body + bytes([kind]))

    def open(self, datagram):
        kind, index, counter = struct.unpack("<IIQ", datagram[:16])
        expect(kind == DATA and index == self.own_index, "a datagram that is not of this session")
        self.opening.n = counter
        plain = self.opening.decrypt_with_ad(datagram[:16], datagram[16:])
        return plain[:-1], plain[-1]


class Greeting:
    def __init__(self, node, place, network):
        self.node, self.network = node, network
        self.responder = exchange_public(node)
        family, _, _, _, address = socket.getaddrinfo(*place, type=socket.SOCK_DGRAM)[0]
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.connect(address)
        self.socket.settimeout(PATIENCE)
        self.identity = Identity()

    def receive(self):
        try:
            return self.socket.recv(2048)
        except TimeoutError:
            sys.exit(f"greet: no answer within {PATIENCE} s")
        except ConnectionRefusedError:
            sys.exit("greet: nothing listens there")

    def initiation(self, connection, own_index):
        timestamp = struct.pack("<Q", time.time_ns())
        payload = timestamp + own_record(self.identity, self.network)
        message = connection.write_message(payload.ljust(1200 - 8 - 96 - 32, b"\0"))
        datagram = struct.pack("<II", INITIATION, own_index) + message
        datagram += mac1(self.responder, datagram) + bytes(16)
        expect(len(datagram) == 1200, "an initiation is 1,200 octets")
        return datagram

    def burden(self):
        """Initiations with nothing behind their mac1, until the node asks for proofs: it will for a second more."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for _ in range(60):
                datagram = struct.pack("<I", INITIATION) + os.urandom(1164)
                self.socket.send(datagram + mac1(self.responder, datagram) + bytes(16))
            if select.select([self.socket], [], [], 0.2)[0]:
                expect(self.receive()[0] == COOKIE, "an initiation with nothing in it was answered")
                return
        sys.exit("greet: the node does not ask for proofs of address, whatever it has to do")

    def prove(self, datagram, reply):
        """The same initiation with a mac2, by the cookie in the reply to it."""
        expect(len(reply) == 64, "a cookie reply is 64 octets")
        cookie = open_cookie(self.responder, reply, datagram[-32:-16])
        return datagram[:-16] + blake2b(datagram[:-16], 16, key=cookie)

    def answer(self, own_index):
        """The next datagram that answers ours, and not one of the burden's."""
        while True:
            answer = self.receive()
            kind, receiver = struct.unpack("<II", answer[:8])
            if receiver == own_index:
                return kind, answer
            expect(kind == COOKIE, "an answer to nothing that was sent")

    def handshake(self, under_load):
        connection = NoiseConnection.from_name(b"Noise_IK_25519_ChaChaPoly_BLAKE2b")
        connection.set_as_initiator()
        connection.set_prologue(b"earshot/1" + self.network)
        connection.set_keypair_from_private_bytes(Keypair.STATIC, self.identity.scalar)
        connection.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, self.responder)
        connection.start_handshake()
        own_index = int.from_bytes(os.urandom(4), "little") | 1
        datagram = self.initiation(connection, own_index)
        if under_load:
            self.burden()
        # One octet changed under mac1, and one of mac1 itself: no answer to either.
        for place in (100, 1170):
            self.socket.send(datagram[:place] + bytes([datagram[place] ^ 1]) + datagram[place + 1 :])
        sent = time.monotonic()
        self.socket.send(datagram)
        kind, answer = self.answer(own_index)
        expect(kind == COOKIE or not under_load, "it asked others for a proof of address, and not us")
        if kind == COOKIE:
            print("cookie     opened; the initiation goes again, with a mac2")
            datagram = self.prove(datagram, answer)
            self.socket.send(datagram)
            kind, answer = self.answer(own_index)
        took = time.monotonic() - sent
        expect(kind == RESPONSE, "that is no response to this initiation")
        remote_index = struct.unpack("<I", answer[8:12])[0]
        expect(len(answer) <= len(datagram), "the answer is larger than what it answers")
        own_static = exchange_public(self.identity.node)
        expect(answer[-16:] == mac1(own_static, answer[:-16]), "the response's mac1 is wrong")
        said = Reader(bytes(connection.read_message(answer[12:-16])))
        record = read_record(said, self.network)
        expect(record[0] == self.node, "the record is another node's")
        observed, clock = said.endpoint(), said.unpack("<Q")
        expect(said.at == len(said.data), "octets are left over after the response's payload")
        expect(observed.rpartition(":")[2] == str(self.socket.getsockname()[1]), "it sees another port than ours")
        expect(connection.handshake_finished, "the handshake is not finished")
        return Session(connection, remote_index, own_index), record, observed, clock, took, datagram

    def pong(self, session):
        """The payload of the next datagram that has one."""
        while True:
            body, kind = session.open(self.receive())
            if kind == PAYLOAD:
                return body
            expect(kind == KEEPALIVE and body == bytes(8), "neither payload nor keepalive")

    def ping(self, session):
        nonces = os.urandom(8), os.urandom(8)
        first, second = (session.seal(bytes([PROBE]) + nonce, PAYLOAD) for nonce in nonces)
        sent = time.monotonic()
        self.socket.send(first)
        expect(self.pong(session) == bytes([PONG]) + nonces[0], "that is no pong to this ping")
        took = time.monotonic() - sent
        # Forged, and replayed; what answers the last comes after whatever would answer these.
        self.socket.send(second[:-1] + bytes([second[-1] ^ 1]))
        self.socket.send(first)
        self.socket.send(second)
        expect(self.pong(session) == bytes([PONG]) + nonces[1], "a replayed or forged ping was answered")
        return took


    def near(self, session):
        """The cards of those nearest to a place that have one: at most four, each signed."""
        self.socket.send(session.seal(bytes([NEARBY]) + struct.pack("<Q", BERN), PAYLOAD))
        said = Reader(self.pong(session))
        expect(said.unpack("<B") == RECORDS, "that says nothing of who is near")
        cards = [read_record(said, self.network) for _ in range(said.unpack("<B"))]
        expect(len(cards) <= 4 and all(card[5] for card in cards), "too many cards, or cards without a region")
        expect(said.unpack("<B") == 0 and said.at == len(said.data), "it asks us, or says more")
        return cards


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("node", help="earshot://<node id>@host:port")
    parser.add_argument("--network", required=True, help="64 digits, from `earshot genesis check`")
    parser.add_argument("--under-load", action="store_true", help="burden it first, and prove our address")
    options = parser.parse_args()
    expect(options.node.startswith("earshot://"), "the node begins with earshot://")
    text, _, place = options.node.removeprefix("earshot://").partition("@")
    host, _, port = place.rpartition(":")
    greeting = Greeting(bech32m(text), (host.strip("[]"), int(port)), bytes.fromhex(options.network))
    session, record, observed, clock, took, initiation = greeting.handshake(options.under_load)
    print(f"handshake  {took * 1000:.3f} ms")
    _, sequence, epoch, roles, endpoints, _, version = record
    print(f"record     sequence {sequence}, of epoch {epoch}, roles {roles:#x}, at {', '.join(endpoints)}, version {version}: signed")
    print(f"observed   {observed}")
    print(f"clock      {(clock - time.time_ns()) / 1e6:.3f} ms ahead of ours, at most")
    greeting.socket.send(initiation)
    print(f"pong       {greeting.ping(session) * 1000:.3f} ms; replayed and forged datagrams unanswered")
    print(f"near       {len(greeting.near(session))} cards, signed")
    greeting.socket.send(session.seal(bytes(8), CLOSE))


main()
