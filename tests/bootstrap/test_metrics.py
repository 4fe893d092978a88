"""What several processes count is shown as one, and their folder leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from regulars.bootstrap.metrics import PROCESS_NAME, close_metrics, forget_standing, open_metrics
from regulars.platform.telemetry import METRICS_FOLDER

COUNT = """
from regulars.bootstrap.metrics import count_by_name
from regulars.channels.metering import Meter
count_by_name()
meter = Meter("line", "push")
meter.count("accepted")
meter.time(0.1)
meter.show_circuit(True)
{then}
"""
SHOW = "from regulars.platform.telemetry import render_metrics; print(render_metrics({folder!r}).decode())"


NAMES = ("web", "worker")
PLACE = '{channel="line",endpoint="push"'
ACCEPTED = f'regulars_channel_requests_total{PLACE},outcome="accepted"}}'
OPEN = f"regulars_channel_circuit_open{PLACE}}}"


def start(folder: Path, code: str, name: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, METRICS_FOLDER: str(folder), PROCESS_NAME: name}
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, text=True, **streams)


def show(folder: Path) -> dict[str, float]:
    """The samples by name and labels."""
    told, _ = start(folder, SHOW.format(folder=str(folder)), "shown").communicate(timeout=60)
    lines = [line for line in told.splitlines() if line and not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_counts_of_all_processes_are_added_up_and_a_dead_ones_standing_is_forgotten(tmp_path: Path) -> None:
    folder = open_metrics(tmp_path)
    lives = {name: start(folder, COUNT.format(then="print('there', flush=True); input()"), name) for name in NAMES}
    for one in lives.values():
        assert one.stdout is not None and one.stdout.readline() == "there\n"
    told = show(folder)
    assert told[ACCEPTED] == 2 and told[f"regulars_channel_request_seconds_count{PLACE}}}"] == 2
    assert told[OPEN] == 1
    assert told["process_resident_memory_bytes"] > 0
    for name, one in lives.items():
        one.kill()
        one.wait()
        assert show(folder)[OPEN] == 1, "of the other it stands"
        forget_standing(folder, name)
    told = show(folder)
    assert told[ACCEPTED] == 2, "what was counted stays"
    assert OPEN not in told
    close_metrics(folder)
    assert not folder.exists()


def test_however_often_one_is_killed_it_counts_on_in_the_same_files(tmp_path: Path) -> None:
    folder = open_metrics(tmp_path)
    for life in range(1, 6):
        one = start(folder, COUNT.format(then="print('there', flush=True); input()"), "worker")
        assert one.stdout is not None and one.stdout.readline() == "there\n"
        one.kill()
        one.wait()
        told = show(folder)
        assert (told[ACCEPTED], told[f"regulars_channel_request_seconds_count{PLACE}}}"]) == (life, life)
        files = {file.name for file in folder.iterdir()}
        assert files == {"counter_worker.db", "histogram_worker.db", "gauge_livemax_worker.db"}
    close_metrics(folder)


FORK = "import os\nif os.fork() == 0: meter.count('accepted'); os._exit(0)\nos.wait()"
SPAWN = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {COUNT.format(then='')!r}], check=True)"


@pytest.mark.parametrize("begin", [FORK, SPAWN], ids=["fork", "spawn"])
def test_what_a_process_starts_counts_in_files_of_its_own(tmp_path: Path, begin: str) -> None:
    folder = open_metrics(tmp_path)
    one = start(folder, COUNT.format(then=begin), "web")
    one.communicate(timeout=60)
    assert one.returncode == 0 and show(folder)[ACCEPTED] == 2
    assert len(list(folder.glob("counter_*.db"))) == 2
    close_metrics(folder)


def test_what_a_killed_supervisor_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    left = open_metrics(tmp_path)
    (left / "counter_1.db").write_bytes(b"")
    folder = open_metrics(tmp_path)
    assert not left.exists() and folder.is_dir() and (tmp_path / "metrics").readlink() == folder
    close_metrics(folder)
    close_metrics(folder)


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "metrics").symlink_to(other)
    close_metrics(open_metrics(tmp_path))
    assert other.is_dir()
