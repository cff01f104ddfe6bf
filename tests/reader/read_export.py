#!/usr/bin/env python3
"""Reads a Talea export and says whether it is valid. Shares no code with Talea: written from protocol/README.md alone.

Checked: digest, frames, leaves, headers, every signature, chains, register order, enrolment, trees, checkpoints,
cosignatures, mirrored logs, forks, shown receipts, split views, settlement, payloads. Not checked: what acts mean, but for which branch of a fork a
settled heal adopts; its evidence is believed. Prints one line of JSON; exits 0 valid, 1 no export, 2 invalid,
3 incomplete, 4 forked.
"""
import base64, hashlib, json, re, struct, sys

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAGIC, ZERO = b"talea-export-1\n", bytes(32)
FRAME_MAX, BUNDLE_MAX, NOTE_MAX, PAYLOAD_MAX, LIST_MAX = 262144, 196608, 8192, 261120, 1024
SHOWN_MAX, ALONE_MAX, PROOF_MAX = 61440, 512, 64
HEADER = struct.Struct("<2s32s32sQ32s32sQB")  # version and scheme, cooperative, device, seq, prev, basis, time, payload?
INVALID, INCOMPLETE, FORKED = "INVALID", "INCOMPLETE", "FORKED"
STATUS = {"VALID": 0, INCOMPLETE: 3, INVALID: 2, FORKED: 4}  # the heavier, the later


class Bad(Exception):
    """What is wrong; with a second argument, another verdict than INVALID."""


def derived(context, data):
    return blake3(data, derive_key_context="talea 2026-11 " + context).digest()


def check_signature(key, signature, message, fault):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Bad(fault) from None


class Cursor:
    """The codec: little-endian, fixed width."""
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Bad("the bytes end early")
        self.at += count
        return self.data[self.at - count:self.at]

    def int(self, width):
        return int.from_bytes(self.take(width), "little")

    def count(self, limit):
        count = self.int(8)
        if count > limit:
            raise Bad("longer than its limit")
        return count

    def list(self, limit, item):
        return [item() for _ in range(self.count(limit))]

    def octets(self, limit):
        return self.take(self.count(limit))


class Header:
    """Who says something, and where. With the hash of the act and the signature, a signed header: a proof's half."""
    def __init__(self, c):
        start = c.at
        version, self.cooperative, self.device, self.seq, self.prev, self.basis, _, option = HEADER.unpack(c.take(147))
        if version != b"\2\1" or option > 1:
            raise Bad("rules 2 to 4: version, scheme, or an option that is not 0 or 1")
        self.payload = (c.take(32), c.int(4)) if option else None
        self.header = c.data[start:c.at]

    def sign(self, act_hash, signature, signed=True):
        """The statement: the header and the hash of the act."""
        self.id = derived("entry id v2", self.header + act_hash)
        if signed:
            check_signature(self.device, signature, b"talea entry v2\n" + self.header + act_hash, f"rule 9: {self} is not its device's")

    def is_root(self):
        return self.cooperative == ZERO and self.basis == ZERO and self.seq == 0


class Entry(Header):
    """A signed statement: header, act, signature."""
    def __init__(self, data, signed=True):
        if not 64 < len(data) <= 65535:
            raise Bad("rule 1: not an entry's length")
        c = Cursor(data[:-64])
        super().__init__(c)
        act_hash = derived("act v1", c.data[c.at:])
        self.tag, self.act = c.int(4), c.data[c.at:]
        if self.is_root() != (self.tag == 0):
            raise Bad("rule 8: only a charter is entry 0 of nothing")
        self.sign(act_hash, data[-64:], signed)

    def __str__(self):
        return f"entry {self.id.hex()} (device {self.device.hex()}, place {self.seq})"

    def charter(self):
        """The founders' devices, the roster's nodes and its quorum; the fields between are passed over."""
        c = Cursor(self.act)
        c.take(4), c.octets(120), c.take(8), c.octets(32), c.take(1)
        c.list(16, lambda: (c.octets(32), c.take(6))), c.list(16, lambda: (c.octets(32), c.take(7)))
        founders = c.list(128, lambda: (c.take(6), c.take(32), c.take(64))[1])
        c.take(12)
        return founders, c.list(16, lambda: c.take(32)), c.take(2)[1]


REGISTER = {0, 1, 2, 3, 4, 18, 19, 21, 22, 23, 25, 26, 27}


