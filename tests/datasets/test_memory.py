"""What threads decode at once is bounded in bytes, whatever the files look like."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from industrial_helpers import mask, picture, write, write_mvtec
from PIL import Image

from adjax.datasets import audit, check, industrial, memory
from adjax.datasets.layouts import read_index

LARGE = 1000  # pixels wide and high, in the header


class Flight:
    """Counts what is in flight in place of decoding it; lets others come in the meantime."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.most = self.calls = 0

    def hold(self, size):
        with self.lock:
            self.now, self.calls = self.now + size, self.calls + 1
            self.most = max(self.most, self.now)
        time.sleep(0.005)
        with self.lock:
            self.now -= size


@pytest.fixture
def flight(monkeypatch):
    """A fake decoder; every file's header says that its image is large."""
    flight = Flight()

    def decode(path, bits=0):
        flight.hold(LARGE**2)
        return Image.new("L", (12, 12))

    def read_mask(path):
        flight.hold(LARGE**2)
        return mask((12, 12))

    monkeypatch.setattr(memory, "count_pixels", lambda path: LARGE**2)
    monkeypatch.setattr(industrial, "decode", decode)
    monkeypatch.setattr(industrial, "read_mask", read_mask)
    monkeypatch.setattr(industrial, "read_size", lambda path: (12, 12))
    monkeypatch.setattr(check, "inspect_image", lambda path, bits=0: facts_of(decode(path)))
    return flight


def facts_of(image):
    from adjax.datasets.images import ImageFacts

    return ImageFacts(image.height, image.width, 1, ())


def holding(monkeypatch, images, per_pixel):
    """A budget for so many of the large images."""
    size = images * (LARGE**2 * per_pixel + 10_000)
    monkeypatch.setattr(memory, "_BUDGET", memory.Budget(size))


@pytest.fixture
def index(tmp_path):
    root = write_mvtec(tmp_path / "part")
    for number in range(3, 16):
        write(root / f"train/good/{number:03}.png", picture(number))
    return read_index("folder", str(root))


def table(index, read, workers=8):
    files = industrial.FileTable(index, "train", "test", size=8, channels=1, workers=workers)
    getattr(files, read)(np.arange(len(files)))


@pytest.mark.parametrize(
    ("per_pixel", "use"),
    [
        (memory.READING, lambda index: table(index, "read")),
        (memory.MASK, lambda index: table(index, "read_masks")),
        (memory.STATISTICS, audit.audit.__wrapped__),
        (memory.MASK, check.check_data),
    ],
    ids=["images", "masks", "audit", "check"],
)
@pytest.mark.parametrize("room", [1, 2])
def test_no_more_is_decoded_than_there_is_room_for(
    index, flight, monkeypatch, per_pixel, use, room
):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr(audit, "item_image", lambda item, bits: industrial.item_image(item, bits))
    holding(monkeypatch, room, per_pixel)
    if use is check.check_data:  # the audit, which has its own case, needs more a pixel
        monkeypatch.setattr(check, "audit", lambda *_: ())
        monkeypatch.setattr(memory, "READING", per_pixel)
        monkeypatch.setattr(memory.room_for.__wrapped__, "__defaults__", (per_pixel,))
    use(index)
    assert flight.calls >= 4
    assert flight.most <= room * LARGE**2
    if room == 2:
        assert flight.most == 2 * LARGE**2  # what fits is done at once


def test_without_a_bound_there_is_more(index, flight, monkeypatch):
    holding(monkeypatch, 100, memory.READING)
    table(index, "read")
    assert flight.most > 2 * LARGE**2


@pytest.mark.parametrize("seed", range(5))
def test_budget_is_kept_and_everyone_is_served(seed):
    budget, flight = memory.Budget(100), Flight()
    sizes = np.random.default_rng(seed).integers(0, 100, 60).tolist()

    def work(size):
        with budget.hold(size):
            flight.hold(size)

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(work, sizes))
    assert flight.calls == len(sizes)
    assert flight.most <= 100


def test_what_is_larger_than_all_is_held_alone():
    budget, flight = memory.Budget(100), Flight()

    def work(size):
        with budget.hold(size):
            flight.hold(size)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, [250, 3, 250, 40, 250, 60] * 3))
    assert flight.most == 250


def test_a_thread_that_holds_some_does_not_wait_for_more():
    budget = memory.Budget(10)
    with budget.hold(8), budget.hold(8):
        pass
    with pytest.raises(KeyError), budget.hold(10):
        raise KeyError
    with ThreadPoolExecutor(1) as threads:  # all was given back
        assert threads.submit(budget.hold(10).__enter__).result(timeout=60) is None


def test_files_that_cannot_be_read_need_no_room(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    for path in (tmp_path / "a.png", tmp_path / "absent.png", tmp_path):
        with memory.room_for(path):
            pass
