"""Planning hundreds of units needs seconds and little memory."""

import json
import subprocess
import sys

from tests.support.checkout import ROOT
from tests.support.fleet_simulation import write_fleet


def test_planning_of_300_units_takes_5_seconds_and_300_megabytes(workdir):
    write_fleet(workdir, minors=5, patches=15)
    command = [sys.executable, "-m", "tests.support.fleet_simulation", str(workdir)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    measured = json.loads(result.stdout)
    assert measured["jobs"] == 300
    assert measured["seconds"] <= 5, measured
    assert measured["peak_mb"] <= 300, measured
