#!/usr/bin/env python3
"""Deterministic synthetic corpus of coding-agent session stores, as TODAY's agents write them (stdlib only).

Lays out, under --home, the native stores of
  claude-code  .claude/projects/<slug>/<uuid>.jsonl, <uuid>/subagents/agent-<17hex>.{jsonl,meta.json}, memory/,
               .claude/sessions/<pid>.json (stale: dead pids, and a live pid with a foreign start time), history.jsonl
  codex        .codex/sessions/YYYY/MM/DD/rollout-*.jsonl (0.169 shape for young sessions, older shape before),
               .codex/archived_sessions/, state_5.sqlite (threads, thread_spawn_edges), session_index.jsonl, history.jsonl
  opencode     .local/share/opencode/opencode.db (1.18 schema) and, for a share of the sessions (--oc-legacy), the JSON
               storage/ of 1.1; a third of those are in BOTH (the JSON copy is stale, the database is right)
  pi, pi-rust  .pi/agent/sessions/--<cwd>--/  one folder, two file-name styles, two key orders
and writes a manifest with the ground truth of every session.

Same (profile, seed, flags, --home) => same files, mtimes included; every session has its own RNG seeded from
(seed, agent, index). Only databases and `parentSession` headers hold absolute paths, those of --home.

Manifest, per session: agent, id, kind main|subagent, parent, forkedFrom, cwd, title (recorded by the agent or null),
prompt (first human one, whole), model, provider, branch (null = not recorded), created_ms, updated_ms, status,
usage {input (without cache), output, cacheRead, cacheWrite, reasoning; null = not recorded}: OWN model calls only, each
once (not the children's, not what a fork copied), path, bytes, traps [names of what makes this one hard].
*_alt fields name a second answer that the documents allow (a fork's first prompt and creation time).

What is planted: usage repeated per content block; forks that copy records (Claude, Pi) or totals (Codex); the usage of
a subagent inside its parent's tool result; transcript lines quoted inside tool results; first prompts longer than
any head read; /clear preambles; model, branch and cwd changing in mid-file; API errors with a synthetic model; turns
cut by kill -9; titles at the head, in the middle and at the end; cwds that share one slug; Codex `info:null` and repeated
token_count lines; a session_meta longer than 20 KB; OpenCode rows without model; quoted `opencode run` prompts; Pi
branches left in the tree, lock files, an index database and a `.v2` folder beside the sessions; empty folders.
"""
import argparse, hashlib, json, math, os, random, sqlite3, sys, time
from datetime import datetime, timezone

PROFILES = {  # main sessions, median KB of a JSONL, sigma of the lognormal, cap MB, forced tail [(count, MB)], OpenCode median messages
    "small": dict(sessions=50, median_kb=100, sigma=1.10, cap_mb=4, tail=[(1, 4)], oc_msgs=12),
    "heavy": dict(sessions=2000, median_kb=190, sigma=1.35, cap_mb=50, tail=[(4, 50), (8, 20)], oc_msgs=22),
}
MIX = {"claude": 0.45, "codex": 0.27, "opencode": 0.13, "pi": 0.15}
PROMPT_TOKEN, TITLE_TOKEN = "zebraquark", "ospreymark"   # planted for `query` filters; occur nowhere else
WORDS = ("refactor parser session adapter timeout index cache writer reader socket buffer token model prompt branch commit merge "
         "build test failing flaky lint type error panic trace thread async await channel lock mutex queue retry backoff schema "
         "migration table column query render view layout button click state reducer hook effect fetch request response header "
         "cookie login docker image layer registry deploy rollback canary metric log span alert dashboard").split()
DIRS = ("api web cli core infra mobile docs billing auth search ingest worker scheduler gateway notes dotfiles playground ml-train "
        "data-pipeline design-system my.site my-site client_v2 client-v2 rust-tools api-v2").split()
CLAUDE_MODELS = ["claude-opus-4-8", "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001"]
CODEX_MODELS = ["gpt-5-codex", "gpt-5.1-codex-max", "gpt-5.2"]
OC_MODELS = [("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-5.1-codex"), ("opencode", "grok-code")]
PI_MODELS = [("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-5.1"), ("google", "gemini-3-pro")]
TOOLS = ["Bash", "Read", "Edit", "Grep", "Glob", "Write", "WebFetch"]
B62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
sdumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
DAY = 86_400_000


def rng_for(*parts):
    return random.Random(int.from_bytes(hashlib.sha256(":".join(map(str, parts)).encode()).digest()[:8], "big"))


