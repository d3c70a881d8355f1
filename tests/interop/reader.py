#!/usr/bin/env python3
"""Reads a council's log and believes nothing: an independent check of docs/formats.md.

    reader.py LOG POLICY

LOG is the URL of a node, or a directory with the same files. It fetches the checkpoint, all tiles and
all entries; recomputes the root and that of the subject map; checks each entry's signature, the log's,
and that the members who cosigned are a quorum by the policy file. It prints a line of JSON, or the first thing that is wrong
and exits with code 1. Only Python's standard library; Ed25519 is written out below, from RFC 8032.
"""

import base64
import hashlib
import json
import pathlib
import re
import sys
import urllib.error
import urllib.request


class Wrong(Exception):
    """What is wrong with the log."""


def need(condition, what):
    if not condition:
        raise Wrong(what)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def unbase64(text, what):
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Wrong(f"{what}: not base64: {text}") from error


# Ed25519: RFC 8032, section 5.1. Points in extended coordinates (X, Y, Z, T) with T = XY / Z.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)


def add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    result = NEUTRAL
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def decompress(data):
    """The point of 32 bytes; None if there is none, or if it is not written in the one right way."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if x * x % P != x2:
        x = x * SQRT_M1 % P
    if x * x % P != x2 or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


BASE = decompress((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def holds(key, message, signature):
    """Whether 64 bytes are the key's signature: the equation with the cofactor."""
    point, r = decompress(key), decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or point is None or r is None or s >= ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    x, y, z, t = point
    difference = add(add(multiply(s, BASE), multiply(k, (-x, y, z, -t))), (-r[0], r[1], r[2], -r[3]))
    x, y, z, _ = multiply(8, difference)
    return x % P == 0 and (y - z) % P == 0


# Keys, notes and policies: c2sp.org/signed-note, tlog-cosignature, tlog-policy.

ED25519, COSIGNATURE = 1, 4


def parse_vkey(text):
    """(name, key id, type, public key)"""
    name, key_id, key = text.split("+", 2)
    key = unbase64(key, "vkey")
    need(len(key) == 33 and key[0] in (ED25519, COSIGNATURE), f"vkey {text}: not a type that is known here")
    derived = sha256(name.encode(), b"\n", key)[:4]
    need(derived.hex() == key_id, f"vkey {text}: its id is {derived.hex()}")
    return name, derived, key[0], key[1:]


class Policy:
    def __init__(self, text):
        self.logs, self.witnesses, self.groups, self.quorum = [], {}, {}, None
        for line in text.splitlines():
            words = line.split()
            match words:
                case ["log", vkey, *_]:
                    self.logs.append(parse_vkey(vkey))
                case ["witness", name, vkey, *_]:
                    self.witnesses[name] = parse_vkey(vkey)
                case ["group", name, threshold, *members]:
                    wanted = {"all": len(members), "any": 1}.get(threshold) or int(threshold)
                    self.groups[name] = (wanted, members)
                case ["quorum", name]:
                    need(name != "none", "the policy asks for no quorum")
                    self.quorum = name
                case [] | ["#", *_]:
                    pass
                case _:
                    raise Wrong(f"policy: {line}")
        need(self.quorum is not None, "the policy names no quorum")

    def met(self, name, cosigners):
        if name in self.groups:
            wanted, members = self.groups[name]
            return sum(self.met(member, cosigners) for member in members) >= wanted
        return name in cosigners


