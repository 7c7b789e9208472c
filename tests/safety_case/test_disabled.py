"""A mark is a promise: without the rule, the test that verifies it turns red. Held for a sample of requirements."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from helpers.data import ROOT
from ionward.image.faults import FAULTS
from ionward.safety_case.case import load_case
from ionward.safety_case.trace import trace

SCRIPT = Path(__file__).with_name("disabled.py")
AT_LEAST = 20


def test_without_its_rule_a_requirements_test_turns_red() -> None:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT / "tests")}
    ended = subprocess.run([sys.executable, str(SCRIPT)], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    sample = json.loads(ended.stdout)
    assert [s for s in sample if s["with_rule"] != "passed"] == []
    assert [s for s in sample if s["without_rule"] != "failed"] == []
    assert len({s["requirement"] for s in sample}) >= AT_LEAST
    # What is taken away here is what the trace says verifies it.
    traced = trace(load_case(), ROOT / "tests").requirements
    faults = {f.requirement: f.id for f in FAULTS}
    for s in sample:
        case = f"[{faults[s['requirement']]}]" if s["case"] else ""
        assert f"{s['test']}{case}" in traced[s["requirement"]].tests
