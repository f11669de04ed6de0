"""On what the figures were measured."""

import os
import platform
import resource
import statistics
import time
from datetime import date


def processor():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.machine()


def memory_bytes():
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def file_system(folder):
    """The type of the file system that the folder is on."""
    best = ("", "unknown")
    with open("/proc/mounts") as file:
        for line in file:
            _, point, kind, *_ = line.split()
            inside = str(folder).startswith(point.rstrip("/") + "/") or point == "/"
            if inside and len(point) >= len(best[0]):
                best = (point, kind)
    return best[1]


def sync_us(folder, count=200):
    """Median of writing 4 KiB and waiting for the disk: (to a growing file, over old bytes)."""
    path = folder / "sync"
    block = b"x" * 4096
    medians = []
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for _ in range(2):
            os.lseek(descriptor, 0, os.SEEK_SET)
            times = []
            for _ in range(count):
                begin = time.perf_counter()
                os.write(descriptor, block)
                os.fdatasync(descriptor)
                times.append((time.perf_counter() - begin) * 1e6)
            medians.append(statistics.median(times))
    finally:
        os.close(descriptor)
        path.unlink()
    return medians


class Neighbours:
    """How much of the machine others used meanwhile. Counts children that were waited for."""

    def __init__(self):
        self._begin, self._busy, self._ours = time.monotonic(), self._all(), self._own()

    def share(self):
        busy = self._all() - self._busy - (self._own() - self._ours)
        return max(busy, 0) / ((time.monotonic() - self._begin) * os.cpu_count())

    @staticmethod
    def _all():
        with open("/proc/stat") as file:
            user, nice, system, _, _, irq, soft, steal, *_ = map(int, file.readline().split()[1:])
        return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _own():
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(used.ru_utime + used.ru_stime for used in both)


def describe(folder):
    growing, over = sync_us(folder)
    return {"date": date.today().isoformat(), "cores": os.cpu_count(), "processor": processor(),
            "memory_gb": round(memory_bytes() / 1e9), "kernel": platform.release(),
            "file_system": file_system(folder), "sync_growing_us": round(growing),
            "sync_over_us": round(over), "real_time": os.sched_getscheduler(0) in (
                os.SCHED_FIFO, os.SCHED_RR)}
