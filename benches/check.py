#!/usr/bin/env python3
"""Holds one whole list, with usage, against what `corpus.py` says it has planted. Exit code 1 where they differ.

    python3 benches/corpus.py --profile small --home /tmp/small
    python3 benches/check.py target/release/headcount /tmp/small
"""
import json
import subprocess
import sys
from collections import Counter
from datetime import datetime

PARAMS = {"limit": 10000, "deadlineMs": 600000, "include": ["usage"], "includeSubagents": True}
PROMPT_MAX = 500


def millis(text):
    return text and round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def seen(session):
    """What headcount says of a session."""
    usage = session.get("usage") or {}
    return {
        "kind": session["kind"], "parent": session.get("parentSessionId"), "status": session["status"],
        "cwd": session.get("cwd"), "branch": session.get("branch"), "model": session.get("model"),
        "title": session.get("title"), "prompt": session.get("prompt"),
        "created": millis(session.get("createdAt")), "updated": millis(session.get("updatedAt")),
        "input": usage.get("inputTokens"), "output": usage.get("outputTokens"),
        "cacheRead": usage.get("cacheReadTokens"), "cacheWrite": usage.get("cacheWriteTokens"),
    }


def truths(planted):
    """What may be said of it: more than one answer where the documents allow more."""
    prompts = [planted["prompt"], planted.get("prompt_alt")]
    answers = {name: [planted[name]] for name in ("kind", "parent", "status", "cwd", "branch", "model", "title")}
    if (planted["title"] or "").startswith("New session - "):
        answers["title"] = [None]  # OpenCode's words for a session that has no title yet
    answers["prompt"] = [it and it[:PROMPT_MAX] for it in prompts]
    answers["created"] = [planted["created_ms"], planted.get("created_alt_ms")]
    answers["updated"] = [planted["updated_ms"]]
    for name in ("input", "output", "cacheRead", "cacheWrite"):
        answers[name] = [planted["usage"][name]]
    return answers


def main():
    binary, home = sys.argv[1:]
    command = [binary, "--home", home, "call", "session.list", json.dumps(PARAMS)]
    result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    shown = {(it["agent"], it.get("sessionId")): it for it in result["sessions"]}
    with open(home.rstrip("/") + ".manifest.json", encoding="utf-8") as file:
        planted = json.load(file)["sessions"]
    wrong, example = Counter(), {}
    for truth in planted:
        session = shown.pop((truth["agent"], truth["id"]), None)
        said = seen(session) if session else {}
        for name, answers in truths(truth).items():
            if said.get(name, "missing") not in answers:
                wrong[truth["agent"], name] += 1
                example.setdefault((truth["agent"], name), (truth["id"], said.get(name, "missing"), answers))
    print(f"{len(planted)} sessions planted, {len(shown)} shown that were not")
    for key, count in sorted(wrong.items()):
        print(f"{count:6} {key[0]} {key[1]}: {example[key]}")
    sys.exit(1 if wrong or shown else 0)


main()