class Log:
    """What the file holds of one node's log: (leaf hash, id of the entry in it or None), None where it is missing."""
    def __init__(self, node):
        self.taken = {}  # entries in resolve leaves, by id
        self.node, self.leaves, self.checkpoints, self.sound, self.holes = node, [], {}, 0, False

    def __str__(self):
        return f"the log of node {self.node.hex()}"

    def add(self, start, leaves):
        if not len(self.leaves) <= start <= len(self.leaves) + 10_000_000:
            raise Bad(f"leaf {start} of {self} is out of place")
        self.leaves += [None] * (start - len(self.leaves)) + leaves

    def accepts(self, end=None):
        return [leaf[1] for leaf in self.leaves[:end] if leaf and leaf[1]]


def bundled(bundle):
    c, leaves = Cursor(bundle), []
    while c.at < len(bundle):
        leaves.append(c.take(int.from_bytes(c.take(2), "big")))
    return leaves


def root_of(level):
    """RFC 6962, section 2.1: pair by pair, an odd one goes up as it is."""
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2])
        level = [hashlib.sha256(b"\1" + a + b).digest() for a, b in pairs] + level[len(level) & ~1:]
    return level[0] if level else hashlib.sha256().digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def included(index, size, leaf, proof):
    """RFC 9162, section 2.1.3.2: the root that a leaf and its inclusion proof come to."""
    if index >= size:
        raise Bad("a leaf beyond the end of its log")
    last, root = size - 1, leaf
    for step in proof:
        if not last:
            raise Bad("a proof with too many hashes")
        if index % 2 or index == last:
            root = node_hash(step, root)
            while not index % 2 and index:
                index, last = index >> 1, last >> 1
        else:
            root = node_hash(root, step)
        index, last = index >> 1, last >> 1
    if last:
        raise Bad("a proof with too few hashes")
    return root