def iso(ms):
    return datetime.fromtimestamp(ms // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def _uuid(b, ver):
    b[6] = b[6] & 0x0F | ver << 4
    b[8] = b[8] & 0x3F | 0x80
    h = b.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def uuid4(r): return _uuid(bytearray(r.getrandbits(128).to_bytes(16, "big")), 4)
def uuid7(r, ms): return _uuid(bytearray(ms.to_bytes(6, "big") + r.getrandbits(80).to_bytes(10, "big")), 7)
def b62(r, n): return "".join(r.choices(B62, k=n))
def hexid(r, n): return f"{r.getrandbits(n * 4):0{n}x}"
def prose(r, lo=6, hi=60): return " ".join(r.choices(WORDS, k=r.randint(lo, hi))).capitalize() + "."
def step(r, t): return t + r.randint(400, 45_000)


class Pool:
    """Text that reads like tool output: code, paths, quotes, tabs, ANSI, some non-ASCII, transcript lines quoted."""

    def __init__(self, seed, size=3 << 20):
        r, out, n = rng_for(seed, "pool"), [], 0
        while n < size:
            k, w = r.random(), r.choices(WORDS, k=r.randint(3, 14))
            if k < .45: s = "    " * r.randint(0, 4) + f'let {w[0]}_{w[1]} = {w[2]}.{w[0]}("{" ".join(w)}", {r.randint(0, 9999)});\n'
            elif k < .70: s = f"src/{w[0]}/{w[1]}.rs:{r.randint(1, 900)}:\t" + " ".join(w) + "\n"
            elif k < .85: s = " ".join(w).capitalize() + ". "
            elif k < .93: s = f'{{"{w[0]}": "{w[1]}", "{w[2]}": [{r.randint(0, 99)}, null, true]}}\n'
            elif k < .965: s = f"\x1b[31m✗\x1b[0m {' '.join(w)} — {r.randint(1, 99)} µs … “{w[0]}”\n"
            elif k < .97:   # a transcript line inside a tool result: must not be counted
                s = '{"type":"assistant","message":{"id":"msg_quoted","model":"quoted-model","usage":{"input_tokens":7777777,"output_tokens":7777777}},"requestId":"req_q","cwd":"/quoted"}\n'
            else: s = f"C:\\Users\\dev\\{w[0]}\\{w[1]}.ts 日本語 {w[2]} 🚀\n"
            out.append(s); n += len(s)
        self.text = "".join(out)

    def take(self, r, n):
        n = min(n, len(self.text))
        o = r.randrange(len(self.text) - n + 1)
        return self.text[o:o + n]


def result_size(r, big):
    k = r.random()
    if big and k < .012: return r.randint(100_000, 400_000)
    if k < .05: return r.randint(16_000, 60_000)
    return min(16_000, max(40, int(r.lognormvariate(math.log(1600), 1.1))))


class Ctx:
    def __init__(self, a, prof):
        self.a, self.p, self.pool, self.now = a, prof, Pool(a.seed), a.now_ms
        self.truth, self.files, self.bytes, self.dirs = [], 0, 0, set()
        r = rng_for(a.seed, "projects")
        n = len(DIRS) * (1 if prof["sessions"] < 500 else 3)
        self.projects = []
        for i in range(n):
            d = DIRS[i % len(DIRS)] + ("" if i < len(DIRS) else f"-{i // len(DIRS)}")
            self.projects.append(f"{a.user_home}/src/{d}" if i % len(DIRS) in (0, 20, 21, 25) or r.random() < .8 else f"{a.user_home}/work/{r.choice(WORDS)}/{d}")
        self.projects.insert(3, f"{a.user_home}/src/ünï_日本.x y")

    def write(self, path, data, mtime_ms):
        d = os.path.dirname(path)
        if d not in self.dirs:
            os.makedirs(d, exist_ok=True); self.dirs.add(d)
        with open(path, "wb") as f: f.write(data)
        os.utime(path, ns=(mtime_ms * 1_000_000,) * 2)
        self.files += 1; self.bytes += len(data)

    def pick(self, r):
        i = min(len(self.projects) - 1, int(r.expovariate(5 / len(self.projects))))
        return self.projects[i], self.now - int(r.random() ** 1.6 * 365 * DAY) - r.randint(3_600_000, 7_200_000), r.choice(["main", "main", "dev", "feat/" + r.choice(WORDS)])

    def target(self, r, agent, i):
        slot = 0
        for cnt, mb in self.p["tail"]:
            if any(i == slot + 7 * m and ("claude", "codex", "pi")[m % 3] == agent for m in range(cnt)): return mb << 20
            slot += 7 * cnt + 1
        return int(min(self.p["cap_mb"] * 1024, max(4, r.lognormvariate(math.log(self.p["median_kb"]), self.p["sigma"]))) * 1024)

    def add(self, **k):
        row = dict(agent=None, id=None, kind="main", parent=None, forkedFrom=None, cwd=None, title=None, prompt=None, model=None, provider=None,
                   branch=None, created_ms=None, updated_ms=None, status="stopped", usage=None, path=None, bytes=0, traps=[])
        row.update(k)
        self.truth.append(row)

    def prompt(self, r, token=True):
        p = prose(r, 4, 80)
        if token and r.random() < .03: p = p[:40] + " " + (PROMPT_TOKEN if r.random() < .7 else PROMPT_TOKEN.upper()) + p[40:]
        return p


def span(target): return target // 4096 * 150_000


# ------------------------------------------------------------------------------------------------ Claude Code
def enc_claude(cwd):
    s = "".join(ch if ch.isascii() and ch.isalnum() else "-" * (len(ch.encode("utf-16-le")) // 2) for ch in cwd)
    return s


class Claude:
    """One transcript being written."""

    def __init__(self, c, r, sid, cwd, branch, model, side=None):
        self.c, self.r, self.sid, self.side, self.model = c, r, sid, side, model
        self.out, self.chain, self.size, self.parent, self.last_t, self.first_t, self.real_model = [], [], 0, None, 0, None, None
        self.u = dict(input=0, output=0, cacheRead=0, cacheWrite=0, reasoning=None)
        self.tui = r.random() < .65
        self.base = dict(userType="external", entrypoint="cli" if self.tui else "sdk-cli", cwd=cwd, sessionId=sid, version="2.1.197", gitBranch=branch)

    def raw(self, o, chain=False):
        b = dumps(o).encode()
        self.out.append(b)
        if chain: self.chain.append(b)
        self.size += len(b) + 1
        if "timestamp" in o:
            self.first_t = self.first_t or self.t
            self.last_t = max(self.last_t, self.t)

    def entry(self, typ, t, _pre={}, **kw):
        u = uuid4(self.r)
        self.t = t
        head = {"parentUuid": self.parent, "isSidechain": bool(self.side), **_pre, **({"agentId": self.side} if self.side else {})}
        body = {**kw, "type": typ} if typ in ("assistant", "attachment") else {"type": typ, **kw}
        self.raw({**head, **body, "uuid": u, "timestamp": iso(t), **self.base}, True)
        self.parent = u

    def queue(self, t, content):
        self.t = t
        self.raw({"type": "queue-operation", "operation": "enqueue", "timestamp": iso(t), "sessionId": self.sid, "content": content})
        self.raw({"type": "queue-operation", "operation": "dequeue", "timestamp": iso(t), "sessionId": self.sid})

    def user(self, t, p):
        extra = {} if self.side else {"permissionMode": "default", **({"origin": {"kind": "human"}, "promptSource": "typed"} if self.tui else {"promptSource": "sdk"})}
        self.entry("user", t, {"promptId": uuid4(self.r)} if self.side else {}, **({} if self.side else {"promptId": uuid4(self.r)}), message={"role": "user", "content": p})
        if extra:  # put the extra members where the agent has them: after the timestamp
            o = json.loads(self.out[-1]); self.size -= len(self.out[-1]) + 1
            self.out.pop(); self.chain.pop()
            i = list(o.items()); k = [x[0] for x in i].index("timestamp") + 1
            b = dumps(dict(i[:k] + list(extra.items()) + i[k:])).encode()
            self.out.append(b); self.chain.append(b); self.size += len(b) + 1

    def attachments(self, t):
        self.entry("attachment", t - 1 if self.side is None else t, attachment={"type": "skill_listing", "content": self.c.pool.take(self.r, self.r.randint(2_000, 8_000)), "skillCount": 13, "isInitial": True})

    def call(self, t, agent_tool=None, stop=None):
        """One model call: a line per content block, each with the same id and usage. Returns (t, pending tool ids)."""
        r = self.r
        mid, req = "msg_01" + b62(r, 22), "req_011" + b62(r, 21)
        w5, w1 = r.randint(0, 6000), r.choice([0, 0, r.randint(0, 900)])
        u = dict(input_tokens=r.randint(1, 12), cache_creation_input_tokens=w5 + w1, cache_read_input_tokens=r.randint(8000, 150000), output_tokens=r.randint(20, 2400),
                 server_tool_use={"web_search_requests": 0, "web_fetch_requests": 0}, service_tier="standard",
                 cache_creation={"ephemeral_1h_input_tokens": w1, "ephemeral_5m_input_tokens": w5}, inference_geo="", iterations=[], speed="standard")
        self.u["input"] += u["input_tokens"]; self.u["output"] += u["output_tokens"]
        self.u["cacheRead"] += u["cache_read_input_tokens"]; self.u["cacheWrite"] += u["cache_creation_input_tokens"]
        blocks, ids = [], []
        if r.random() < .4: blocks.append({"type": "thinking", "thinking": self.c.pool.take(r, r.randint(80, 1500)), "signature": b62(r, 300)})
        if r.random() < .8 or stop: blocks.append({"type": "text", "text": prose(r)})
        if not stop:
            for _ in range(1 if r.random() < .85 else 2):
                tid = "toolu_01" + b62(r, 22); ids.append(tid)
                blocks.append({"type": "tool_use", "id": tid, "name": "Agent" if agent_tool else r.choice(TOOLS),
                               "input": {"command": prose(r, 3, 20), "description": prose(r, 3, 8)} if not agent_tool else {"description": agent_tool[0], "prompt": agent_tool[1], "subagent_type": "general-purpose"}})
                if agent_tool: break
        for b in blocks:
            self.entry("assistant", t, message={"id": mid, "type": "message", "role": "assistant", "model": self.model, "content": [b],
                       "stop_reason": "end_turn" if stop else "tool_use", "stop_sequence": None, "usage": u, "stop_details": None}, requestId=req)
            t += r.randint(1, 300)
        self.real_model = self.model
        return t, ids

    def result(self, t, tid, body, extra=None):
        self.entry("user", t, promptId=uuid4(self.r), message={"role": "user", "content": [{"tool_use_id": tid, "type": "tool_result", "content": body, "is_error": self.r.random() < .05}]},
                   toolUseResult=extra or {"stdout": body[:len(body) // 3], "stderr": "", "interrupted": False, "isImage": False})

    def turn(self, t, p, limit, big, agents=()):
        r = self.r
        self.user(t, p)
        if len(self.chain) == 1: self.attachments(t)
        agents = list(agents)
        n = r.randint(1, 9)
        while n > 0 or agents:
            n -= 1
            t = step(r, t)
            if agents:
                desc, prm, aid, uu, dur = agents.pop()
                t, ids = self.call(t, (desc, prm))
                self.tool_of[aid] = ids[0]
                t += dur
                self.result(t, ids[0], "subagent result\nagentId: " + aid, {"status": "completed", "prompt": prm, "agentId": aid, "content": [{"type": "text", "text": "subagent result"}],
                            "totalDurationMs": dur, "totalTokens": sum(v or 0 for v in uu.values()), "totalToolUseCount": 2,
                            "usage": {"input_tokens": uu["input"], "cache_creation_input_tokens": uu["cacheWrite"], "cache_read_input_tokens": uu["cacheRead"], "output_tokens": uu["output"]}})
                continue
            t, ids = self.call(t)
            for tid in ids:
                t = step(r, t)
                self.result(t, tid, self.c.pool.take(r, result_size(r, big)))
            if self.size >= limit: break
        t, _ = self.call(step(r, t), stop=True)
        if self.tui and not self.side:
            t += 20
            self.entry("system", t, subtype="turn_duration", durationMs=r.randint(500, 90_000), messageCount=len(self.chain), isMeta=False)
        return t
    tool_of = None

    def data(self): return b"\n".join(self.out) + b"\n"


def gen_claude(c, n):
    root = os.path.join(c.a.home, ".claude", "projects")
    hist, stale, forks = [], [], []
    for i in range(n):
        r = rng_for(c.a.seed, "claude", i)
        cwd, t0, branch = c.pick(r)
        sid, model = uuid4(r), r.choice(CLAUDE_MODELS)
        target = c.target(r, "claude", i)
        t0 -= span(target)
        big = target > 200_000
        w = Claude(c, r, sid, cwd, branch, model)
        w.tool_of, traps, title, prompts = {}, [], None, []
        t = t0
        first = c.prompt(r)
        if r.random() < .03: first += "\n" + c.pool.take(r, r.randint(9_000, 40_000)); traps.append("long-prompt")
        named = r.random() < .12
        if named:
            title = prose(r, 2, 5)[:-1] + (" " + TITLE_TOKEN if r.random() < .3 else "")
            w.raw({"type": "custom-title", "customTitle": title, "sessionId": sid}); w.raw({"type": "agent-name", "agentName": title, "sessionId": sid})
        elif w.tui and r.random() < .75:
            title = prose(r, 3, 7)[:-1] + (" " + TITLE_TOKEN if r.random() < .03 else "")
            w.raw({"type": "ai-title", "aiTitle": title, "sessionId": sid})
        w.t = t
        if w.tui:
            w.raw({"type": "mode", "mode": "normal", "sessionId": sid}); w.raw({"type": "permission-mode", "permissionMode": "default", "sessionId": sid})
            if r.random() < .12:
                traps.append("clear-preamble")
                w.entry("user", t, promptId=uuid4(r), message={"role": "user", "content": "<local-command-caveat>Caveat: The messages below were generated by the user while running local commands.</local-command-caveat>"}, isMeta=True)
                w.entry("user", t + 1, promptId=uuid4(r), message={"role": "user", "content": "<command-name>/clear</command-name>\n            <command-message>clear</command-message>\n            <command-args></command-args>"})
                w.entry("system", t + 2, subtype="local_command", content="<local-command-stdout></local-command-stdout>", level="info", isMeta=False)
                t += 2500
            w.raw({"type": "file-history-snapshot", "messageId": uuid4(r), "snapshot": {"messageId": uuid4(r), "trackedFileBackups": {}, "timestamp": iso(t)}, "isSnapshotUpdate": False})
        else:
            w.queue(t, first); t += 170
        # subagents first, since the parent's tool result quotes their usage
        subs = []
        for k in range(r.randint(1, 3) if r.random() < .16 else 0):
            rs = rng_for(c.a.seed, "claude-sub", i, k)
            aid = "a" + hexid(rs, 16)
            s = Claude(c, rs, sid, cwd, branch, rs.choice(CLAUDE_MODELS), side=aid)
            s.tui, s.base["entrypoint"] = w.tui, w.base["entrypoint"]
            desc, prm = prose(rs, 2, 4)[:-1], prose(rs, 6, 40)
            s.t = ts = t + 90_000 + 40_000 * k
            te = s.turn(ts, prm, rs.randint(8_000, 120_000), False)
            subs.append((s, aid, desc, prm, ts, te))
        dur = max([x[5] - t for x in subs], default=0)
        order = [(desc, prm, aid, s.u, dur // max(1, len(subs)) + 40_000) for s, aid, desc, prm, *_ in subs]
        p, resumed, mid_title = first, False, (r.random() < .05)
        while True:
            prompts.append((t, p))
            t = w.turn(t, p, target, big, order)
            order = []
            if w.size >= target: break
            t = step(r, t) + r.randint(0, 600_000)
            p = prose(r, 4, 80)
            k = r.random()
            if mid_title and w.tui:
                mid_title = False; title = "Renamed " + prose(r, 1, 3)[:-1]; traps.append("mid-title")
                w.raw({"type": "custom-title", "customTitle": title, "sessionId": sid}); w.raw({"type": "agent-name", "agentName": title, "sessionId": sid})
            if k < .04:
                w.model = r.choice(CLAUDE_MODELS); traps.append("model-change")
            elif k < .07:
                w.base["gitBranch"] = "fix/" + r.choice(WORDS); traps.append("branch-change")
            elif k < .08:
                w.base["cwd"] = cwd + "/sub"; traps.append("cwd-move")
            elif k < .10:
                w.raw({"type": "last-prompt", "lastPrompt": prompts[-1][1][:200], "leafUuid": w.parent, "sessionId": sid})
                if not w.tui: w.queue(t, p); t += 150
                else: w.raw({"type": "mode", "mode": "normal", "sessionId": sid})
        end, status = r.random(), "stopped"
        if end < .04:
            status = "failed"; traps.append("api-error")
            t = step(r, t); w.user(t, prose(r)); t += 2500
            w.entry("assistant", t, message={"id": uuid4(r), "model": "<synthetic>", "role": "assistant", "stop_reason": "stop_sequence", "stop_sequence": "", "type": "message",
                    "usage": {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}, "content": [{"type": "text", "text": "API Error: 400 bad request"}]},
                    requestId="req_" + b62(r, 20), error="unknown", isApiErrorMessage=True, apiErrorStatus=400)
        elif end < .10:
            traps.append("killed"); t = step(r, t); w.user(t, prose(r)); t, _ = w.call(step(r, t))   # a tool_use without result, no last-prompt
            if r.random() < .5: stale.append((sid, w.base["cwd"], w.tui, t))
        elif end < .14 and w.tui and not named:
            title = "Renamed at the end " + r.choice(WORDS); traps.append("end-title")
            w.raw({"type": "custom-title", "customTitle": title, "sessionId": sid}); w.raw({"type": "agent-name", "agentName": title, "sessionId": sid})
        if "killed" not in traps: w.raw({"type": "last-prompt", "lastPrompt": prompts[-1][1][:200], "leafUuid": w.parent, "sessionId": sid})
        t1, slug = w.last_t, enc_claude(cwd)
        path = os.path.join(root, slug, sid + ".jsonl")
        data = w.data()
        c.write(path, data, t1)
        if w.tui: hist += [{"display": q[:1000], "pastedContents": {}, "timestamp": tt, "project": cwd, "sessionId": sid} for tt, q in prompts]
        for s, aid, desc, prm, ts, te in subs:
            sp = os.path.join(root, slug, sid, "subagents", f"agent-{aid}.jsonl")
            sd = s.data()
            c.write(sp, sd, s.last_t)
            c.write(sp[:-1 * len(".jsonl")] + ".meta.json", dumps({"agentType": "general-purpose", "description": desc, "toolUseId": w.tool_of[aid], "spawnDepth": 1}).encode(), s.first_t)
            c.add(agent="claude-code", id=aid, id_alt="agent-" + aid, kind="subagent", parent=sid, cwd=cwd, title=desc, prompt=prm, model=s.real_model, branch=branch, created_ms=s.first_t, updated_ms=s.last_t,
                  usage=s.u, path=sp, bytes=len(sd))
        if subs: traps.append("subagents")
        c.add(agent="claude-code", id=sid, cwd=w.base["cwd"], title=title, prompt=first, model=w.real_model, branch=w.base["gitBranch"], created_ms=w.first_t, updated_ms=t1, status=status, usage=w.u,
              path=path, bytes=len(data), traps=traps)
        if i % 7 == 3 and len(data) < 1_500_000 and PROMPT_TOKEN not in first.lower() and not subs and "killed" not in traps and "api-error" not in traps: forks.append((i, w, cwd, t1, first, title if "mid-title" not in traps else None))
    for i, w, cwd, t1, first, title in forks[:max(2, n // 18)]:    # --fork-session: old records copied under a new id
        r = rng_for(c.a.seed, "claude-fork", i)
        sid, t = uuid4(r), t1 + r.randint(60_000, 3_600_000)
        if t > c.now - 3_600_000: continue
        f = Claude(c, r, sid, w.base["cwd"], w.base["gitBranch"], r.choice(CLAUDE_MODELS))
        f.tui, f.base["entrypoint"], f.tool_of = False, "sdk-cli", {}
        f.raw({"type": "mode", "mode": "normal", "sessionId": sid})
        p = prose(r)
        f.queue(t, p)
        for b in w.chain:
            b = b.replace(w.sid.encode(), sid.encode()); f.out.append(b); f.chain.append(b); f.size += len(b) + 1
        f.parent = w.parent
        f.turn(t + 170, p, f.size + 20_000, False)
        f.raw({"type": "last-prompt", "lastPrompt": p[:200], "leafUuid": f.parent, "sessionId": sid})
        path = os.path.join(root, enc_claude(cwd), sid + ".jsonl")
        data = f.data()
        c.write(path, data, f.last_t)
        c.add(agent="claude-code", id=sid, cwd=f.base["cwd"], prompt=first, prompt_alt=p, model=f.real_model, branch=f.base["gitBranch"], created_ms=t, created_alt_ms=w.first_t, updated_ms=f.last_t, usage=f.u,
              forkedFrom_ok=w.sid, path=path, bytes=len(data), traps=["fork"])
    r = rng_for(c.a.seed, "claude-extra")
    for slug in sorted({os.path.dirname(s["path"]) for s in c.truth if s["agent"] == "claude-code" and s["kind"] == "main"}):
        if r.random() < .3: c.write(os.path.join(slug, "memory", "MEMORY.md"), b"# Memory\n- run the tests first\n", c.now - DAY)
    for k, (sid, cwd, tui, t) in enumerate(stale):      # left by kill -9; pids above any pid_max, one pid that lives (1) with a foreign start time
        pid = 1 if k == 0 else 4_200_000 + k
        o = {"pid": pid, "sessionId": sid, "cwd": cwd, "startedAt": t - 600_000, "procStart": str(987654321 + k), "version": "2.1.197", "peerProtocol": 1, "kind": "interactive",
             "entrypoint": "cli" if tui else "sdk-cli", "name": "stale-" + hexid(r, 2), "nameSource": "derived"}
        if tui: o.update(status="busy", updatedAt=t, statusUpdatedAt=t)
        c.write(os.path.join(c.a.home, ".claude", "sessions", f"{pid}.json"), dumps(o).encode(), t)
    for _ in range(max(2, n // 10)):      # history of sessions whose transcript is gone, and old entries without an id
        cwd, t0, _b = c.pick(r)
        hist.append({"display": prose(r), "pastedContents": {}, "timestamp": t0, "project": cwd, **({"sessionId": uuid4(r)} if r.random() < .7 else {})})
    hist.sort(key=lambda h: h["timestamp"])
    c.write(os.path.join(c.a.home, ".claude", "history.jsonl"), "".join(dumps(h) + "\n" for h in hist).encode(), c.now - 60_000)


# ------------------------------------------------------------------------------------------------ Codex
THREADS_DDL = """
CREATE TABLE threads (id TEXT PRIMARY KEY, rollout_path TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, source TEXT NOT NULL,
    model_provider TEXT NOT NULL, cwd TEXT NOT NULL, title TEXT NOT NULL, sandbox_policy TEXT NOT NULL, approval_mode TEXT NOT NULL,
    tokens_used INTEGER NOT NULL DEFAULT 0, has_user_event INTEGER NOT NULL DEFAULT 0, archived INTEGER NOT NULL DEFAULT 0, archived_at INTEGER,
    git_sha TEXT, git_branch TEXT, git_origin_url TEXT
, cli_version TEXT NOT NULL DEFAULT '', first_user_message TEXT NOT NULL DEFAULT '', agent_nickname TEXT, agent_role TEXT, memory_mode TEXT NOT NULL DEFAULT 'enabled', model TEXT, reasoning_effort TEXT, agent_path TEXT, created_at_ms INTEGER, updated_at_ms INTEGER, thread_source TEXT, preview TEXT NOT NULL DEFAULT '', recency_at INTEGER NOT NULL DEFAULT 0, recency_at_ms INTEGER NOT NULL DEFAULT 0, history_mode TEXT NOT NULL DEFAULT 'legacy', name TEXT, is_pinned INTEGER NOT NULL DEFAULT 0, thread_section_id TEXT, section_position INTEGER, section_entered_at_ms INTEGER, project_id TEXT, originator TEXT, daybreak_enabled BOOLEAN, creator_user_id TEXT, creator_account_id TEXT, attached_thread_parent_id TEXT);
CREATE TABLE thread_spawn_edges (parent_thread_id TEXT NOT NULL, child_thread_id TEXT NOT NULL PRIMARY KEY, status TEXT NOT NULL);
CREATE INDEX idx_thread_spawn_edges_parent_status ON thread_spawn_edges(parent_thread_id, status);
CREATE INDEX idx_threads_updated_at_ms ON threads(updated_at_ms DESC, id DESC);
"""


class Codex:
    def __init__(self, c, r, sid, cwd, branch, model, t0, new, ordinal=0, base=None):
        self.c, self.r, self.sid, self.cwd, self.branch, self.model, self.t0, self.t, self.new = c, r, sid, cwd, branch, model, t0, t0, new
        self.out, self.size, self.ord = [], 0, ordinal
        self.cum = dict(base or dict(input_tokens=0, cached_input_tokens=0, **({"cache_write_input_tokens": 0} if new else {}), output_tokens=0, reasoning_output_tokens=0, total_tokens=0))
        self.own = {k: 0 for k in self.cum}
        self.first = None

    def emit(self, typ, payload):
        o = {"timestamp": iso(self.t), "ordinal": self.ord, "type": typ, "payload": payload} if self.new else {"timestamp": iso(self.t), "type": typ, "payload": payload}
        self.ord += 1
        b = dumps(o).encode()
        self.out.append(b); self.size += len(b) + 1

    def meta(self, instr, src, extra=None, sess=None):
        r, extra = self.r, extra or {}
        self.t += r.randint(20, 300)
        if self.new:
            pre = {k: extra.pop(k) for k in ("forked_from_id", "forked_from_ordinal_exclusive", "parent_thread_id") if k in extra}
            self.origin = {"exec": "codex_exec"}.get(src, "codex-tui") if isinstance(src, str) else "codex_exec"
            self.emit("session_meta", {"account_scoped": True, "session_id": sess or self.sid, "id": self.sid, **pre, "timestamp": iso(self.t0), "cwd": self.cwd, "runtime_workspace_roots": [self.cwd],
                      "originator": self.origin, "cli_version": "0.169.0", "source": src, "thread_source": "user" if isinstance(src, str) else "subagent", **({} if isinstance(src, str) else {"agent_nickname": "Peirce"}), "model_provider": "openai",
                      "base_instructions": {"text": instr, "provenance": {"type": "model", "model": self.model}}, "history_mode": "paginated", **extra,
                      "context_window": {"window_id": uuid7(r, self.t0)}, "git": {"commit_hash": hexid(r, 40), "branch": self.branch}})
        else:
            self.origin = "codex_cli_rs"
            self.emit("session_meta", {"id": self.sid, "timestamp": iso(self.t0), "cwd": self.cwd, "originator": self.origin, "cli_version": r.choice(["0.63.0", "0.80.0", "0.98.0"]), "source": src, "model_provider": "openai",
                      "base_instructions": {"text": instr[:14_000]}, "git": {"commit_hash": hexid(r, 40), "branch": self.branch, "repository_url": "git@example.invalid:x/y.git"}})
        self.emit("response_item", {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": self.c.pool.take(r, 2500)}]})
        self.emit("response_item", {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"<environment_context>\n  <cwd>{self.cwd}</cwd>\n  <shell>zsh</shell>\n</environment_context>"}]})

    def turn(self, p, target, big, cut=False, error=False):
        r, new, sid = self.r, self.new, self.sid
        self.first = self.first or p
        turn = uuid7(r, self.t)
        if new: self.emit("event_msg", {"type": "task_started", "turn_attribution": {"turn_id": turn, "turn_trigger": "exec"}, "turn_id": turn, "root_turn_id": turn, "started_at": self.t // 1000, "model_context_window": 258400})
        self.emit("turn_context", {"turn_id": turn, "cwd": self.cwd, "approval_policy": "on-request", "sandbox_policy": {"type": "workspace-write"}, "model": self.model, "effort": "medium", "summary": "auto"})
        self.emit("response_item", {"type": "message", "role": "user", "content": [{"type": "input_text", "text": p}]})
        if new: self.emit("event_msg", {"type": "item_completed", "thread_id": sid, "turn_id": turn, "item": {"type": "UserMessage", "id": uuid7(r, self.t), "content": [{"type": "text", "text": p, "text_elements": []}]}, "started_at_ms": self.t, "completed_at_ms": self.t})
        else:
            self.emit("event_msg", {"type": "user_message", "message": p, "images": []})
            self.emit("event_msg", {"type": "token_count", "info": None if self.size < 40_000 else {"total_token_usage": dict(self.cum), "last_token_usage": self.last, "model_context_window": 258400}, "rate_limits": None} if self.cum["total_tokens"] else {"type": "token_count", "info": None, "rate_limits": None})
        if error:
            self.t += 6000
            self.emit("event_msg", {"type": "task_complete", "turn_id": turn, "last_agent_message": None, "error": {"message": "unexpected status 400 Bad Request", "codex_error_info": "other"}})
            return
        start = self.t
        for _ in range(r.randint(1, 8)):
            self.t = step(r, self.t)
            if r.random() < .6: self.emit("response_item", {"type": "reasoning", "summary": [{"type": "summary_text", "text": "**" + prose(r, 3, 6) + "**"}], "content": None, "encrypted_content": b62(r, r.randint(800, 3000))})
            call = "call_" + b62(r, 24)
            self.emit("response_item", {"type": "function_call", "name": "exec_command", "arguments": dumps({"cmd": prose(r, 3, 20), "workdir": self.cwd}), "call_id": call})
            cached = r.randint(0, 90_000)
            k = dict(input_tokens=cached + r.randint(400, 30_000), cached_input_tokens=cached, **({"cache_write_input_tokens": 0} if new else {}), output_tokens=r.randint(820, 2800), reasoning_output_tokens=r.randint(0, 800))
            k["total_tokens"] = k["input_tokens"] + k["output_tokens"]
            for f in self.cum: self.cum[f] += k[f]; self.own[f] += k[f]
            self.last = k
            if new: self.emit("token_usage_record", {"thread_id": sid, "turn_id": turn, "session_id": sid, "root_turn_id": turn, "response_id": "resp_" + b62(r, 20), "usage": k, "turn_token_usage": k, "thread_token_usage": dict(self.cum)})
            if cut: return
            self.t = step(r, self.t)
            out = self.c.pool.take(r, result_size(r, big))
            if new and r.random() < .5: self.emit("event_msg", {"type": "item_completed", "thread_id": sid, "turn_id": turn, "item": {"type": "CommandExecution", "id": call, "command": ["/bin/bash", "-lc", "x"], "cwd": "file://" + self.cwd, "status": "completed", "aggregated_output": out[:400], "exit_code": 0}, "started_at_ms": start, "completed_at_ms": self.t})
            self.emit("response_item", {"type": "function_call_output", "call_id": call, "output": out})
            tc = {"type": "token_count", "info": {"total_token_usage": dict(self.cum), "last_token_usage": k, "model_context_window": 258400}, "rate_limits": {"primary": {"used_percent": r.randint(0, 99), "window_minutes": 300, "resets_at": self.t // 1000 + 9000}}}
            self.emit("event_msg", tc)
            if r.random() < .15: self.emit("event_msg", tc)
            if self.size >= target: break
        last = prose(r)
        self.t += 400
        self.emit("response_item", {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": last}]})
        if new:
            self.emit("event_msg", {"type": "item_completed", "thread_id": sid, "turn_id": turn, "item": {"type": "AgentMessage", "id": "msg_" + b62(r, 24), "content": [{"type": "Text", "text": last}]}, "started_at_ms": self.t, "completed_at_ms": self.t})
            self.emit("event_msg", {"type": "task_complete", "turn_id": turn, "last_agent_message": last, "started_at": start // 1000, "completed_at": self.t // 1000, "duration_ms": self.t - start})
        else: self.emit("event_msg", {"type": "agent_message", "message": last})

    def usage(self):
        o = self.own
        return dict(input=o["input_tokens"] - o["cached_input_tokens"], output=o["output_tokens"], cacheRead=o["cached_input_tokens"], cacheWrite=o.get("cache_write_input_tokens"), reasoning=o["reasoning_output_tokens"])


def gen_codex(c, n):
    root = os.path.join(c.a.home, ".codex")
    instr = c.pool.take(rng_for(c.a.seed, "instr"), 21_000)
    hist, rows, edges, names = [], [], [], []

    def save(w, archived, src, in_db, name, **kw):
        d = datetime.fromtimestamp(w.t0 / 1000, timezone.utc)
        fn = f"rollout-{d.strftime('%Y-%m-%dT%H-%M-%S')}-{w.sid}.jsonl"
        path = os.path.join(root, "archived_sessions", fn) if archived else os.path.join(root, "sessions", d.strftime("%Y/%m/%d"), fn)
        data = b"\n".join(w.out) + b"\n"
        c.write(path, data, w.t)
        sub = not isinstance(src, str)
        if in_db:
            rows.append((w.sid, path, w.t0 // 1000, w.t // 1000, src if not sub else dumps(src), "openai", w.cwd, w.first, '{"type":"workspace-write"}', "on-request", w.cum["total_tokens"], 0, int(archived), (w.t + 1000) // 1000 if archived else None,
                         hexid(w.r, 40), w.branch, None, "0.169.0" if w.new else "0.98.0", w.first, "Peirce" if sub else None, None, "enabled", w.model, None, None, w.t0, w.t, "subagent" if sub else "user", w.first, w.t // 1000, w.t - 100 if w.new else w.t,
                         "paginated" if w.new else "legacy", name, 0, None, None, None, None, w.origin, None, None, None, None))
        if name: names.append({"id": w.sid, "thread_name": name, "updated_at": iso(w.t)})
        c.add(agent="codex", id=w.sid, cwd=w.cwd, title=name, prompt=w.first, model=w.model, branch=w.branch, created_ms=w.t0, updated_ms=w.t, usage=w.usage(), path=path, bytes=len(data), **kw)

    for i in range(n):
        r = rng_for(c.a.seed, "codex", i)
        cwd, t0, branch = c.pick(r)
        target = c.target(r, "codex", i)
        t0 -= span(target)
        big, new, traps = target > 200_000, t0 > c.now - c.a.codex_new_days * DAY, []
        w = Codex(c, r, uuid7(r, t0), cwd, branch, r.choice(CODEX_MODELS), t0, new)
        src = r.choice(["cli", "exec", "vscode"])
        w.meta(instr, src)
        p = c.prompt(r)
        while True:
            hist.append({"session_id": w.sid, "ts": w.t // 1000, "text": p})
            w.turn(p, target, big)
            if w.size >= target: break
            w.t = step(r, w.t) + r.randint(0, 600_000)
            p = prose(r, 4, 80)
            if r.random() < .05: w.model = r.choice(CODEX_MODELS); traps.append("model-change")
        end, status = r.random(), "stopped"
        if new and end < .05: w.t = step(r, w.t); w.turn(prose(r), 0, False, error=True); status = "failed"; traps.append("api-error")
        elif new and end < .12: w.t = step(r, w.t); w.turn(prose(r), 0, False, cut=True); traps.append("killed")
        name = (prose(r, 2, 4)[:-1] + " " + (TITLE_TOKEN if r.random() < .3 else "named")) if new and r.random() < .07 else None
        archived = r.random() < .08
        in_db = new or r.random() < .3
        if archived: traps.append("archived")
        # subagent threads: own file, session_id = the root's
        kids = r.randint(1, 2) if new and r.random() < .12 else 0
        for k in range(kids):
            rs = rng_for(c.a.seed, "codex-sub", i, k)
            ts = t0 + 30_000 + 20_000 * k
            s = Codex(c, rs, uuid7(rs, ts), cwd, branch, rs.choice(CODEX_MODELS), ts, True)
            ssrc = {"subagent": {"thread_spawn": {"parent_thread_id": w.sid, "depth": 1, "agent_path": None, "agent_nickname": "Peirce", "agent_role": None}}}
            s.meta(instr, ssrc, {"parent_thread_id": w.sid, "multi_agent_version": "v1"}, sess=w.sid)
            s.turn(prose(rs), rs.randint(30_000, 90_000), False)
            edges.append((w.sid, s.sid, "open"))
            save(s, False, ssrc, True, None, kind="subagent", parent=w.sid)
        if kids: traps.append("subagents")
        save(w, archived, src, in_db, name, status=status, traps=traps)
        if new and r.random() < .08 and status == "stopped" and "killed" not in traps and w.t < c.now - 2 * DAY:   # a fork: nothing copied, totals go on from the parent's
            rf = rng_for(c.a.seed, "codex-fork", i)
            tf = w.t + rf.randint(60_000, 3_600_000)
            f = Codex(c, rf, uuid7(rf, tf), cwd, branch, w.model, tf, True, ordinal=w.ord, base=w.cum)
            f.meta(instr, "exec", {"forked_from_id": w.sid, "forked_from_ordinal_exclusive": w.ord, "history_base": {"thread_id": w.sid, "end_ordinal_exclusive": w.ord, "end_byte_offset": w.size}, "multi_agent_version": "v1"})
            for _ in range(rf.randint(1, 3)):
                f.turn(prose(rf), rf.randint(40_000, 90_000), False); f.t = step(rf, f.t)
            f.t = datetime.fromisoformat(json.loads(f.out[-1])["timestamp"].replace("Z", "+00:00")).timestamp() * 1000
            f.t = int(round(f.t))
            save(f, rf.random() < .3, "exec", True, None, forkedFrom=w.sid, traps=["fork"])
    db = os.path.join(root, "state_5.sqlite")
    os.makedirs(root, exist_ok=True)
    q = sqlite3.connect(db)
    q.executescript(THREADS_DDL)
    cols = "id rollout_path created_at updated_at source model_provider cwd title sandbox_policy approval_mode tokens_used has_user_event archived archived_at git_sha git_branch git_origin_url cli_version first_user_message agent_nickname agent_role memory_mode model reasoning_effort agent_path created_at_ms updated_at_ms thread_source preview recency_at recency_at_ms history_mode name is_pinned thread_section_id section_position section_entered_at_ms project_id originator daybreak_enabled creator_user_id creator_account_id attached_thread_parent_id".split()
    q.executemany(f"INSERT INTO threads({','.join(cols)}) VALUES({','.join('?' * len(cols))})", rows)
    q.executemany("INSERT INTO thread_spawn_edges VALUES(?,?,?)", edges)
    q.commit(); q.close()
    os.utime(db, ns=((c.now - 60_000) * 1_000_000,) * 2)
    c.files += 1; c.bytes += os.path.getsize(db)
    hist.sort(key=lambda h: h["ts"])
    c.write(os.path.join(root, "history.jsonl"), "".join(dumps(h) + "\n" for h in hist).encode(), c.now - 60_000)
    c.write(os.path.join(root, "session_index.jsonl"), "".join(dumps(h) + "\n" for h in names).encode(), c.now - 60_000)


# ------------------------------------------------------------------------------------------------ OpenCode
OC_DDL = """
CREATE TABLE `workspace` ( `id` text PRIMARY KEY, `type` text NOT NULL, `name` text DEFAULT '' NOT NULL, `branch` text, `directory` text, `extra` text, `project_id` text NOT NULL, `time_used` integer NOT NULL, CONSTRAINT `fk_workspace_project_id_project_id_fk` FOREIGN KEY (`project_id`) REFERENCES `project`(`id`) ON DELETE CASCADE );
CREATE TABLE `data_migration` ( `name` text PRIMARY KEY, `time_completed` integer NOT NULL );
CREATE TABLE `account_state` ( `id` integer PRIMARY KEY, `active_account_id` text, `active_org_id` text, CONSTRAINT `fk_account_state_active_account_id_account_id_fk` FOREIGN KEY (`active_account_id`) REFERENCES `account`(`id`) ON DELETE SET NULL );
CREATE TABLE `account` ( `id` text PRIMARY KEY, `email` text NOT NULL, `url` text NOT NULL, `access_token` text NOT NULL, `refresh_token` text NOT NULL, `token_expiry` integer, `time_created` integer NOT NULL, `time_updated` integer NOT NULL );
CREATE TABLE `control_account` ( `email` text NOT NULL, `url` text NOT NULL, `access_token` text NOT NULL, `refresh_token` text NOT NULL, `token_expiry` integer, `active` integer NOT NULL, `time_created` integer NOT NULL, `time_updated` integer NOT NULL, CONSTRAINT `control_account_pk` PRIMARY KEY(`email`, `url`) );
CREATE TABLE `credential` ( `id` text PRIMARY KEY, `integration_id` text, `label` text NOT NULL, `value` text NOT NULL, `connector_id` text, `method_id` text, `active` integer, `time_created` integer NOT NULL, `time_updated` integer NOT NULL );
CREATE TABLE `event_sequence` ( `aggregate_id` text PRIMARY KEY, `seq` integer NOT NULL, `owner_id` text );
CREATE TABLE `event` ( `id` text PRIMARY KEY, `aggregate_id` text NOT NULL, `seq` integer NOT NULL, `type` text NOT NULL, `data` text NOT NULL, CONSTRAINT `fk_event_aggregate_id_event_sequence_aggregate_id_fk` FOREIGN KEY (`aggregate_id`) REFERENCES `event_sequence`(`aggregate_id`) ON DELETE CASCADE );
CREATE TABLE `permission` ( `id` text PRIMARY KEY, `project_id` text NOT NULL, `action` text NOT NULL, `resource` text NOT NULL, `time_created` integer NOT NULL, `time_updated` integer NOT NULL, CONSTRAINT `fk_permission_project_id_project_id_fk` FOREIGN KEY (`project_id`) REFERENCES `project`(`id`) ON DELETE CASCADE );
CREATE TABLE `project_directory` ( `project_id` text NOT NULL, `directory` text NOT NULL, `type` text, `strategy` text, `time_created` integer NOT NULL, CONSTRAINT `project_directory_pk` PRIMARY KEY(`project_id`, `directory`), CONSTRAINT `fk_project_directory_project_id_project_id_fk` FOREIGN KEY (`project_id`) REFERENCES `project`(`id`) ON DELETE CASCADE );
CREATE TABLE `project` ( `id` text PRIMARY KEY, `worktree` text NOT NULL, `vcs` text, `name` text, `icon_url` text, `icon_url_override` text, `icon_color` text, `time_created` integer NOT NULL, `time_updated` integer NOT NULL, `time_initialized` integer, `sandboxes` text NOT NULL, `commands` text );
CREATE TABLE `message` ( `id` text PRIMARY KEY, `session_id` text NOT NULL, `time_created` integer NOT NULL, `time_updated` integer NOT NULL, `data` text NOT NULL, CONSTRAINT `fk_message_session_id_session_id_fk` FOREIGN KEY (`session_id`) REFERENCES `session`(`id`) ON DELETE CASCADE );
CREATE TABLE `part` ( `id` text PRIMARY KEY, `message_id` text NOT NULL, `session_id` text NOT NULL, `time_created` integer NOT NULL, `time_updated` integer NOT NULL, `data` text NOT NULL, CONSTRAINT `fk_part_message_id_message_id_fk` FOREIGN KEY (`message_id`) REFERENCES `message`(`id`) ON DELETE CASCADE );
CREATE TABLE `session_context_epoch` ( `session_id` text PRIMARY KEY, `baseline` text NOT NULL, `snapshot` text NOT NULL, `baseline_seq` integer NOT NULL, CONSTRAINT `fk_session_context_epoch_session_id_session_id_fk` FOREIGN KEY (`session_id`) REFERENCES `session`(`id`) ON DELETE CASCADE );
CREATE TABLE `session_input` ( `id` text PRIMARY KEY, `session_id` text NOT NULL, `prompt` text NOT NULL, `delivery` text NOT NULL, `admitted_seq` integer NOT NULL, `promoted_seq` integer, `time_created` integer NOT NULL, CONSTRAINT `fk_session_input_session_id_session_id_fk` FOREIGN KEY (`session_id`) REFERENCES `session`(`id`) ON DELETE CASCADE );
CREATE TABLE `session_message` ( `id` text PRIMARY KEY, `session_id` text NOT NULL, `type` text NOT NULL, `seq` integer NOT NULL, `time_created` integer NOT NULL, `time_updated` integer NOT NULL, `data` text NOT NULL, CONSTRAINT `fk_session_message_session_id_session_id_fk` FOREIGN KEY (`session_id`) REFERENCES `session`(`id`) ON DELETE CASCADE );
CREATE TABLE `session` ( `id` text PRIMARY KEY, `project_id` text NOT NULL, `workspace_id` text, `parent_id` text, `slug` text NOT NULL, `directory` text NOT NULL, `path` text, `title` text NOT NULL, `version` text NOT NULL, `share_url` text, `summary_additions` integer, `summary_deletions` integer, `summary_files` integer, `summary_diffs` text, `metadata` text, `cost` real DEFAULT 0 NOT NULL, `tokens_input` integer DEFAULT 0 NOT NULL, `tokens_output` integer DEFAULT 0 NOT NULL, `tokens_reasoning` integer DEFAULT 0 NOT NULL, `tokens_cache_read` integer DEFAULT 0 NOT NULL, `tokens_cache_write` integer DEFAULT 0 NOT NULL, `revert` text, `permission` text, `agent` text, `model` text, `time_created` integer NOT NULL, `time_updated` integer NOT NULL, `time_compacting` integer, `time_archived` integer, CONSTRAINT `fk_session_project_id_project_id_fk` FOREIGN KEY (`project_id`) REFERENCES `project`(`id`) ON DELETE CASCADE );
CREATE TABLE `todo` ( `session_id` text NOT NULL, `content` text NOT NULL, `status` text NOT NULL, `priority` text NOT NULL, `position` integer NOT NULL, `time_created` integer NOT NULL, `time_updated` integer NOT NULL, CONSTRAINT `todo_pk` PRIMARY KEY(`session_id`, `position`), CONSTRAINT `fk_todo_session_id_session_id_fk` FOREIGN KEY (`session_id`) REFERENCES `session`(`id`) ON DELETE CASCADE );
CREATE TABLE `session_share` ( `session_id` text PRIMARY KEY, `id` text NOT NULL, `secret` text NOT NULL, `url` text NOT NULL, `time_created` integer NOT NULL, `time_updated` integer NOT NULL, CONSTRAINT `fk_session_share_session_id_session_id_fk` FOREIGN KEY (`session_id`) REFERENCES `session`(`id`) ON DELETE CASCADE );
CREATE TABLE "migration" (id TEXT PRIMARY KEY, time_completed INTEGER NOT NULL);
CREATE UNIQUE INDEX `event_aggregate_seq_idx` ON `event` (`aggregate_id`,`seq`);
CREATE INDEX `event_aggregate_type_seq_idx` ON `event` (`aggregate_id`,`type`,`seq`);
CREATE UNIQUE INDEX `permission_project_action_resource_idx` ON `permission` (`project_id`,`action`,`resource`);
CREATE INDEX `message_session_time_created_id_idx` ON `message` (`session_id`,`time_created`,`id`);
CREATE INDEX `part_message_id_id_idx` ON `part` (`message_id`,`id`);
CREATE INDEX `part_session_idx` ON `part` (`session_id`);
CREATE INDEX `session_input_session_pending_delivery_seq_idx` ON `session_input` (`session_id`,`promoted_seq`,`delivery`,`admitted_seq`);
CREATE UNIQUE INDEX `session_input_session_admitted_seq_idx` ON `session_input` (`session_id`,`admitted_seq`);
CREATE UNIQUE INDEX `session_input_session_promoted_seq_idx` ON `session_input` (`session_id`,`promoted_seq`);
CREATE UNIQUE INDEX `session_message_session_seq_idx` ON `session_message` (`session_id`,`seq`);
CREATE INDEX `session_message_session_type_seq_idx` ON `session_message` (`session_id`,`type`,`seq`);
CREATE INDEX `session_message_session_time_created_id_idx` ON `session_message` (`session_id`,`time_created`,`id`);
CREATE INDEX `session_message_time_created_idx` ON `session_message` (`time_created`);
CREATE INDEX `session_project_idx` ON `session` (`project_id`);
CREATE INDEX `session_workspace_idx` ON `session` (`workspace_id`);
CREATE INDEX `session_parent_idx` ON `session` (`parent_id`);
CREATE INDEX `todo_session_idx` ON `todo` (`session_id`);
"""
OC_MIGRATIONS = """20260127222353_familiar_lady_ursula 20260211171708_add_project_commands 20260213144116_wakeful_the_professor 20260225215848_workspace 20260227213759_add_session_workspace_id 20260228203230_blue_harpoon 20260303231226_add_workspace_fields 20260309230000_move_org_to_state 20260312043431_session_message_cursor 20260323234822_events 20260410174513_workspace-name 20260413175956_chief_energizer 20260423070820_add_icon_url_override 20260427172553_slow_nightmare 20260428004200_add_session_path 20260501142318_next_venus 20260504145000_add_sync_owner 20260507164347_add_workspace_time 20260510033149_session_usage 20260511000411_data_migration_state 20260511173437_session-metadata 20260601010001_normalize_storage_paths 20260601202201_amazing_prowler 20260602002951_lowly_union_jack 20260602182828_add_project_directories 20260603001617_session_message_projection_indexes 20260603040000_session_message_projection_order 20260603141458_session_input_inbox 20260603160727_jittery_ezekiel_stane 20260604172448_event_sourced_session_input 20260605003541_add_session_context_snapshot 20260605042240_add_context_epoch_agent 20260611035744_credential 20260611192811_lush_chimera 20260612174303_project_dir_strategy 20260622142730_simplify_session_context_epoch 20260622170816_reset_v2_session_state 20260622202450_simplify_session_input""".split()


def ocid(r, prefix, ms, down=False):
    v = (ms * 0x1000 + r.getrandbits(12)) & 0xFFFFFFFFFFFF
    return f"{prefix}_{(0xFFFFFFFFFFFF - v) if down else v:012x}{b62(r, 14)}"


def gen_opencode(c, n):
    data = os.path.join(c.a.home, ".local", "share", "opencode")
    st = os.path.join(data, "storage")
    os.makedirs(data, exist_ok=True)
    db = os.path.join(data, "opencode.db")
    q = sqlite3.connect(db)
    q.execute("PRAGMA page_size=4096")
    q.executescript(OC_DDL)
    q.executemany("INSERT INTO migration VALUES(?,?)", [(m, c.now - 200 * DAY + k) for k, m in enumerate(OC_MIGRATIONS)])
    pids = {cwd: hashlib.sha1(b"root commit of " + cwd.encode()).hexdigest() for cwd in c.projects}
    for cwd, pid in sorted(pids.items()):
        q.execute("INSERT INTO project VALUES(?,?,?,NULL,NULL,NULL,NULL,?,?,NULL,'[]',NULL)", (pid, cwd, "git", c.now - 365 * DAY, c.now - DAY))
    msgs, parts, nlegacy = [], [], 0
    for i in range(n):
        r = rng_for(c.a.seed, "opencode", i)
        cwd, t0, _b = c.pick(r)
        t0 -= 12 * 3_600_000
        legacy = int((i + 1) * c.a.oc_legacy) > int(i * c.a.oc_legacy)
        both = legacy and int((i + 1) * c.a.oc_legacy) % 3 == 1
        root_id = ocid(r, "ses", t0, True)
        ids = [(root_id, None)] + [(ocid(r, "ses", t0 + 5000 * (k + 1), True), root_id) for k in range(r.randint(1, 2) if r.random() < .12 else 0)]
        for sid, parent in ids:
            t = created = t0 if parent is None else t0 + 20_000
            tot, cost, first, traps, status = dict(input=0, output=0, cacheRead=0, cacheWrite=0, reasoning=0), 0.0, None, [], "stopped"
            prov, model = r.choice(OC_MODELS)
            headless = parent is None and r.random() < .4
            nm = max(2, min(600, int(r.lognormvariate(math.log(c.p["oc_msgs"]), .9)))) if parent is None else r.randint(2, 8)
            end = r.random()
            um, mm, stamp = None, [], t
            for m in range(nm):
                lastm = m == nm - 1
                user = um is None or (r.random() < .18 and not lastm)
                mid = ocid(r, "msg", t); pp = []
                if user:
                    p = c.prompt(r, parent is None and m == 0)
                    first = first or p
                    msg = {"role": "user", "time": {"created": t}, "agent": "build", "model": {"providerID": prov, "modelID": model}, "summary": {"diffs": []}}
                    pp.append({"type": "text", "text": f'"{p}"' if headless else p})
                    um, upd = mid, t
                else:
                    k = dict(input=r.randint(1, 30000), output=r.randint(20, 1800), reasoning=r.randint(0, 600), cache=dict(read=r.randint(0, 120000), write=r.randint(0, 4000)))
                    co, t2, fin, err = round(r.random() * .08, 6), step(r, t), "stop" if lastm or r.random() < .2 else "tool-calls", None
                    msg = {"parentID": um, "role": "assistant", "mode": "build", "agent": "build", "path": {"cwd": cwd, "root": cwd}, "cost": co, "tokens": {"total": k["input"] + k["output"] + k["reasoning"] + k["cache"]["read"] + k["cache"]["write"], **k},
                           "modelID": model, "providerID": prov, "time": {"created": t, "completed": t2}, "finish": fin}
                    if lastm and end < .12:
                        k = dict(input=0, output=0, reasoning=0, cache=dict(read=0, write=0)); co = 0
                        msg.update(tokens=k, cost=0); del msg["finish"]
                        if end < .04: msg["error"] = {"name": "APIError", "data": {"message": "mock error", "statusCode": 400, "isRetryable": False}}; status = "failed"; traps.append("api-error")
                        elif end < .07: msg["error"] = {"name": "MessageAbortedError", "data": {"message": "Aborted"}}; traps.append("aborted")
                        else: del msg["time"]["completed"]; traps.append("killed")
                    cost += co
                    for f in ("input", "output", "reasoning"): tot[f] += k[f]
                    tot["cacheRead"] += k["cache"]["read"]; tot["cacheWrite"] += k["cache"]["write"]
                    pp.append({"type": "step-start", "snapshot": hexid(r, 40)})
                    if r.random() < .5: pp.append({"type": "text", "text": prose(r), "time": {"start": t, "end": t2}})
                    if fin != "stop": pp.append({"type": "tool", "callID": "call_" + b62(r, 24), "tool": r.choice(["bash", "read", "edit", "grep"]), "state": {"status": "completed", "input": {"command": prose(r, 3, 12)}, "output": c.pool.take(r, result_size(r, True)), "title": prose(r, 2, 5), "metadata": {}, "time": {"start": t, "end": t2}}})
                    if "error" not in msg and "completed" in msg["time"]: pp.append({"type": "step-finish", "reason": fin, "cost": co, "tokens": k})
                    t = upd = t2
                mm.append((mid, msg, [(ocid(r, "prt", t), x) for x in pp], msg["time"]["created"], upd))
                stamp = upd
                t = step(r, t)
            title = (prose(r, 2, 4)[:-1] + " (@general subagent)") if parent else (f"New session - {iso(created)}" if r.random() < .06 else prose(r, 3, 8)[:60] + (" " + TITLE_TOKEN if r.random() < .06 else ""))
            pid = pids[cwd]
            in_db = not legacy or both
            if in_db:
                mdl = None if both else dumps({"id": model, "providerID": prov, "variant": "default"})
                perm = '[{"permission":"question","pattern":"*","action":"deny"},{"permission":"plan_enter","pattern":"*","action":"deny"}]' if headless else None
                q.execute("INSERT INTO session VALUES(?,?,NULL,?,?,?,'',?,?,NULL,0,0,0,NULL,NULL,?,?,?,?,?,?,NULL,?,?,?,?,?,NULL,?)",
                          (sid, pid, parent, "-".join(r.choices(WORDS, k=2)), cwd, title, "1.18.33" if not both else "1.1.65", round(cost, 6), tot["input"], tot["output"], tot["reasoning"], tot["cacheRead"], tot["cacheWrite"], perm, None if both else ("general" if parent else "build"), mdl,
                           created, stamp, stamp if r.random() < .04 else None))
                for mid, msg, pp, tc, tu in mm:
                    msgs.append((mid, sid, tc, tu, dumps(msg)))
                    parts += [(x, mid, sid, tc, tu, dumps(b)) for x, b in pp]
                if len(parts) > 4000:
                    q.executemany("INSERT INTO message VALUES(?,?,?,?,?)", msgs); q.executemany("INSERT INTO part VALUES(?,?,?,?,?,?)", parts); msgs, parts = [], []
            path, nbytes = db, 0
            if legacy:
                nlegacy += 1
                keep = mm if not both else mm[:max(1, len(mm) // 2)]
                lt = stamp if not both else keep[-1][4]
                o = {"id": sid, "slug": "-".join(r.choices(WORDS, k=2)), "version": "1.1.65", "projectID": pid, "directory": cwd, **({"parentID": parent} if parent else {}), "title": title if not both else f"New session - {iso(created)}", "time": {"created": created, "updated": lt},
                     "summary": {"additions": 0, "deletions": 0, "files": 0}}
                lp = os.path.join(st, "session", pid, sid + ".json")
                b = json.dumps(o, indent=2, ensure_ascii=False).encode()
                c.write(lp, b, lt); nbytes = len(b)
                for mid, msg, pp, tc, tu in keep:
                    b = json.dumps({"id": mid, "sessionID": sid, **msg}, indent=2, ensure_ascii=False).encode()
                    c.write(os.path.join(st, "message", sid, mid + ".json"), b, tu); nbytes += len(b)
                    for x, y in pp:
                        b = json.dumps({"id": x, "sessionID": sid, "messageID": mid, **y}, indent=2, ensure_ascii=False).encode()
                        c.write(os.path.join(st, "part", mid, x + ".json"), b, tu); nbytes += len(b)
                c.write(os.path.join(st, "session_diff", sid + ".json"), b"[]", lt)
                if not both: path = lp
            traps += ["legacy-json"] * (legacy and not both) + ["in-both"] * both + ["quoted-prompt"] * headless
            c.add(agent="opencode", id=sid, kind="subagent" if parent else "main", parent=parent, cwd=cwd, title=title, prompt=first, prompt_alt=f'"{first}"' if headless else None, model=model, provider=prov, created_ms=created, updated_ms=stamp,
                  status=status, usage=tot, cost=round(cost, 6), path=path, bytes=nbytes, traps=traps)
    q.executemany("INSERT INTO message VALUES(?,?,?,?,?)", msgs); q.executemany("INSERT INTO part VALUES(?,?,?,?,?,?)", parts)
    q.commit(); q.close()
    os.utime(db, ns=((c.now - 60_000) * 1_000_000,) * 2)
    c.files += 1; c.bytes += os.path.getsize(db)
    if nlegacy:
        for cwd, pid in sorted(pids.items()):
            c.write(os.path.join(st, "project", pid + ".json"), json.dumps({"id": pid, "worktree": cwd, "vcs": "git", "time": {"created": c.now - 365 * DAY}}, indent=2, ensure_ascii=False).encode(), c.now - DAY)
        c.write(os.path.join(st, "migration"), b"2", c.now - 365 * DAY)


# ------------------------------------------------------------------------------------------------ Pi and pi-rust
def gen_pi(c, n):
    root = os.path.join(c.a.home, ".pi", "agent", "sessions")
    forks, index = [], []

    def slug(cwd): return "--" + cwd.lstrip("/").replace("/", "-").replace(":", "-") + "--"

    def assistant(r, t, prov, model, stop, pool=True):
        u = dict(input=r.randint(1, 4000), output=r.randint(20, 1800), cacheRead=r.randint(0, 90000), cacheWrite=r.randint(0, 4000))
        co = round(r.random() * .05, 6)
        full = {**u, "totalTokens": sum(u.values()), "cost": dict(input=co / 2, output=co / 2, cacheRead=0, cacheWrite=0, total=co)}
        if stop == "error": u = dict.fromkeys(u, 0); co = 0; full = {**u, "totalTokens": 0, "cost": dict(input=0, output=0, cacheRead=0, cacheWrite=0, total=0)}
        call = "call_" + b62(r, 22)
        content = [] if stop == "error" else [{"type": "thinking", "thinking": prose(r)}, {"type": "text", "text": prose(r)}] + ([{"type": "toolCall", "id": call, "name": r.choice(["bash", "read", "edit"]), "arguments": {"command": prose(r, 3, 12)}}] if stop == "toolUse" else [])
        m = {"role": "assistant", "content": content, "api": "x-messages", "provider": prov, "model": model, "usage": full, "stopReason": stop, "timestamp": t}
        if stop == "error": m["errorMessage"] = "400 mock error"
        return m, u, co, call

    for i in range(n):
        r = rng_for(c.a.seed, "pi", i)
        cwd, t0, _b = c.pick(r)
        target = c.target(r, "pi", i)
        t0 -= span(target)
        rust = i % 10 in (2, 5, 8)
        sid = uuid4(r) if rust else uuid7(r, t0)
        prov, model = r.choice(PI_MODELS)
        big, traps, title, status = target > 200_000, [], None, "stopped"
        out, size, t, parent, lines = [], 0, t0, None, []
        tot, cost = dict(input=0, output=0, cacheRead=0, cacheWrite=0, reasoning=None), 0.0

        def emit(o, t, up=...):
            nonlocal size, parent
            eid = hexid(r, 8)
            pid = parent if up is ... else up
            typ = o.pop("type")
            if rust: e = {"type": typ, "id": eid, **({"parentId": pid} if pid else {}), "timestamp": iso(t), **o}
            else: e = {"type": typ, "id": eid, "parentId": pid, "timestamp": iso(t), **o}
            parent = eid
            b = (sdumps if rust else dumps)(e).encode()
            out.append(b); size += len(b) + 1
            return eid

        h = {"type": "session", "version": 3, "id": sid, "timestamp": iso(t0), "cwd": cwd}
        if rust: h.update(provider=prov, modelId=model, thinkingLevel="medium")
        out.append(dumps(h).encode())
        t += 60
        new = not rust and r.random() < .4
        if new and r.random() < .3: title = prose(r, 2, 5)[:-1] + (" " + TITLE_TOKEN if r.random() < .3 else ""); emit({"type": "session_info", "name": title}, t)
        emit({"type": "model_change", "provider": prov, "modelId": model}, t)
        emit({"type": "thinking_level_change", "thinkingLevel": "medium"}, t)
        if new: emit({"type": "message", "message": {"role": "system", "content": "", "sections": {"base": c.pool.take(r, 3000)}, "timestamp": t}}, t)
        first = None
        while True:
            t += 1500
            p = c.prompt(r, first is None)
            if first is None and r.random() < .03: p += "\n" + c.pool.take(r, r.randint(9_000, 40_000)); traps.append("long-prompt")
            first = first or p
            fork_point = parent
            emit({"type": "message", "message": {"role": "user", "content": p if rust else [{"type": "text", "text": p}], "timestamp": t}}, t)
            for _ in range(r.randint(1, 8)):
                t = step(r, t)
                m, u, co, call = assistant(r, t, prov, model, "toolUse")
                for f in u: tot[f] += u[f]
                cost += co
                emit({"type": "message", "message": m}, t)
                t = step(r, t)
                emit({"type": "message", "message": {"role": "toolResult", "toolCallId": call, "toolName": "bash", "content": [{"type": "text", "text": c.pool.take(r, result_size(r, big))}], "isError": False, "timestamp": t}}, t)
                if size >= target: break
            t = step(r, t)
            m, u, co, _c = assistant(r, t, prov, model, "stop")
            for f in u: tot[f] += u[f]
            cost += co
            emit({"type": "message", "message": m}, t)
            if size >= target: break
            t = step(r, t) + r.randint(0, 600_000)
            k = r.random()
            if k < .04 and not rust: parent = fork_point; traps.append("branch-left")        # the user went back in the tree
            elif k < .08: prov, model = r.choice(PI_MODELS); emit({"type": "model_change", "provider": prov, "modelId": model}, t); traps.append("model-change")
            elif k < .10 and not rust: title = "Named " + prose(r, 2, 4)[:-1]; emit({"type": "session_info", "name": title}, t); traps.append("mid-title")
        # a model change with no reply after it does not occur: the loop ends after an assistant message
        end = r.random()
        if end < .05 and not rust:
            status = "failed"; traps.append("api-error"); t = step(r, t)
            emit({"type": "message", "message": {"role": "user", "content": [{"type": "text", "text": prose(r)}], "timestamp": t}}, t); t += 1200
            emit({"type": "message", "message": assistant(r, t, prov, model, "error")[0]}, t)
        elif end < .12:
            traps.append("killed"); t = step(r, t)
            emit({"type": "message", "message": {"role": "user", "content": prose(r) if rust else [{"type": "text", "text": prose(r)}], "timestamp": t}}, t)
        fn = (iso(t0 + 2000).replace(":", "-") + "_" + sid[:8]) if rust else (iso(t0).replace(":", "-").replace(".", "-") + "_" + sid)
        path = os.path.join(root, slug(cwd), fn + ".jsonl")
        data = b"\n".join(out) + b"\n"
        c.write(path, data, t)
        if rust:
            c.write(path + ".lock", b"", t0)
            index.append((path, sid, cwd, iso(t0), len(out), t, len(data), None))
            if i % 40 == 2: c.write(os.path.join(root, slug(cwd), fn + ".v2", "segments", "000001.jsonl"), b"\n".join(out[:4]) + b"\n", t); traps.append("v2-folder")
        c.add(agent="pi-rust" if rust else "pi", id=sid, cwd=cwd, title=title, prompt=first, model=model, provider=prov, created_ms=t0, updated_ms=t, status=status, usage=tot, cost=round(cost, 6), path=path, bytes=len(data), traps=traps)
        if not rust and i % 6 == 1 and len(data) < 1_500_000 and PROMPT_TOKEN not in first.lower() and status == "stopped" and "killed" not in traps and t < c.now - 2 * DAY: forks.append((i, sid, path, out, parent, cwd, t, first, title, prov, model))
    for i, src, spath, lines, leaf, cwd, t, first, title, prov, model in forks[:max(1, n // 15)]:
        r = rng_for(c.a.seed, "pi-fork", i)
        t0 = t + r.randint(60_000, 3_600_000)
        sid, tot, cost, parent = uuid7(r, t0), dict(input=0, output=0, cacheRead=0, cacheWrite=0, reasoning=None), 0.0, leaf
        out = [dumps({"type": "session", "version": 3, "id": sid, "timestamp": iso(t0), "cwd": cwd, "parentSession": spath}).encode()] + lines[1:]
        t = t0 + 50
        own = None
        for _ in range(r.randint(1, 3)):
            own = own or prose(r)
            for m, u, co in [({"role": "user", "content": [{"type": "text", "text": own}], "timestamp": t}, {}, 0), assistant(r, t + 4000, prov, model, "stop")[:3]]:
                t = m["timestamp"]; eid = hexid(r, 8)
                out.append(dumps({"type": "message", "id": eid, "parentId": parent, "timestamp": iso(t), "message": m}).encode()); parent = eid
                for f in u: tot[f] += u[f]
                cost += co
            t += 9000
        t = m["timestamp"]
        path = os.path.join(root, slug(cwd), iso(t0).replace(":", "-").replace(".", "-") + "_" + sid + ".jsonl")
        data = b"\n".join(out) + b"\n"
        c.write(path, data, t)
        c.add(agent="pi", id=sid, cwd=cwd, title=title, prompt=first, prompt_alt=own, model=model, provider=prov, created_ms=t0, updated_ms=t, usage=tot, cost=round(cost, 6), forkedFrom=src, path=path, bytes=len(data), traps=["fork"])
    for k in range(3): os.makedirs(os.path.join(root, f"--home-dev-empty-{k}--"), exist_ok=True)
    if index:
        p = os.path.join(root, "session-index.sqlite")
        q = sqlite3.connect(p)
        q.execute("CREATE TABLE sessions(path TEXT PRIMARY KEY, id TEXT, cwd TEXT, timestamp TEXT, message_count INTEGER, last_modified_ms INTEGER, size_bytes INTEGER, name TEXT)")
        q.executemany("INSERT INTO sessions VALUES(?,?,?,?,?,?,?,?)", index); q.commit(); q.close()
        os.utime(p, ns=((c.now - 60_000) * 1_000_000,) * 2)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--home", required=True, help="folder that stands for $HOME (made if absent; must be empty or absent)")
    ap.add_argument("--profile", choices=PROFILES, default="small")
    ap.add_argument("--seed", type=int, default=7101)
    ap.add_argument("--sessions", type=int, help="main sessions in all (overrides the profile)")
    ap.add_argument("--median-kb", type=float, help="median JSONL size (overrides the profile)")
    ap.add_argument("--cap-mb", type=float, help="largest JSONL (overrides the profile; drops the forced tail above it)")
    ap.add_argument("--agents", default="claude,codex,opencode,pi", help="comma list; the mix is renormalised")
    ap.add_argument("--now", default="2026-11-20T00:00:00Z", help="end of the 12 months (fixed by default: determinism)")
    ap.add_argument("--user-home", default="/home/dev", help="home path that recorded cwds start with")
    ap.add_argument("--oc-legacy", type=float, default=.3, help="share of OpenCode sessions in the JSON storage of 1.1 (a third of them also in the database)")
    ap.add_argument("--codex-new-days", type=int, default=120, help="Codex sessions younger than this have the 0.169 shape")
    ap.add_argument("--manifest", help="default: <home>.manifest.json")
    a = ap.parse_args()
    a.home = os.path.abspath(a.home)
    a.now_ms = int(datetime.fromisoformat(a.now.replace("Z", "+00:00")).timestamp() * 1000)
    p = dict(PROFILES[a.profile])
    if a.sessions is not None: p["sessions"] = a.sessions
    if a.median_kb is not None: p["median_kb"] = a.median_kb
    if a.cap_mb is not None:
        p["tail"] = [(k, mb) for k, mb in p["tail"] if mb <= a.cap_mb]
        p["cap_mb"] = max(1, int(a.cap_mb))
    if os.path.isdir(a.home) and os.listdir(a.home): sys.exit(f"{a.home} is not empty")
    os.makedirs(a.home, exist_ok=True)
    t, c = time.time(), Ctx(a, p)
    agents = a.agents.split(",")
    tot = sum(MIX[x] for x in agents)
    counts = {x: int(p["sessions"] * MIX[x] / tot) for x in agents}
    counts[agents[0]] += p["sessions"] - sum(counts.values())
    for x in agents: globals()["gen_" + x](c, counts[x])
    by = {}
    for s in c.truth: by[s["agent"] + ("" if s["kind"] == "main" else "/sub")] = by.get(s["agent"] + ("" if s["kind"] == "main" else "/sub"), 0) + 1
    man = dict(profile=a.profile, seed=a.seed, now=a.now, home=a.home, files=c.files, bytes=c.bytes, counts=by, promptToken=PROMPT_TOKEN, titleToken=TITLE_TOKEN, sessions=c.truth)
    with open(a.manifest or a.home + ".manifest.json", "w") as f: json.dump(man, f, ensure_ascii=False)
    late = [s["id"] for s in c.truth if s["updated_ms"] > a.now_ms]
    print(json.dumps({k: man[k] for k in ("profile", "seed", "files", "bytes", "counts")}), f"late={len(late)} {time.time() - t:.1f}s", file=sys.stderr)


if __name__ == "__main__":
    main()
