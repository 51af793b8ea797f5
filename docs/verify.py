#!/usr/bin/env python3
"""Checks a draw (protocol slotdraw/v1, docs/draw.md):   python3 verify.py DIR [RECEIPT]
DIR is the unpacked public record of a draw, RECEIPT the file that a citizen got. All of it is recomputed here, nothing
is sent anywhere. The first thing that fails is named and ends the check; exit code 0: nothing fails. Python's own
library knows no signatures: where one stands, this says "not checked here"."""
import base64, hashlib, json, os, re, struct, sys
QUICKNET = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"  # the only chain of drand that counts
U16, U32, HEX = (0, 2**16 - 1), (0, 2**32 - 1), "([0-9a-f]{2})*"
def need(true, what):
    if not true: raise ValueError(what)
def H(data): return hashlib.sha256(data).digest()
def D(tag, data): return H(b"slotdraw/v1/" + tag.encode() + b"\0" + data)
# JSON, strictly: no key twice, not in another case either; a number that is no plain integer is never the right one.
def distinct(items):
    need(len({key.casefold() for key, _ in items}) == len(items), "a key of JSON stands twice")
    return dict(items)
def parse(data):
    number = lambda digits: int(digits) if digits.isdigit() and len(digits) < 20 else float(digits)
    value = json.loads(data.decode("utf-8"), object_pairs_hook=distinct, parse_int=number, parse_constant=parse)
    return field({"file": value}, "file", dict)
def field(o, key, kind):  # kind: (low, high) of an integer; HEX or the number of bytes; the form of a text; or a type
    value, form = o.get(key), "[0-9a-f]{%d}" % (2 * kind) if type(kind) is int else kind
    if type(kind) is tuple: good = type(value) is int and kind[0] <= value <= kind[1]
    else: good = type(value) is str and re.fullmatch(form, value) if type(form) is str else type(value) is kind
    need(good, f"{key}: {str(value)[:80]!r} is not as it must be")
    return bytes.fromhex(value) if type(kind) is int or kind == HEX else value
def fields(o, must, may={}):
    return [field(o, key, kind) for key, kind in [*must.items(), *(pair for pair in may.items() if pair[0] in o)]]
def items(o, key, kind): return [field({key: x}, key, kind) for x in field(o, key, list)]
def same(o, where, wanted):
    for key, value in wanted.items():
        value = value.hex() if type(value) is bytes else value
        need(type(o.get(key)) is type(value) and o[key] == value, f"{where}: {key} is {o.get(key)!r}, not {value!r}")
def cut_offs_in(o, ranks):
    form = {"slot": str, "size": (1, 4), "doses": (1, 2), "pool": str, "rank": (1, ranks)}
    lines = [tuple(fields(line, form)) for line in items(o, "cutoffs", dict)]
    need(len({line[:4] for line in lines}) == len(lines), "cutoffs: a class of a slot stands twice")
    return set(lines)

# Leaves: 67 bytes each: 01, pid (16), gid (16), weight (2), ballot_commit (32). Trees: RFC 6962.
def weight(leaf): return int.from_bytes(leaf[33:35], "big")
def holder(leaf): return leaf[17:33] if any(leaf[17:33]) else leaf[1:17]  # of the ticket: a party's gid, or one's pid
def tree_root(entries):  # the left side of a tree is the largest power of two that leaves a right side
    if len(entries) == 1: return H(b"\0" + entries[0])
    left = 1 << (len(entries) - 1).bit_length() - 1
    return H(b"\1" + tree_root(entries[:left]) + tree_root(entries[left:]))
def must_be_in_tree(entry, index, size, proof, root):
    node = H(b"\0" + entry)
    while size > 1:  # level by level; a last node without neighbour moves up as it is
        if index ^ 1 < size: node = H(b"\1" + (proof.pop(0) + node if index & 1 else node + proof.pop(0)))
        index, size = index >> 1, (size + 1) >> 1
    need(not proof and node == root, "a proof does not lead to its root")