def consistent(old, old_root, new, new_root, proof):
    """RFC 9162, section 2.1.4.2: whether the log of `new` leaves began with the log of `old`."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    proof = [old_root] * (old & (old - 1) == 0) + proof
    index, last = old - 1, new - 1
    while index % 2:
        index, last = index >> 1, last >> 1
    if not proof:
        return False
    before = after = proof[0]
    for step in proof[1:]:
        if not last:
            return False
        if index % 2 or index == last:
            before, after = node_hash(step, before), node_hash(step, after)
            while not index % 2 and index:
                index, last = index >> 1, last >> 1
        else:
            after = node_hash(after, step)
        index, last = index >> 1, last >> 1
    return not last and (before, after) == (old_root, new_root)


class Reader:
    def __init__(self):
        self.found, self.entries, self.logs, self.settled = [], {}, {}, {ZERO}
        self.mirrors, self.notes, self.payloads = [], [], []
        self.forks, self.dead, self.splits = {}, set(), {}
        self.cooperative, self.own, self.founders, self.roster, self.quorum = ZERO, Log(ZERO), [], [], 1

    def say(self, status, text):
        self.found.append((status, text))

    def read(self, data):
        """Exports: frames."""
        at, tag = len(MAGIC), None
        while tag != 5:
            length = int.from_bytes(data[at:at + 4], "little")
            if length > FRAME_MAX:
                raise Bad(f"a section of {length} bytes at byte {at}")
            if len(data) < at + 4 + length:
                raise Bad(f"the file ends at byte {len(data)}, before its end section", INCOMPLETE)
            c = Cursor(data[at + 4:at + 4 + length])
            tag = c.int(4)
            if (tag == 0) != (at == len(MAGIC)) or tag > 5:
                raise Bad(f"the section at byte {at} is out of place")
            log = self.logs.setdefault(c.take(32), Log(c.data[4:36])) if tag in (2, 3) else self.own
            if tag == 0:
                self.cooperative, node, _ = c.take(32), c.take(32), c.int(8)
                self.own = self.logs[node] = Log(node)
            elif tag == 1:
                log.add(c.int(8), [self.leaf(log, leaf) for leaf in bundled(c.octets(BUNDLE_MAX))])
            elif tag == 2:
                self.mirrors.append((log, c.int(8), c.list(LIST_MAX, lambda: self.item(log, c))))
            elif tag == 3:
                self.notes.append((log, c.octets(NOTE_MAX)))
            elif tag == 4:
                self.payloads.append((c.take(32), c.take(32), c.octets(PAYLOAD_MAX)))
            elif c.take(32) != derived("export v1", data[:at]) or at + 4 + length != len(data):
                self.say(INVALID, "the digest is not that of the file, or bytes follow it")
            if c.at != length:
                raise Bad(f"not the one encoding of the section at byte {at}")
            at += 4 + length

    def item(self, log, c):
        tag = c.int(4)
        return tag, ([self.leaf(log, leaf) for leaf in bundled(c.octets(BUNDLE_MAX))] if tag == 0 else
                     c.list(LIST_MAX, lambda: c.take(32)) if tag == 1 else (c.take(32), c.int(8), c.int(4)))

    def leaf(self, log, leaf):
        """Leaves: its hash and, if it accepts or resolves a genuine entry, that entry's id."""
        leaf_hash, entry_id = hashlib.sha256(b"\0" + leaf).digest(), None
        try:
            if leaf[:1] == b"\4":
                self.fork(leaf[1:])
            elif leaf[:1] == b"\10":
                c = Cursor(leaf[1:])
                shown = c.take(32), c.take(32), c.octets(SHOWN_MAX)
                if c.at != len(c.data):
                    raise Bad("no shown receipt")
                return leaf_hash, None, shown
            elif leaf[:1] == b"\12":
                self.split(leaf[1:])
            elif leaf[:1] == b"\11":
                c = Cursor(leaf[1:])
                c.take(64), c.octets(ALONE_MAX)
                if c.at != len(c.data):
                    raise Bad("no doubt")
            elif leaf[:1] in (b"", b"\1", b"\5"):
                entry = Entry(leaf[1:])
                if leaf[:1] == b"\5":
                    log.taken[entry.id] = entry
                entry_id = entry.id
                if entry_id == self.cooperative:
                    self.founders, self.roster, self.quorum = entry.charter()
                self.entries.setdefault(entry_id, (entry, hashlib.sha256(b"\0\1" + leaf[1:]).digest()))
        except Bad as bad:
            log.holes = True
            self.say(INVALID, f"a leaf of {log}: {bad}")
        return leaf_hash, entry_id

    def fork(self, data):
        """Forks: two signed headers in one place, the lower id first; and what the log holds there."""
        c, halves = Cursor(data), []
        for _ in range(2):
            half = Header(c)
            half.sign(c.take(32), c.take(64))
            halves.append(half)
        one, other = halves
        if c.int(1) and len(c.take(32)) and c.at != len(data) or one.id >= other.id:
            raise Bad("no fork leaf")
        if (one.device, one.seq) != (other.device, other.seq) or not all(
                self.cooperative in (it.cooperative, it.id if it.is_root() else ZERO) for it in halves):
            raise Bad("a fork leaf that proves no fork")
        self.forks.setdefault((one.device, one.seq), (one.id, other.id))

    def split(self, data):
        """Splits: two checkpoints that one log cannot both have, both signed by its node."""
        c = Cursor(data)
        node, one, other = c.take(32), c.octets(ALONE_MAX), c.octets(ALONE_MAX)
        root, proof = c.take(32), c.list(PROOF_MAX, lambda: c.take(32))
        one, other = self.opened(node, one, []), self.opened(node, other, [])
        if c.at != len(data) or one > other or one[1] == root or not consistent(one[0], root, *other, proof):
            raise Bad("a split leaf that proves no two histories")
        self.splits.setdefault(node, (one[0], other[0]))

    def shows(self, log, entry_id, node, receipt):
        """Whether a shown receipt proves that the node's log holds the entry."""
        parts = re.fullmatch(b"c2sp.org/tlog-proof@v1\n(extra ([A-Za-z0-9+/]+={0,2})\n)?index (0|[1-9][0-9]*)\n"
                             b"((?:[A-Za-z0-9+/]{43}=\n){0,64})\n(.*)", receipt, re.DOTALL)
        if not parts or entry_id not in self.entries:
            return False
        held = [leaf[0] for leaf in log.leaves if leaf and leaf[1] == entry_id and entry_id not in log.taken]
        leaf = (held + [self.entries[entry_id][1]])[0]
        try:
            if parts[1]:
                extra = base64.b64decode(parts[2], validate=True)
                if extra[:1] not in (b"\1", b"\5") or Entry(extra[1:], False).id != entry_id:
                    return False
                leaf = hashlib.sha256(b"\0" + extra).digest()
            size, root = self.opened(node, parts[5], [])
            return included(int(parts[3]), size, leaf, [base64.b64decode(line, validate=True) for line in parts[4].split()]) == root
        except (Bad, ValueError):
            return False

    def mirror(self, log, start, items):
        """Exports: the order of another log, resolved to leaves."""
        leaves = []
        for tag, value in items:
            if tag == 0:
                leaves += value
            elif tag == 1:
                leaves += [(self.entries[i][1], i) if i in self.entries else None for i in value]
                self.found += [(INCOMPLETE, f"entry {i.hex()} of {log} is missing") for i in value if i not in self.entries]
            elif tag == 2 and value[0] == self.own.node:
                copied = [leaf and (self.entries[leaf[1]][1], leaf[1])
                          for leaf in self.own.leaves[value[1]:] if not leaf or leaf[1]][:value[2]]
                leaves += copied + [None] * (value[2] - len(copied))
            else:
                raise Bad("a copy of a log that is not the exporter's")
        log.add(start, leaves)

    def checkpoint(self, log, note):
        size, root = self.opened(log.node, note, self.roster)
        if log.checkpoints.setdefault(size, root) != root:
            self.say(FORKED, f"two roots for {size} leaves of {log}, both signed")

    def opened(self, log, note, roster):
        """Notes: signed-note, tlog-checkpoint, cosignature/v1."""
        origin = "talea/log/" + derived("log origin v1", self.cooperative + log).hex()
        parts = re.fullmatch(f"({origin}\n(0|[1-9][0-9]*)\n([A-Za-z0-9+/]{{43}}=)\n)\n((\u2014 \\S+ \\S+\n)+)", note.decode())
        if not parts:
            raise Bad(f"not a checkpoint of the log of node {log.hex()}")
        keys = [(origin, b"\n\1", log)] + [(f"talea/node/{node.hex()}", b"\n\4", node) for node in roster]
        known = {(name, hashlib.sha256(name.encode() + kind + key).digest()[:4]): key for name, kind, key in keys}
        signers = set()
        for name, blob in re.findall("\u2014 (\\S+) (\\S+)\n", parts[4]):
            blob = base64.b64decode(blob, validate=True)
            key, start = known.get((name, blob[:4])), 4 if name == origin else 12
            time = f"cosignature/v1\ntime {int.from_bytes(blob[4:12], 'big')}\n" if start == 12 else ""
            if key:
                check_signature(key, blob[start:], (time + parts[1]).encode(), f"a signature of {name} is not its own")
                signers.add(name)
        if origin not in signers:
            raise Bad(f"a checkpoint that is not signed by node {log.hex()}")
        return int(parts[2]), base64.b64decode(parts[3])

    def tree(self, log):
        whole = next((i for i, leaf in enumerate(log.leaves) if leaf is None), len(log.leaves))
        if whole < max([len(log.leaves), *log.checkpoints]):
            log.holes = True
            self.say(INCOMPLETE, f"leaf {whole} of {log} is missing")
        for size, root in log.checkpoints.items():
            if size <= whole and root_of([leaf[0] for leaf in log.leaves[:size]]) != root:
                self.say(INVALID, f"{log} has not the root that its node signed for {size} leaves")
            elif size <= whole:
                log.sound = max(log.sound, size)

    def places(self, log):
        """Leaves, accept: each place once, each chain in order, each basis before, each device enrolled there."""
        chains, register, devices = {}, [], {}
        fault = INCOMPLETE if log.holes else INVALID
        taken, lost = {(it.device, it.seq): i for i, it in log.taken.items()}, set()
        for entry in (self.entries[i][0] for i in log.accepts()):
            if taken.get((entry.device, entry.seq), entry.id) != entry.id or not lost.isdisjoint((entry.prev, entry.basis)):
                lost.add(entry.id)  # a later leaf gives its place, or one before it, to another
                continue
            seq, prev = chains.get(entry.device, (0, ZERO))
            if entry.seq > seq:
                self.say(fault, f"place {seq} of the chain is missing before {entry} in {log}")
            elif entry.seq < seq or entry.prev != prev or self.cooperative not in (entry.cooperative, entry.id):
                self.say(INVALID, f"{entry} does not follow the entry before it in {log}")
            chains[entry.device] = entry.seq + 1, entry.id
            numbered = entry.tag in REGISTER
            follows = not entry.tag or entry.basis in (register[-1:] if numbered else register)
            if numbered:
                for device in {0: self.founders, 1: [entry.act[:32]], 2: [entry.act[4:36]]}.get(entry.tag, []):
                    devices.setdefault(device, len(register))
                register.append(entry.id)
            if not follows:
                self.say(fault, f"{entry} acts under a register entry that is not before it in {log}")
            elif devices.get(entry.device, len(register)) > (register.index(entry.basis) if entry.tag else 0):
                self.say(fault, f"{entry} is by a device that was not enrolled")

    def payload(self, entry_id, salt, data):
        entry, _ = self.entries.get(entry_id, (None, None))
        if entry and entry.payload != (derived("payload v1", salt + data), len(data)):
            raise Bad(f"the payload of {entry} is not the one that it commits to")

    def heals(self):
        """Settled heals: which branch they adopt in which place. Devices are numbered as the register enrols them."""
        devices, heals = list(self.founders), {}
        after = {entry.basis: entry for entry, _ in self.entries.values() if entry.tag in REGISTER and entry.id in self.settled}
        entry = after.get(self.cooperative)
        while entry:
            devices += [entry.act[:32]] if entry.tag == 1 else [entry.act[4:36]] if entry.tag == 2 else []
            if entry.tag == 27:
                c = Cursor(entry.act)
                device, seq, adopts = c.int(4), c.int(4), c.int(1)
                if device < len(devices):
                    heals.setdefault((devices[device], seq), c.take(32) if adopts else None)
            entry = after.get(entry.id)
        return heals

    def histories(self):
        """One place, one entry; each log for itself; and what is settled: by q roster logs, and everything before it."""
        places, holders = {}, {i: set() for i in self.entries}
        for entry, _ in self.entries.values():
            if places.setdefault((entry.device, entry.seq), entry) is not entry:
                self.forks.setdefault((entry.device, entry.seq), (places[entry.device, entry.seq].id, entry.id))
        for log in self.logs.values():
            self.tree(log)
            self.places(log)
            for i in set(log.accepts(log.sound)) if log.node in self.roster else []:
                holders[i].add(log.node)
        for log in self.logs.values():
            shown = [leaf[2] for leaf in log.leaves[:log.sound] if leaf and len(leaf) > 2] if log.node in self.roster else []
            for i, node, receipt in shown:
                if node in self.roster and self.shows(log, i, node, receipt):
                    holders[i].add(node)
        counted = {i: len(nodes) for i, nodes in holders.items()}
        for node, sizes in self.splits.items():
            if node in self.roster or not self.roster:
                self.say(FORKED, f"node {node.hex()} signed two histories of its log, with {sizes[0]} and {sizes[1]} leaves")
        chosen, order = {}, sorted((entry.seq, i) for i, (entry, _) in self.entries.items())
        for entry in (self.entries[i][0] for _, i in order if counted[i] >= self.quorum):
            if chosen.setdefault((entry.device, entry.seq), entry.id) != entry.id:
                self.say(FORKED, f"{entry} and {chosen[entry.device, entry.seq].hex()} are both settled: the roster signed both")
            elif entry.prev in self.settled:
                self.settled.add(entry.id)
        heals = self.heals()
        for entry in (self.entries[i][0] for _, i in order):
            if heals.get((entry.device, entry.seq), entry.id) != entry.id or entry.prev in self.dead:
                self.dead |= {entry.id} - self.settled
        for (device, seq), ids in self.forks.items():
            if (device, seq) not in heals:
                self.say(FORKED, f"device {device.hex()}, place {seq}: two entries, {ids[0].hex()} and {ids[1].hex()}")
        for i in set(self.own.accepts()) - self.settled - self.dead:
            self.say(INCOMPLETE, f"{self.entries[i][0]} is not settled: {counted[i]} of {self.quorum} receipts")
        if not self.founders or max(self.own.checkpoints, default=0) < len(self.own.leaves):
            self.say(INCOMPLETE, f"the charter, or a checkpoint over all leaves of {self.own}, is missing")

    def check(self, data):
        for step, items in ((self.read, [(data,)]), (self.mirror, self.mirrors), (self.checkpoint, self.notes),
                            (self.payload, self.payloads), (self.histories, [()])):
            for item in items:
                try:
                    step(*item)
                except (Bad, ValueError) as bad:
                    self.say([*bad.args[1:], INVALID][0], bad.args[0])
        return max((status for status, _ in self.found), key=list(STATUS).index, default="VALID")


if __name__ == "__main__":
    content = open(sys.argv[1], "rb").read()
    if not content.startswith(MAGIC):
        sys.exit("not a talea export of version 1")
    reader = Reader()
    verdict = reader.check(content)
    last, root = max(reader.own.checkpoints.items(), default=(0, ZERO))
    print(json.dumps({"verdict": verdict, "status": STATUS[verdict], "entries": len(reader.entries), "size": last,
                      "settled": len(reader.settled) - 1, "root": root.hex(), "findings": [text for _, text in reader.found]}))
    sys.exit(STATUS[verdict])
