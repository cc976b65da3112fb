"""Policies in Rego, evaluated by rego-cpp.

    preventive.py POLICIES < {NAME: PLAN}
        What the policies in that directory say of each plan of Terraform: {NAME: {"deny": [...], "warn": [...]}}.
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

from regopy import Interpreter

RULES = ("deny", "warn")


def judge(policies: list[Path], plan: Any) -> dict[str, list[str]]:
    rego = Interpreter()
    for policy in policies:
        rego.add_module(policy.name, policy.read_text())
    rego.set_input(plan)
    # In base64, since rego-cpp 1.5.2 prints a string that a built-in function has made without escaping what is in it.
    queries = {rule: f"[base64.encode(message) | some message in data.main.{rule}]" for rule in RULES}
    answers = {rule: rego.query(query).results[0].expressions[0] for rule, query in queries.items()}
    return {rule: sorted(base64.b64decode(it).decode() for it in answer) for rule, answer in answers.items()}


if __name__ == "__main__":
    found = sorted(Path(sys.argv[1]).glob("*.rego"))
    json.dump({name: judge(found, plan) for name, plan in json.load(sys.stdin).items()}, sys.stdout)
