#!/usr/bin/env python3
"""Reads a Talea export and says whether it is valid. Shares no code with Talea.

Written from protocol/README.md alone. Checked: digest, frames, leaves and headers, every signature, chains, the register's
order, enrolment, trees, checkpoints, cosignatures, mirrored logs, settlement, payloads. Not checked: what acts mean.
Prints one line of JSON; exits 0 valid, 1 no export, 2 invalid, 3 incomplete, 4 forked.
"""
import base64, hashlib, json, re, sys

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAGIC, ZERO, MANY = b"talea-export-1\n", bytes(32), 10_000_000
FRAME_MAX, BUNDLE_MAX, NOTE_MAX, PAYLOAD_MAX, LIST_MAX = 262144, 196608, 8192, 261120, 1024
INVALID, INCOMPLETE, FORKED = 2, 3, 4
WORDS = {0: "VALID", INVALID: "INVALID", INCOMPLETE: "INCOMPLETE", FORKED: "FORKED"}


class Bad(Exception):
    """Bytes that are not what they should be."""


def derived(context, data):
    return blake3(data, derive_key_context="talea 2026-11 " + context).digest()


def is_signed(key, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


class Cursor:
    """Section 1: little-endian, fixed width."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Bad("the bytes end early")
        self.at += count
        return self.data[self.at - count:self.at]

    def int(self, width):
        return int.from_bytes(self.take(width), "little")

    def octets(self, limit):
        return self.take(self.count(limit))

    def count(self, limit):
        count = self.int(8)
        if count > limit:
            raise Bad("longer than its limit")
        return count

    def list(self, limit, item):
        return [item() for _ in range(self.count(limit))]


class Entry:
    """Section 4."""

    def __init__(self, data):
        if not 64 < len(data) <= 65535:
            raise Bad("rule 1: not an entry's length")
        self.unsigned, self.signature = data[:-64], data[-64:]
        c = Cursor(self.unsigned)
        if c.take(2) != b"\1\1":
            raise Bad("rules 2 and 3: version or scheme")
        self.cooperative, self.device, self.seq = c.take(32), c.take(32), c.int(8)
        self.prev, self.basis, self.time = c.take(32), c.take(32), c.int(8)
        option = c.int(1)
        if option > 1:
            raise Bad("rule 4: an option is 0 or 1")
        self.payload = (c.take(32), c.int(4)) if option else None
        self.act = Cursor(self.unsigned[c.at:])
        self.tag = self.act.int(4)
        self.id = derived("entry id v1", self.unsigned)
        if (self.cooperative == ZERO and self.basis == ZERO and self.seq == 0) != (self.tag == 0):
            raise Bad("rule 8: only a charter is entry 0 of nothing")
        if not is_signed(self.device, self.signature, b"talea entry v1\n" + self.unsigned):
            raise Bad(f"rule 9: {self} is not signed by its device")

    def __str__(self):
        return f"entry {self.id.hex()} (device {self.device.hex()}, place {self.seq})"


class Charter:
    """Section 6, as far as needed: the founders' devices, the registrar and the roster."""

    def __init__(self, c):
        c.take(4), c.octets(120), c.take(8), c.octets(32), c.take(1)
        c.list(16, lambda: (c.octets(32), c.take(6)))
        c.list(16, lambda: (c.octets(32), c.take(7)))
        self.founders = c.list(128, lambda: (c.take(6), c.take(32), c.take(64))[1])
        self.registrar = c.int(4)
        c.take(8)
        self.roster = c.list(16, lambda: c.take(32))
        c.take(1)
        self.quorum = c.int(1)


class Log:
    """What the file holds of one node's log: (leaf hash, id of the accepted entry or None); None where it is missing."""

    def __init__(self, node):
        self.node, self.leaves, self.checkpoints, self.sound = node, [], {}, 0

    def add(self, start, leaves):
        if not len(self.leaves) <= start <= len(self.leaves) + MANY:
            raise Bad(f"leaf {start} of {self} is out of place")
        self.leaves += [None] * (start - len(self.leaves)) + leaves

    def __str__(self):
        return f"the log of node {self.node.hex()}"


def bundled(bundle):
    leaves, at = [], 0
    while at < len(bundle):
        length = int.from_bytes(bundle[at:at + 2], "big")
        if length == 0 or at + 2 + length > len(bundle):
            raise Bad("a bundle ends within a leaf")
        leaves.append(bundle[at + 2:at + 2 + length])
        at += 2 + length
    return leaves


def root_of(hashes):
    """RFC 6962, section 2.1, with a stack of complete subtrees."""
    stack = []
    for node in hashes:
        count = 1
        while stack and stack[-1][0] == count:
            node, count = hashlib.sha256(b"\1" + stack.pop()[1] + node).digest(), count * 2
        stack.append((count, node))
    root = stack.pop()[1] if stack else hashlib.sha256().digest()
    while stack:
        root = hashlib.sha256(b"\1" + stack.pop()[1] + root).digest()
    return root


class Reader:
    def __init__(self):
        self.found, self.entries, self.logs, self.charter = [], {}, {}, None
        self.mirrors, self.notes, self.payloads, self.settled = [], [], [], 0

    def say(self, status, text):
        self.found.append((status, text))

    def log(self, node):
        return self.logs.setdefault(node, Log(node))

    def read(self, data):
        """Section 12: frames."""
        at, tag = len(MAGIC), None
        while tag != 5:
            length = int.from_bytes(data[at:at + 4], "little")
            if length > FRAME_MAX:
                raise Bad(f"a section of {length} bytes at byte {at}")
            if len(data) < at + 4 + length:
                return self.say(INCOMPLETE, f"the file ends at byte {len(data)}, before its end section")
            frame = Cursor(data[at + 4:at + 4 + length])
            tag = frame.int(4)
            if (tag == 0) != (at == len(MAGIC)):
                raise Bad(f"the section at byte {at} is out of place")
            if tag == 5 and (frame.take(32) != derived("export v1", data[:at]) or at + 4 + length != len(data)):
                self.say(INVALID, "the digest is not that of the file, or bytes follow it")
            self.section(tag, frame)
            if frame.at != length:
                raise Bad(f"not the one encoding of the section at byte {at}")
            at += 4 + length
        return None

    def section(self, tag, c):
        if tag == 0:
            self.cooperative, self.own, _ = c.take(32), self.log(c.take(32)), c.int(8)
        elif tag == 1:
            start, leaves = c.int(8), bundled(c.octets(BUNDLE_MAX))
            self.own.add(start, [self.leaf(self.own, start + i, leaf) for i, leaf in enumerate(leaves)])
        elif tag == 2:
            self.mirrors.append((self.log(c.take(32)), c.int(8), c.list(LIST_MAX, lambda: self.item(c))))
        elif tag == 3:
            self.notes.append((self.log(c.take(32)), c.octets(NOTE_MAX)))
        elif tag == 4:
            self.payloads.append((c.take(32), c.take(32), c.octets(PAYLOAD_MAX)))
        elif tag != 5:
            raise Bad(f"a section of kind {tag}")

    def item(self, c):
        tag = c.int(4)
        if tag > 2:
            raise Bad(f"an item of kind {tag}")
        read = [lambda: bundled(c.octets(BUNDLE_MAX)), lambda: c.list(LIST_MAX, lambda: c.take(32)),
                lambda: (c.take(32), c.int(8), c.int(4))]
        return tag, read[tag]()

    def leaf(self, log, index, leaf):
        """Section 9. An accept leaf's entry is read and its signature checked."""
        leaf_hash = hashlib.sha256(b"\0" + leaf).digest()
        try:
            if leaf[0] == 1:
                entry = Entry(leaf[1:])
                self.entries.setdefault(entry.id, (entry, (leaf_hash, entry.id)))
                return leaf_hash, entry.id
        except Bad as bad:
            self.say(INVALID, f"leaf {index} of {log}: {bad}")
        return leaf_hash, None

    def mirror(self, log, start, items):
        """Section 12: the order of another log, resolved to leaves."""
        leaves = []
        for tag, value in items:
            if tag == 0:
                leaves += [self.leaf(log, start + len(leaves) + i, leaf) for i, leaf in enumerate(value)]
            elif tag == 1:
                lost = [entry_id.hex() for entry_id in value if entry_id not in self.entries]
                self.found += [(INCOMPLETE, f"entry {name} of {log} is missing") for name in lost]
                leaves += [self.entries[i][1] if i in self.entries else None for i in value]
            else:
                node, place, count = value
                if node != self.own.node or count > MANY:
                    raise Bad("a copy of a log that is not the exporter's")
                copied = [leaf for leaf in self.own.leaves[place:] if leaf is None or leaf[1]][:count]
                leaves += copied + [None] * (count - len(copied))
        log.add(start, leaves)

    def checkpoint(self, log, note):
        """Section 8: signed-note, tlog-checkpoint, cosignature/v1."""
        text, _, lines = note.decode().rpartition("\n\n")
        text, origin = text + "\n", "talea/log/" + derived("log origin v1", self.cooperative + log.node).hex()
        parts = re.fullmatch(r"(\S+)\n(0|[1-9][0-9]*)\n([A-Za-z0-9+/]{43}=)\n", text)
        if not parts or parts[1] != origin or not lines.endswith("\n"):
            raise Bad(f"not a checkpoint of {log}")
        keys = [(log.node, origin, 1)] + [(node, "talea/node/" + node.hex(), 4) for node in self.charter.roster]
        hints = {(name, hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + key).digest()[:4]): (key, kind)
                 for key, name, kind in keys}
        signers = set()
        for line in lines[:-1].split("\n"):
            mark, name, blob = (line.split(" ") + ["", ""])[:3]
            blob = base64.b64decode(blob, validate=True)
            if mark != "\u2014" or len(blob) < 5 or line.count(" ") != 2:
                raise Bad(f"not a signature line under a checkpoint of {log}")
            key, kind = hints.get((name, blob[:4]), (None, None))
            message = text if kind == 1 else f"cosignature/v1\ntime {int.from_bytes(blob[4:12], 'big')}\n{text}"
            if key and not is_signed(key, blob[4 if kind == 1 else 12:], message.encode()):
                raise Bad(f"a signature under the name of node {key.hex()} is not its own")
            signers.add(kind)
        if 1 not in signers:
            raise Bad(f"{log} has not signed its checkpoint")
        size, root = int(parts[2]), base64.b64decode(parts[3])
        if log.checkpoints.setdefault(size, root) != root:
            self.say(FORKED, f"two roots for {size} leaves of {log}, both signed")

    def tree(self, log):
        whole = next((i for i, leaf in enumerate(log.leaves) if leaf is None), len(log.leaves))
        if whole < max([len(log.leaves), *log.checkpoints]):
            self.say(INCOMPLETE, f"leaf {whole} of {log} is missing")
        for size, root in log.checkpoints.items():
            if size <= whole and root_of(leaf[0] for leaf in log.leaves[:size]) != root:
                self.say(INVALID, f"{log} has not the root that its node signed for {size} leaves")
            elif size <= whole:
                log.sound = max(log.sound, size)

    def places(self, log):
        """Section 9: each chain in order, each basis before, each place once."""
        chains, register, devices = {}, [], {}
        fault = INVALID if log.sound == len(log.leaves) else INCOMPLETE
        for entry in (self.entries[leaf[1]][0] for leaf in log.leaves if leaf and leaf[1]):
            seq, prev = chains.get(entry.device, (0, ZERO))
            if entry.seq > seq:
                self.say(fault, f"place {seq} of device {entry.device.hex()} is missing before {entry} in {log}")
            elif entry.seq < seq or entry.prev != prev:
                self.say(INVALID, f"{entry} does not follow the entry before it in {log}")
            chains[entry.device] = entry.seq + 1, entry.id
            if entry.tag < 5:
                if entry.basis != (register[-1] if register else ZERO):
                    self.say(fault, f"{entry} does not follow the register entry before it in {log}")
                for device in self.enrolled(entry):
                    devices.setdefault(device, len(register))
                register.append(entry.id)
            basis = entry.basis if entry.tag else entry.id
            if basis not in register:
                self.say(fault, f"{entry} acts under a register entry that is not before it in {log}")
            elif devices.get(entry.device, len(register)) > register.index(basis):
                self.say(INVALID, f"{entry} is by a device that was not enrolled")
            if self.cooperative not in (entry.cooperative, entry.id):
                self.say(INVALID, f"{entry} is another cooperative's")

    def enrolled(self, entry):
        """Section 7: admit begins with the device that it enrols, enrol with a member and the device."""
        return {0: lambda act: self.charter.founders, 1: lambda act: [act[4:36]], 2: lambda act: [act[8:40]]}.get(
            entry.tag, lambda act: [])(entry.act.data)

    def settle(self):
        """Section 12: q roster logs, and everything before it in its chain."""
        receipts = {}
        for node in self.charter.roster:
            log = self.logs.get(node, Log(node))
            for entry_id in {leaf[1] for leaf in log.leaves[:log.sound] if leaf and leaf[1]}:
                receipts[entry_id] = receipts.get(entry_id, 0) + 1
        settled = {ZERO}
        for entry, _ in sorted(self.entries.values(), key=lambda found: found[0].seq):
            if receipts.get(entry.id, 0) >= self.charter.quorum and entry.prev in settled:
                settled.add(entry.id)
        self.settled = len(settled) - 1
        for entry_id in sorted({leaf[1] for leaf in self.own.leaves if leaf and leaf[1]} - settled):
            self.say(INCOMPLETE, f"{self.entries[entry_id][0]} is not settled: {receipts.get(entry_id, 0)} receipts")

    def check(self, data):
        try:
            self.read(data)
        except Bad as bad:
            self.say(INVALID, str(bad))
        places = {}
        for entry, _ in self.entries.values():
            if places.setdefault((entry.device, entry.seq), entry) is not entry:
                self.say(FORKED, f"{places[entry.device, entry.seq]} and {entry}: one place, two entries")
        charter = self.entries.get(getattr(self, "cooperative", None))
        if not charter:
            return self.say(INCOMPLETE, "the charter is missing")
        self.charter = Charter(charter[0].act)
        for step, items in ((self.mirror, self.mirrors), (self.checkpoint, self.notes), (self.payload, self.payloads)):
            for item in items:
                try:
                    step(*item)
                except (Bad, ValueError) as bad:
                    self.say(INVALID, str(bad))
        for log in self.logs.values():
            self.tree(log)
            self.places(log)
        if self.own.sound < len(self.own.leaves):
            self.say(INCOMPLETE, f"no checkpoint covers all leaves of {self.own}")
        return self.settle()

    def payload(self, entry_id, salt, data):
        entry, _ = self.entries.get(entry_id, (None, None))
        if not entry:
            self.say(INCOMPLETE, f"entry {entry_id.hex()}, whose payload is here, is missing")
        elif entry.payload != (derived("payload v1", salt + data), len(data)):
            raise Bad(f"{entry} does not commit to the payload that is here")


def main():
    try:
        with open(sys.argv[1], "rb") as file:
            data = file.read()
    except (IndexError, OSError) as error:
        sys.exit(f"usage: read_export.py FILE ({error})")
    if not data.startswith(MAGIC):
        sys.exit("not a talea export of version 1")
    reader = Reader()
    reader.check(data)
    status = max((status for status, _ in reader.found if status in (INVALID, FORKED)), default=0)
    status = status or max((status for status, _ in reader.found), default=0)
    size, root = max(reader.own.checkpoints.items(), default=(0, ZERO)) if hasattr(reader, "own") else (0, ZERO)
    print(json.dumps({"verdict": WORDS[status], "status": status, "entries": len(reader.entries),
                      "settled": reader.settled, "size": size, "root": root.hex(),
                      "findings": [text for _, text in reader.found]}))
    sys.exit(status)


if __name__ == "__main__":
    main()
