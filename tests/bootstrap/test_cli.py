"""What the command line says to whoever mistypes."""

import subprocess
import sys


def test_it_calls_itself_what_one_types() -> None:
    words = [sys.executable, "-m", "regulars", "demo", "--nonsense"]
    told = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 2
    assert told.stderr.startswith("Usage: regulars demo") and "No such option: --nonsense" in told.stderr