class Checkpoint:
    """A checkpoint whose signatures are what the policy asks for."""

    def __init__(self, note, policy):
        text, separator, lines = note.decode().rpartition("\n\n")
        need(separator, "the checkpoint is no signed note")
        self.text = text + "\n"
        self.origin, size, root, *extensions = text.split("\n")
        need(re.fullmatch("0|[1-9][0-9]*", size), f"size {size}")
        self.size, self.root = int(size), unbase64(root, "root")
        self.time = self.batch_time(extensions)
        signatures = [self.parse_line(line) for line in lines.splitlines()]
        self.check_log(policy, signatures)
        self.cosigners = self.check_cosigners(policy, signatures)

    def batch_time(self, extensions):
        need(len(extensions) == 3, f"extension lines: {extensions}")
        batch = re.fullmatch(r"jurat\.batch (\d+) (\d+) (\d+)", extensions[0])
        registry = re.fullmatch(r"jurat\.registry (\S+)", extensions[1])
        need(batch and registry, f"extension lines: {extensions}")
        need(len(unbase64(registry[1], "registry")) == 32, "the registry's digest is not 32 bytes")
        subjects = re.fullmatch(r"jurat\.subjects (\S+)", extensions[2])
        need(subjects, f"extension lines: {extensions}")
        self.subjects = unbase64(subjects[1], "subjects")
        return int(batch[3])

    def parse_line(self, line):
        parts = re.fullmatch("\u2014 ([^ +]+) (.+)", line)
        need(parts, f"signature line {line}")
        data = unbase64(parts[2], "signature line")
        return parts[1], data[:4], data[4:]

    def check_log(self, policy, signatures):
        signed = 0
        for name, key_id, kind, key in policy.logs:
            need(kind == ED25519, "a log's key is of another type")
            for line_name, line_id, signature in signatures:
                if (line_name, line_id) == (name, key_id) and name == self.origin:
                    need(holds(key, self.text.encode(), signature), f"{name}: the log signature does not hold")
                    signed += 1
        need(signed, f"no log key of {self.origin} that the policy lists has signed")

    def check_cosigners(self, policy, signatures):
        cosigners = []
        for witness, (name, key_id, kind, key) in policy.witnesses.items():
            need(kind == COSIGNATURE, "a witness's key is of another type")
            for line_name, line_id, signature in signatures:
                if (line_name, line_id) == (name, key_id):
                    time = int.from_bytes(signature[:8], "big")
                    message = f"cosignature/v1\ntime {time}\n{self.text}".encode()
                    need(holds(key, message, signature[8:]), f"{name}: the cosignature does not hold")
                    cosigners.append(witness)
        need(policy.met(policy.quorum, cosigners), f"no quorum: only {' '.join(cosigners) or 'nobody'} cosigned")
        return cosigners


# Tiles and the tree: c2sp.org/tlog-tiles, RFC 6962 section 2.1.


