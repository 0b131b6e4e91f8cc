"""The engine among the things a process does: forks, threads, signals, its end. Each in a process of its own.

A run is known by its bits: whatever goes on around it, forward and every gradient are those of a run alone.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from unrolled.engine import library

pytestmark = pytest.mark.skipif(library() is None, reason="installed without the native engine")

PRELUDE = """
import copy, os, signal, sys, threading, time
import torch
from unrolled import Recurrent
torch.set_num_threads(3)

layers = {cell: Recurrent(cell, 33, 64) for cell in ("lstm", "gru", "rnn", "layer_norm_lstm")}

def bits(seed=0, cell="lstm"):
    '''Forward and backward of a layer, as bytes. (With few operations of torch: its own threads survive no fork, and
    nobody lets go of its generator where another thread draws as the process forks.)'''
    made = torch.Generator().manual_seed(seed)
    layer = copy.deepcopy(layers[cell])
    with torch.no_grad():
        for one in layer.parameters():
            one.copy_(torch.randn(one.shape, generator=made) / 8)
    x = torch.randn(12, 17, 33, generator=made).requires_grad_()
    output, after = layer(x)
    sum((value * value).sum() for value in (output, *after.values())).backward()
    arrays = [output.detach(), x.grad, *(one.grad for one in layer.parameters())]
    return b"".join(one.contiguous().numpy().tobytes() for one in arrays)

alone = bits()

def same_in_a_child():
    '''Fork; whether the child computes the same.'''
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os._exit(0 if bits() == alone else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


def _process(code, *, timeout=120, **options):
    """Run code after the prelude; what it prints."""
    script = PRELUDE + code
    ended = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", script], capture_output=True, text=True, timeout=timeout,
        cwd=Path(__file__).parents[2], **options,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout.strip()


def test_a_fork_has_a_team_of_its_own():
    """Also where the parent's threads are at work as it forks, and in the child of a child."""
    told = _process("""
is_done = threading.Event()
def work():
    while not is_done.is_set():
        bits(1, "gru")
busy = [threading.Thread(target=work) for _ in range(2)]
found = [same_in_a_child()]
for one in busy: one.start()
found += [same_in_a_child() for _ in range(10)]
is_done.set()
for one in busy: one.join()
child = os.fork()
if child == 0:
    signal.alarm(30)
    os._exit(1 if bits() != alone else same_in_a_child())
found.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(found, bits() == alone)
""")
    assert told == f"{[0] * 12} True"


def test_threads_that_call_at_once(tmp_path):
    """The bits of each are those of a call alone; and threads that end leave nothing behind."""
    told = _process("""
cells = ["lstm", "gru", "rnn", "layer_norm_lstm"]
wanted = {(seed, cell): bits(seed, cell) for seed in range(2) for cell in cells}
wrong = []
def work(number):
    for turn in range(6):
        key = (number + turn) % 2, cells[(number + turn) % 4]
        if bits(*key) != wanted[key]:
            wrong.append(key)
def together(count):
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for one in threads: one.start()
    for one in threads: one.join()
def count():
    time.sleep(0.2)  # (a thread that was joined may take a while to go)
    return len(os.listdir("/proc/self/task"))
together(8)
before = count()
for _ in range(4): together(8)
print(wrong, count() - before < 8)
""")
    assert told == "[] True"


def test_python_goes_on_while_the_engine_works():
    told = _process("""
layer, x = Recurrent("lstm", 256, 512), torch.randn(100, 64, 256)
span, seen = [], []
def work():
    with torch.no_grad():
        layer(x)
        from unrolled.engine import native
        run = native.Executable.run
        def timed(*arguments, **options):
            span.append(time.monotonic())
            run(*arguments, **options)
            span.append(time.monotonic())
        native.Executable.run = timed
        layer(x)
thread = threading.Thread(target=work)
thread.start()
while thread.is_alive():
    seen.append(time.monotonic())
begin, end = span
print(any(begin + 0.1 * (end - begin) < one < end - 0.1 * (end - begin) for one in seen))
""")
    assert told == "True"


LOADER = """
from torch.utils.data import DataLoader, Dataset
class Runs(Dataset):
    def __len__(self): return 6
    def __getitem__(self, place): return place if bits() == wanted else -1
if __name__ == "__main__":
    loader = DataLoader(Runs(), batch_size=2, num_workers=2, multiprocessing_context=sys.argv[1], timeout=60)
    found = [one for batch in loader for one in batch.tolist()]
    print(found, bits() == alone)
"""


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_workers_of_a_data_loader(tmp_path, way):
    script = tmp_path / "loader.py"
    script.write_text(PRELUDE + "wanted = alone\n" + LOADER)
    ended = subprocess.run([sys.executable, script, way], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stdout.strip() == "[0, 1, 2, 3, 4, 5] True"


@pytest.mark.proof  # (one run of about thirty ended in "does not require grad": not understood yet)
def test_signals():
    """A handler that calls the engine itself, then one that interrupts, at any moment of a training step."""
    told = _process("""
found = []
def call(*_):
    with torch.enable_grad():  # (a forward pass may have been interrupted)
        found.append(bits() == alone)
signal.signal(signal.SIGALRM, call)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.01)
while len(found) < 40:
    found.append(bits() == alone)
layer, x = Recurrent("lstm", 33, 64), torch.randn(12, 17, 33)
def step():
    output, _ = layer(x)
    (output * output).sum().backward()
step()
may_interrupt, interrupted = False, 0
def interrupt(*_):
    global may_interrupt, interrupted
    if may_interrupt:
        may_interrupt, interrupted = False, interrupted + 1
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.0011, 0.0017)
while interrupted < 200:
    try:
        may_interrupt = True
        step()
        may_interrupt = False
    except KeyboardInterrupt:
        torch.set_grad_enabled(True)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
signal.setitimer(signal.ITIMER_REAL, 0)
print(all(found), bits() == alone)
""")
    assert told == "True True"


def test_the_end_of_a_process():
    """Idle threads, a call as the interpreter ends, one that another thread is in, memory that outlives the modules."""
    told = _process("""
import atexit
atexit.register(lambda: print("at the end", bits() == alone))
long, x = Recurrent("lstm", 8, 512), torch.randn(500, 8, 8)
def work():
    with torch.no_grad():
        long(x)
threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
layer = Recurrent("gru", 5, 7)
held = layer(torch.randn(3, 2, 5))
sys.modules["held until the end"] = held
print("main has ended")
""")
    assert told.splitlines() == ["main has ended", "at the end True"]


def test_more_threads_than_cores():
    told = _process("""
found = []
for count in (64, 1, 300, 2):
    torch.set_num_threads(count)
    found.append(bits() == alone)
print(found)
""")
    assert told == "[True, True, True, True]"


def test_a_system_that_gives_no_more_threads():
    """Those that there are do the work: here the stacks of new threads find no room."""
    told = _process(
        """
import resource
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), resource.RLIM_INFINITY))
before = len(os.listdir("/proc/self/task"))
torch.set_num_threads(16)
print(bits() == alone, len(os.listdir("/proc/self/task")) - before)
""",
        preexec_fn=_large_stacks,
        env={"OMP_NUM_THREADS": "1", "PATH": ""},
    )
    assert told == "True 0"


def _large_stacks():
    import resource

    resource.setrlimit(resource.RLIMIT_STACK, (1 << 32, resource.getrlimit(resource.RLIMIT_STACK)[1]))
