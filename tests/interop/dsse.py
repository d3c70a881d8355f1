#!/usr/bin/env python3
"""Envelopes, there and back: Jurat's are checked by securesystemslib, securesystemslib's go into a log.

    dsse.py JURAT

JURAT is the binary. Needs securesystemslib with its extra `crypto`, which is what in-toto and TUF
sign and verify with.
"""

import base64
import copy
import hashlib
import json
import pathlib
import signal
import subprocess
import sys
import tempfile

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

IN_TOTO = "application/vnd.in-toto+json"


def jurat(directory, *arguments):
    done = subprocess.run([sys.argv[1], *arguments], cwd=directory, check=True, capture_output=True, text=True)
    return done.stdout


def public_key(vkey):
    """The key of a vkey, as securesystemslib has them."""
    key = base64.b64decode(vkey.split("+", 2)[2])
    return SSlibKey(vkey, "ed25519", "ed25519", {"public": key[1:].hex()})


def verifies(envelope, key):
    try:
        return list(Envelope.from_dict(envelope).verify([key], 1)) == [key.keyid]
    except VerificationError:
        return False


def check_ours(directory):
    """An envelope that `jurat` made verifies, and a changed one does not."""
    vkey = json.loads(jurat(directory, "keygen", "--name", "ana", "-o", "key", "--json"))["vkey"]
    pathlib.Path(directory, "file").write_text("attested", encoding="utf-8")
    envelope = json.loads(jurat(directory, "attest", "file", "--key", "key", "--print-dsse"))
    key = public_key(vkey)
    assert verifies(copy.deepcopy(envelope), key)
    assert Envelope.from_dict(copy.deepcopy(envelope)).payload_type == IN_TOTO
    changed = copy.deepcopy(envelope)
    changed["payload"] = base64.b64encode(base64.b64decode(envelope["payload"]).replace(b"file", b"life")).decode()
    assert not verifies(changed, key)
    renamed = copy.deepcopy(envelope)
    renamed["payloadType"] = "application/json"
    assert not verifies(renamed, key)


def check_theirs(directory, node, policy):
    """An envelope that securesystemslib signed is logged, and its receipt verifies."""
    signer = CryptoSigner.generate_ed25519()
    public = b"\x01" + bytes.fromhex(signer.public_key.keyval["public"])
    key_id = hashlib.sha256(b"bo\n" + public).digest()[:4]
    vkey = f"bo+{key_id.hex()}+{base64.b64encode(public).decode()}"
    content = b"signed elsewhere"
    pathlib.Path(directory, "other").write_bytes(content)
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "other", "digest": {"sha256": hashlib.sha256(content).hexdigest()}}],
        "predicateType": "https://example.com/seen",
        "predicate": {"by": "securesystemslib"},
        "attestor": vkey,
    }
    envelope = Envelope(json.dumps(statement).encode(), IN_TOTO, {})
    envelope.sign(signer)
    made = envelope.to_dict()
    made["signatures"][0]["keyid"] = vkey
    pathlib.Path(directory, "other.dsse").write_text(json.dumps(made), encoding="utf-8")
    logged = json.loads(jurat(directory, "attest", "--dsse", "other.dsse", "--node", node, "--json"))
    verdict = json.loads(
        jurat(directory, "verify", "other", "--receipt", logged["receipt"], "--policy", policy, "--json")
    )
    assert verdict["valid"] and verdict["attestor"] == vkey, verdict


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as directory:
        check_ours(directory)
        council = subprocess.Popen([sys.argv[1], "demo", "--keep", "--json"], cwd=directory, stdout=subprocess.PIPE)
        try:
            told = json.loads(council.stdout.readline())
            check_theirs(directory, told["members"][0]["http"], told["policy"])
        finally:
            council.send_signal(signal.SIGTERM)
            council.wait()
    print("securesystemslib and jurat agree")


if __name__ == "__main__":
    main()