class Log:
    def __init__(self, place):
        self.place = place

    def read(self, path):
        try:
            if "://" in self.place:
                with urllib.request.urlopen(f"{self.place}/{path}", timeout=60) as answer:
                    return answer.read()
            return pathlib.Path(self.place, path).read_bytes()
        except (OSError, urllib.error.URLError) as error:
            raise Wrong(f"{path}: {error}") from error

    def tiles(self, level, count):
        """The tiles of a level that has so many hashes or entries: each with its width, and whether it may be wider."""
        for number in range((count + 255) // 256):
            width = min(256, count - 256 * number)
            digits = f"{number:03}"
            digits = digits.zfill(-(-len(digits) // 3) * 3)
            groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
            path = "/".join(["tile", level, *("x" + group for group in groups[:-1]), groups[-1]])
            if width == 256:
                yield self.read(path), width, False
                continue
            try:
                yield self.read(f"{path}.p/{width}"), width, False
            except Wrong:
                # The log has grown, and the full tile has replaced it.
                yield self.read(path), width, True

    def hashes(self, level, count):
        hashes = []
        for tile, width, wider in self.tiles(str(level), count):
            need(len(tile) == (8192 if wider else 32 * width), f"a tile of level {level} has {len(tile)} bytes")
            hashes += [tile[at : at + 32] for at in range(0, 32 * width, 32)]
        return hashes

    def entries(self, count):
        for bundle, width, wider in self.tiles("entries", count):
            for _ in range(width):
                length = int.from_bytes(bundle[:2], "big")
                entry, bundle = bundle[2 : 2 + length], bundle[2 + length :]
                need(len(entry) == length, "a bundle ends within an entry")
                yield entry
            need(wider or not bundle, "a bundle has more entries than its name says")


def tree_root(hashes):
    if len(hashes) <= 1:
        return hashes[0] if hashes else sha256()
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01", tree_root(hashes[:split]), tree_root(hashes[split:]))


# Entries: docs/formats.md, "Entries"; DSSE's protocol.md for what is signed.


def check_entry(index, entry):
    """The attestor of an entry whose signature holds, and the SHA-256 digests that it is about."""
    need(entry[:2] == b"\x01\x01", f"entry {index}: another version or kind")
    rest = entry[2:]

    def take(length):
        nonlocal rest
        need(len(rest) >= length, f"entry {index}: cut short")
        taken, rest = rest[:length], rest[length:]
        return taken

    name = take(take(1)[0]).decode()
    need(take(1) == b"\x01", f"entry {index}: a key of another type")
    key, signature = take(32), take(64)
    payload_type = take(take(1)[0])
    message = b"DSSEv1 %d %b %d %b" % (len(payload_type), payload_type, len(rest), rest)
    need(holds(key, message, signature), f"entry {index}: the signature of {name} does not hold")
    if payload_type == b"application/vnd.in-toto+json":
        statement = json.loads(rest)
        need(statement["_type"] == "https://in-toto.io/Statement/v1", f"entry {index}: {statement['_type']}")
        need(all(subject["digest"] for subject in statement["subject"]), f"entry {index}: a subject without digest")
        digests = [subject["digest"].get("sha256") for subject in statement["subject"]]
        return name, {bytes.fromhex(digest) for digest in digests if digest is not None}
    return name, set()


# The subject map: docs/formats.md, "Subject map".


def subject_root(subjects):
    """The root over a dict of subjects, each with the rising indices of the entries about it."""
    leaves = []
    for subject, indices in subjects.items():
        key, chain = sha256(b"\x13", subject), bytes(32)
        for index in indices:
            chain = sha256(b"\x12", chain, index.to_bytes(8, "big"))
        numbers = indices[0].to_bytes(8, "big") + len(indices).to_bytes(8, "big")
        leaves.append((int.from_bytes(key, "big"), sha256(b"\x10", key, numbers, chain)))
    leaves.sort()

    def node(leaves):
        if len(leaves) == 1:
            return leaves[0][1]
        bit = 256 - (leaves[0][0] ^ leaves[-1][0]).bit_length()
        left = [leaf for leaf in leaves if not leaf[0] >> (255 - bit) & 1]
        prefix = leaves[0][0] >> (256 - bit) << (256 - bit)
        return sha256(b"\x11", bytes([bit]), prefix.to_bytes(32, "big"), node(left), node(leaves[len(left) :]))

    return node(leaves) if leaves else sha256()


def read_log(place, policy):
    log = Log(place)
    checkpoint = Checkpoint(log.read("checkpoint"), policy)
    attestors, leaves, subjects = set(), [], {}
    for index, entry in enumerate(log.entries(checkpoint.size)):
        name, digests = check_entry(index, entry)
        attestors.add(name)
        for digest in digests:
            subjects.setdefault(digest, []).append(index)
        leaves.append(sha256(b"\x00", entry))
    need(len(set(leaves)) == len(leaves), "an entry is in the log twice")
    need(tree_root(leaves) == checkpoint.root, "the entries do not make the checkpoint's root")
    need(subject_root(subjects) == checkpoint.subjects, "the entries do not make the subject map's root")
    level, below = 0, leaves
    while below:
        need(log.hashes(level, len(below)) == below, f"the tiles of level {level} are not those of the entries")
        below = [tree_root(below[at : at + 256]) for at in range(0, len(below) - 255, 256)]
        level += 1
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "subjects": checkpoint.subjects.hex(),
        "batch_time": checkpoint.time,
        "cosigners": checkpoint.cosigners,
        "attestors": sorted(attestors),
    }


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        policy = Policy(pathlib.Path(sys.argv[2]).read_text(encoding="utf-8"))
        print(json.dumps(read_log(sys.argv[1].rstrip("/"), policy)))
    except (Wrong, ValueError, KeyError, TypeError) as wrong:
        print(f"reader: {wrong}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
