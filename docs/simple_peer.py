#!/usr/bin/env python3
"""simple_peer.py URL [PORT] follows a Jurat log, checks all, serves it, passes records on: see simple-peers.md."""
import base64, hashlib, json, sys, threading, time, urllib.parse, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sha = lambda data: hashlib.sha256(data).digest()
split = lambda size: 1 << (size - 1).bit_length() - 1  # the largest power of two below it
def root(leaves):  # RFC 6962, section 2.1
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"")
    half = split(len(leaves))
    return sha(b"\x01" + root(leaves[:half]) + root(leaves[half:]))
def prove(old, leaves, whole=True):  # section 2.1.2: that the first `old` leaves were the log once
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    half = split(len(leaves))
    if old <= half:
        return prove(old, leaves[:half], whole) + [root(leaves[half:])]
    return prove(old - half, leaves[half:], False) + [root(leaves[:half])]
def consistent(old, new, old_root, new_root, proof):  # RFC 9162, section 2.1.4.2
    if old == new:
        return old_root == new_root and not proof
    path = proof if old & old - 1 else [old_root] + proof
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = path[0] if path else b""
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = sha(b"\x01" + sibling + first), sha(b"\x01" + sibling + second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = sha(b"\x01" + second + sibling)
        node, last = node >> 1, last >> 1
    return (first, second, last) == (old_root, new_root, 0)

def ask(path, body=None):
    request = urllib.request.Request(URL + path, body, {"Content-Type": "application/json"})
    return json.loads(urllib.request.urlopen(request, timeout=10).read(1 << 26))
def follow():  # one round: nothing is taken that the proof and the root do not cover
    status, size = ask("/status"), len(leaves)
    new, new_root, more = status["log_size"], bytes.fromhex(status["root"]), []
    if new < size:
        return  # it lags, and what is here stays
    if size:
        proof = ask(f"/consistency-proof?old_size={size}&size={new}")["proof"]
        if not consistent(size, new, root(leaves), new_root, [bytes.fromhex(sibling) for sibling in proof]):
            raise SystemExit(f"FORK: {URL} does not prove that its {new} entries begin with the {size} here")
    while size + len(more) < new:
        got = ask(f"/records?start={size + len(more)}&count={min(1024, new - size - len(more))}")["records"]
        if not 0 < len(got) <= new - size - len(more):
            raise ValueError(f"{len(got)} records where {new - size - len(more)} are missing")
        more += got
    hashes = [sha(b"\x00" + base64.b64decode(record, validate=True)) for record in more]
    if root(leaves + hashes) != new_root:
        raise ValueError("the records do not have the root")
    records.extend(more)
    leaves.extend(hashes)

class Peer(BaseHTTPRequestHandler):
    def answer(self, body, code=200):
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())
    def do_GET(self):
        url, size = urllib.parse.urlparse(self.path), len(leaves)
        query = {name: int(value) for name, value in urllib.parse.parse_qsl(url.query) if value.isdecimal()}
        start, count, old, new = (query.get(name, -1) for name in ("start", "count", "old_size", "size"))
        if url.path == "/status":
            self.answer({"log_size": size, "root": root(leaves[:size]).hex()})
        elif url.path == "/records" and 0 <= start <= size and 1 <= count <= 1024:
            self.answer({"log_size": size, "start": start, "records": records[start:min(size, start + count)]})
        elif url.path == "/consistency-proof" and 1 <= old <= new <= size:
            proof = [sibling.hex() for sibling in prove(old, leaves[:new])]
            self.answer({"old_size": old, "log_size": new, "root": root(leaves[:new]).hex(), "proof": proof})
        else:
            self.answer({"title": "no such path or range"}, 404)
    def do_POST(self):  # records are for the log's council to order: they go there
        try:
            self.answer(ask("/records", self.rfile.read(min(int(self.headers["Content-Length"]), 1 << 24))))
        except (OSError, ValueError, TypeError) as error:
            self.answer({"title": "not passed on", "detail": str(error)}, getattr(error, "code", 502))

URL, records, leaves = sys.argv[1].rstrip("/"), [], []
server = ThreadingHTTPServer(("127.0.0.1", int((sys.argv + [0])[2])), Peer)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
while True:
    try:
        follow()
        time.sleep(1)
    except (OSError, ValueError, KeyError) as error:
        print(f"{URL}: {error}", file=sys.stderr, flush=True)
        wish = str(getattr(error, "headers", None) and error.headers["Retry-After"])
        time.sleep(min(int(wish), 3600) if wish.isdecimal() else 5)