def check(folder, receipt=None, say=print):
    def read(name): return open(os.path.join(folder, name), "rb").read()
    def there(name): return os.path.exists(os.path.join(folder, name))
    found = {name: H(read(name + ".json")).hex() for name in ("excluded", "cutoffs") if there(name + ".json")}
    m = parse(read("manifest.json"))
    sample, sources = field({"sample": False, **m}, "sample", bool), items(m, "sources", dict)
    draw_id, top, *_ = fields(m, {"draw_id": "[a-z0-9-]{1,64}", "max_weight": (1, 100), "stream": "main",
                                  "group_weight": "min"}, {"k_commit": 32, "audit": (300, 2**31 - 1)})
    for s in sources:  # of type 1: a trustee; 2: public contributions; 3: dice; 4: drand
        kind = field(s, "type", (1, 4))
        fields(s, [{"index": U16, "commit": 32}, {"index": U16}, {"digits": (1, 1000)}, {"chain_hash": QUICKNET}][kind - 1])
        rounds = items(s, "rounds", (1, 2**63 - 1)) if kind == 4 else [0]
        need(rounds and all(b - a >= (1 if sample else 28800) for a, b in zip(rounds, rounds[1:])), "rounds: not a day apart")
    indexes = [(s["type"], s["index"]) for s in sources if s["type"] < 3]
    need(0 < len(sources) < 2**16 and kind > 2 and len(set(indexes)) == len(indexes),
         "sources: the last must be dice (3) or drand (4), and no index stand twice")
    say(f"manifest    holds   draw {draw_id}" + ", a SAMPLE and not a real draw" * sample)
    leaves, tickets = re.findall(b"(?s).{1,67}", read("leaves.bin")), {}
    first = b"\0" + D("manifest", read("manifest.json")) + D("supply", read("supply.json")) + b"\0\0"
    need(leaves[:1] == [first], "leaf 0 does not carry the hashes of manifest.json and supply.json")
    for i, leaf in enumerate(leaves[1:], 1):
        good = len(leaf) == 67 and leaf[0] == 1 and 1 <= weight(leaf) <= top
        need(good and leaves[i - 1][:17] < leaf[:17], f"leaf {i}: length, type, weight, or a pid not above the last one")
        tickets.setdefault(holder(leaf), []).append(leaf)
    for id, members in tickets.items():
        gid = D("group", b"".join(leaf[1:17] for leaf in members))[:16]
        need(len(members) == 1 and not any(members[0][17:33]) or 2 <= len(members) <= 4 and gid == id, f"party {id.hex()}")
    claims, root = parse(read("claims.json")), tree_root(leaves)
    same(claims, "claims.json", {"size": len(leaves), "root": root})
    same(claims, "claims.json", {name: found.get(name, "") for name in ("excluded", "cutoffs") if name in claims})
    fields(claims, {}, {"outcome_root": 32, "sample": bool, "counts": dict})
    need(sample or not claims.get("sample"), "claims.json: sample")
    pids = items(parse(read("excluded.json")), "pids", 16) if "excluded" in found else []
    need(len(set(pids)) == len(pids) and not {leaf[1:17] for leaf in leaves[1:]} & set(pids), "excluded.json: pids")
    say(f"leaves      hold    {len(leaves) - 1} ballots\nroot        holds   {root.hex()}\nexcluded    " + ("holds" if "excluded" in found else "absent"))
    if there("checkpoint"):
        text, gap, signatures = read("checkpoint").decode("utf-8").rpartition("\n\n")
        lines, origin = text.split("\n"), field({"authority": "", **m}, "authority", str) + "/slotdraw/" + draw_id
        need(lines[0] == origin or origin[0] == "/" and lines[0].endswith(origin), "checkpoint: origin")
        need(lines[1:3] == [str(len(leaves)), base64.b64encode(root).decode()], "checkpoint: size or root")
        need({line for line in lines[3:] if line.startswith("excluded ")} <= {"excluded " + found.get("excluded", "")}
             and gap and re.fullmatch("(— [^\n]+\n)+", signatures), "checkpoint: not a signed note, or the hash of excluded.json")
    say("checkpoint  " + ("holds   operator's and witnesses' signatures not checked here" if there("checkpoint") else "absent"))
    given, name = items(parse(read("entropy.json")), "sources", dict), struct.pack(">H", len(draw_id)) + draw_id.encode()
    need(len(given) == len(sources), "entropy.json: not as many sources as in the manifest")
    material = struct.pack(">Q", len(leaves)) + root + struct.pack(">H", len(given))
    for i, (s, r) in enumerate(zip(sources, given)):
        kind, present, value = fields(r, {"type": (s["type"], s["type"]), "present": bool, "value": HEX})
        need(present or kind == 1 and not value, f"source {i}: only a trustee may be absent, and without a value")
        if kind == 1:
            note, sealed = fields({"note": "", "envelope": "", **r}, {"note": str, "envelope": HEX})
            fits = lambda v: len(v) == 32 and D("commit", name + struct.pack(">H", s["index"]) + v).hex() == s["commit"]
            need(fits(value) if present else not note and not fits(sealed), f"source {i}: trustee: value, note or envelope")
        if kind == 2: need(H(read(f"public-{s['index']}.bin")) == value, f"source {i}: not the hash of its file")
        if kind == 3: need(re.fullmatch(b"[0-9]{%d}" % s["digits"], value), f"source {i}: not the announced number of dice")
        if kind == 4:
            announced = value[:32].hex() == QUICKNET and int.from_bytes(value[32:40], "big") in s["rounds"]
            need(len(value) == 72 and announced, f"source {i}: not an announced round of the chain")
            need(H(field(r, "signature", 48)) == value[40:], f"source {i}: the randomness is not H(signature)")
        material += struct.pack(">BBI", kind, present, len(value)) + value
    seed = D("seed", material)
    key = D("ticket-key", seed + b"main")
    same(claims, "claims.json", {"seed": seed, "ticket_key": key})
    order = sorted((min(H(key + id + struct.pack(">H", k)) for k in range(min(map(weight, members)))), id)
                   for id, members in tickets.items())
    need(read("order.bin") == b"".join(id for _, id in order), "order.bin: not the order of the tickets")
    counted = {"ballots": len(leaves) - 1, "entities": len(order), "parties": sum(len(t) > 1 for t in tickets.values())}
    same(claims.get("counts", {}), "counts", {name: counted[name] for name in counted.keys() & claims.get("counts", {})})
    say("sources     hold    signatures of trustees and drand not checked here")
    say(f"seed        holds   {seed.hex()}\norder       holds   {len(order)} tickets")
    cut_offs = cut_offs_in(parse(read("cutoffs.json")), len(order)) if "cutoffs" in found else set()
    say(f"cut-offs    {'hold' if 'cutoffs' in claims else 'absent'}    {len(cut_offs)} of them")
    if receipt is None: return
    r, size = parse(receipt), len(leaves)
    leaf = leaves[field(r, "index", (1, size - 1))]
    rank = [id for _, id in order].index(holder(leaf)) + 1
    same(r, "receipt", {"leaf": leaf, "size": size, "root": root, "entity": holder(leaf), "weight": weight(leaf),
                        "ticket": order[rank - 1][0], "rank": rank})
    must_be_in_tree(leaf, r["index"], size, items(r, "proof", 32), root)
    need(D("ballot", field(r, "salt", 32) + field(r, "ballot", HEX)) == leaf[35:], "receipt: not the leaf's ballot or salt")
    fields(r, {}, {"sample": bool, "result": dict, "save": dict})
    need("cutoffs" not in r or cut_offs_in(r, U32[1]) <= cut_offs, "receipt: cutoffs are not those of the bundle")
    if "result" in r:
        salt, slot, second, choice = fields(r["result"], {"salt": 32, "slot": U32, "second": U32, "choice": (0, 255)})
        hidden = D("result", salt + holder(leaf) + struct.pack(">IIB", slot, second, choice))
        same(r["result"], "receipt: result", {"outcome_root": field(claims, "outcome_root", 32)})
        must_be_in_tree(b"\2" + hidden, rank - 1, len(order), items(r["result"], "proof", 32), bytes.fromhex(claims["outcome_root"]))
        for id, position in [(id, p) for id, p in (("slot_id", slot), ("second_id", second)) if id in r["result"]]:
            same(r["result"], "receipt", {id: position and items(parse(read("supply.json")), "slots", dict)[position - 1]["id"]})
    if "save" in r:
        same(r["save"], "receipt: save", {"draw_id": draw_id, "manifest_hash": leaves[0][1:33], "pid": leaf[1:17],
                                          "salt": r["salt"], "ballot_commit": leaf[35:]})
    say(f"receipt     holds   rank {rank} of {len(order)}" + "; signature and log of saves not checked here" * ("save" in r))
if __name__ == "__main__":
    if len(sys.argv) not in (2, 3): sys.exit(__doc__)
    try: check(sys.argv[1], *(open(name, "rb").read() for name in sys.argv[2:]))
    except Exception as wrong: sys.exit(f"FAILS: {wrong}. Nothing after it was checked.")
