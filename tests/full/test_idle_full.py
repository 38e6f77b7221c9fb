"""echoc idle as it is used: seconds to a minute, and how near the answer is to the truth."""
import threading

import pytest

from echoc_bench import echoc, fake
from test_idle import cutter, look, raw

TOLERANCE_S = 2


@pytest.mark.limit(600)
def test_how_near(echoc, cutter, raw):
    """Each cut in each way, all at once, with the usual resolution."""
    cases = [(cut_s, how) for how in ("fin", "silent", "late") for cut_s in (3, 12, 35)]
    found = {}

    def run(case):
        found[case] = look(echoc, "raw:" + cutter(raw, *case).address, "--max", "1m", timeout=500)

    threads = [threading.Thread(target=run, args=(case,)) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for cut_s, how in cases:
        result = found[cut_s, how]
        print(f"{how:7} {cut_s:3} s: between {result['lower_s']:.3f} and {result['upper_s']:.3f} s, "
              f"in {result['took_s']:.0f} of {result['estimate_s']:.0f} s")
    for cut_s, how in cases:
        result = found[cut_s, how]
        assert cut_s - TOLERANCE_S < result["lower_s"] < cut_s + 0.1
        assert cut_s - 0.1 < result["upper_s"] < cut_s + (0.1 if how == "fin" else TOLERANCE_S)
        assert result["survived_beyond_s"] is None
