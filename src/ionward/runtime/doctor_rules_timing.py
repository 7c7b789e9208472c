"""Verdicts on timing: wake-ups, clocks, kernel, cores, who else decides about them, and the rights to be first.

Pure: readings and a demand in, checks out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ionward.runtime.doctor_check import BAD, GOOD, LIMITED, UNKNOWN, Check, Demand, text_ms
from ionward.runtime.doctor_readings import Processor, Readings, Rights, Timers, Wakeups
from ionward.runtime.role import PRIORITY
from ionward.runtime.sleeper import Lateness

WAKE, TIME, RIGHTS = "Wake-up", "Time and cores", "Rights"
WAKINGS_SURE = 300  # one late waking of fewer may be chance
BUSY = 0.5  # of all cores while measuring: others were at work
STEAL_LIMITED, STEAL_LIMITED_FAST = 0.05, 0.01
FAST_CLOCK_SOURCES = {"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "hyperv_clocksource"}
PREEMPTION_NAMES = {
    "rt": "PREEMPT_RT", "full": "PREEMPT", "lazy": "lazy", "voluntary": "voluntary", "none": "none",
}  # fmt: skip
RTPRIO = max(PRIORITY.values())
MEMORY_LOCK_MIB = 512.0  # address space of one of our processes, with room

AS_SERVICE = "run it as a service (`ionward service print`)"


def timing_checks(readings: Readings, demand: Demand) -> Iterator[Check]:
    """All checks of this module."""
    judged = loop_for(readings.wakeups, demand.cycle_s)
    for wakeups in readings.wakeups:
        yield wake_check(wakeups, readings, demand, counts=wakeups is judged)
    yield timer_check(readings.timers, demand)
    yield clock_source_check(readings.timers, demand)
    yield kernel_check(readings.timers, demand)
    yield cores_check(readings.processor, demand)
    yield quota_check(readings.processor)
    yield governor_check(readings.processor, demand)
    yield host_check(readings.processor, demand)
    yield fifo_check(readings, demand)
    yield memory_lock_check(readings, demand)
    yield user_check(readings.rights)


def loop_for(wakeups: tuple[Wakeups, ...], cycle_s: float) -> Wakeups | None:
    """The measured loop that tells about a cycle: the slowest one that is not slower than it, else the fastest."""
    ordered = sorted(wakeups, key=lambda w: w.period_ms)
    not_slower = [w for w in ordered if w.period_ms <= cycle_s * 1e3 * (1 + 1e-9)]
    return not_slower[-1] if not_slower else (ordered[0] if ordered else None)


def wake_verdict(late: Lateness, demand: Demand) -> tuple[str, str]:
    """Verdict on a loop for a demand's cycle, and what was found wanting.

    Good: 999 of 1,000 wakings within one cycle, none later than half the time that enables last. Bad: more than one in
    a hundred later than a cycle, or one so late that contactors would have opened.
    """
    cycle_ms, expiry_ms = demand.cycle_s * 1e3, demand.expiry_s * 1e3
    if late.p99_ms > cycle_ms:
        if late.n < WAKINGS_SURE:
            return LIMITED, f"wakings are a whole cycle late, {late.n} are too few to be sure (--seconds)"
        return BAD, "more than one waking in a hundred is a whole cycle late"
    if demand.contactors and late.max_ms > expiry_ms:
        return BAD, f"one waking was {text_ms(late.max_ms)} late: contactors would have opened"
    if late.p999_ms > cycle_ms:
        return LIMITED, "some wakings are a whole cycle late"
    if demand.contactors and late.max_ms > expiry_ms / 2:
        return LIMITED, f"one waking was {text_ms(late.max_ms)} late, contactors open at {text_ms(expiry_ms)}"
    return GOOD, ""


def wake_check(wakeups: Wakeups, readings: Readings, demand: Demand, counts: bool = True) -> Check:
    """How late the loop is woken that control would run, judged for the demand's cycle, else for the loop's own."""
    period_ms = wakeups.period_ms
    known = Check(
        f"wake_{period_ms:g}ms", WAKE, f"wake-up at {period_ms:g} ms", "", UNKNOWN, counts=counts, needed=True
    )
    if wakeups.loop is None:
        return known.found(
            UNKNOWN, "could not be measured", "see why `python -m ionward.runtime.sleeper` does not run for this user"
        )
    late = wakeups.loop
    figure = f"p99.9 {text_ms(late.p999_ms)}, max {text_ms(late.max_ms)}, {late.overruns} overruns in {late.n:,}"
    if wakeups.bare:
        figure += f"; bare sleeper max {text_ms(wakeups.bare.max_ms)}"
    asked = demand if counts else replace(demand, cycle_s=period_ms / 1e3)
    verdict, why = wake_verdict(late, asked)
    return known.found(verdict, figure, f"{why}: {_wake_change(readings, asked)}" if why else "")


def _wake_change(readings: Readings, demand: Demand) -> str:
    """The likeliest thing that makes wake-ups late, as something to do."""
    processor = readings.processor
    if readings.rights.fifo is False:
        return "permit SCHED_FIFO first (see Rights), then measure again"
    if processor.quota_cores is not None:
        return "lift the CPU quota of this container first"
    if (processor.busy_share or 0.0) > BUSY:
        return "stop what else is busy here, then measure again"
    if processor.virtual:
        return "a virtual machine wakes when its host pleases; take own hardware, or dedicated cores from the host"
    if processor.governors and processor.governors != ("performance",):
        return "set the CPU governor to performance, then measure again"
    if readings.timers.preemption != "rt":
        longer = "" if demand.fast else ", or choose a longer cycle"
        return f"stop what else is busy here, use a PREEMPT_RT kernel, keep other services off one core{longer}"
    return "look for firmware interrupts and power saving (BIOS settings), keep other services off one core"


def timer_check(timers: Timers, demand: Demand) -> Check:
    """Steps of the clock, and how much the kernel may add to a sleep to save power."""
    known = Check("timer", TIME, "timer", "not known", UNKNOWN)
    if timers.resolution_s is None:
        return known
    figure = f"steps of {_short_s(timers.resolution_s)}"
    slack_s = (timers.slack_ns or 0) / 1e9
    if timers.slack_ns is not None:
        figure += f", slack {_short_s(slack_s)}"
    if timers.resolution_s > demand.cycle_s / 20:
        verdict = BAD if timers.resolution_s > demand.cycle_s / 4 else LIMITED
        return known.found(verdict, figure, "use a kernel with high-resolution timers (CONFIG_HIGH_RES_TIMERS)")
    if slack_s > demand.cycle_s / 5:
        return known.found(LIMITED, figure, "set TimerSlackNSec=50us in the service unit")
    return known.found(GOOD, figure)


def clock_source_check(timers: Timers, demand: Demand) -> Check:
    """What the monotonic clock counts by: a slow one costs microseconds at each look."""
    known = Check("clock_source", TIME, "clock source", timers.clock_source or "not known", UNKNOWN)
    if not timers.clock_source:
        return known
    if timers.clock_source in FAST_CLOCK_SOURCES or not demand.fast:
        return known.found(GOOD)
    return known.found(LIMITED, change="a slow clock: `dmesg | grep -i tsc` says why the kernel left the fast one")


def kernel_check(timers: Timers, demand: Demand) -> Check:
    """Whether the kernel lets itself be interrupted by an urgent process."""
    model = PREEMPTION_NAMES.get(timers.preemption, "not known")
    if timers.preemption_switchable:
        model = f"dynamic, {model}" if timers.preemption else "dynamic, mode not readable"
    figure = f"{model} (Linux {timers.kernel})" if timers.kernel else model
    known = Check("kernel", TIME, "preemption", figure, UNKNOWN)
    if not timers.preemption:
        return known
    if timers.preemption in ("rt", "full") or not demand.fast:
        return known.found(GOOD)
    change = "boot with preempt=full" if timers.preemption_switchable else "use a kernel with PREEMPT or PREEMPT_RT"
    return known.found(LIMITED, change=f"{change}: a kernel call of another program can hold the loop up")


def cores_check(processor: Processor, demand: Demand) -> Check:
    """Cores that this program may use."""
    known = Check("cores", TIME, "cores", "not known", UNKNOWN)
    if processor.cores is None:
        return known
    figure = f"{processor.cores}, {f'isolated: {processor.isolated}' if processor.isolated else 'none isolated'}"
    if processor.busy_share is not None:
        figure += f", {processor.busy_share:.0%} busy while measuring"
    if processor.cores < 2 and demand.contactors:
        return known.found(LIMITED, figure, "give it two cores: dashboard and recorder share the one with control")
    return known.found(GOOD, figure)


def quota_check(processor: Processor) -> Check:
    """A CPU quota stops all processes of a container for tens of milliseconds when it is used up."""
    known = Check("cpu_quota", TIME, "CPU quota", "none", GOOD)
    if processor.quota_cores is None:
        return known
    change = "remove it (--cpus, CPUQuota=, Kubernetes CPU limit): when it is used up, all processes stand still"
    return known.found(LIMITED, f"{processor.quota_cores:g} cores", change)


def governor_check(processor: Processor, demand: Demand) -> Check:
    """Whether the clock of the cores goes up and down."""
    known = Check("governor", TIME, "CPU governor", ", ".join(processor.governors), UNKNOWN)
    if not processor.governors:
        return known.found(UNKNOWN, "not shown by this virtual machine" if processor.virtual else "not shown")
    if processor.governors == ("performance",) or not demand.fast:
        return known.found(GOOD)
    return known.found(LIMITED, change="set it at each start: `cpupower frequency-set -g performance`")


def host_check(processor: Processor, demand: Demand) -> Check:
    """Virtual machine or container, and how much of the cores the host took away."""
    words = [f"virtual machine ({processor.virtual})"] if processor.virtual else []
    words += [f"container ({processor.container})"] if processor.container else []
    figure = ", ".join(words) or "own hardware"
    steal = processor.steal_share
    if steal is not None and processor.virtual:
        figure += f", steal {steal:.1%}"
    known = Check("host", TIME, "host", figure, GOOD)
    if steal is not None and steal > (STEAL_LIMITED_FAST if demand.fast else STEAL_LIMITED):
        return known.found(LIMITED, change="the host gives our cores to others: ask it for dedicated (pinned) cores")
    if processor.virtual and demand.fast:
        change = "no virtual machine can promise milliseconds: take own hardware, or dedicated (pinned) cores"
        return known.found(LIMITED, change=change)
    return known


def _allow(limit: str, docker: str, processor: Processor) -> str:
    """How a right is given, where we are."""
    if processor.container and not processor.virtual:
        return f"start the container with {docker}"
    return f"{AS_SERVICE}, or put `{limit}` into /etc/security/limits.d/"


def fifo_check(readings: Readings, demand: Demand) -> Check:
    """Real-time priority, tried in a process of its own."""
    rights = readings.rights
    known = Check("fifo", RIGHTS, "real-time priority", "could not be tried", UNKNOWN)
    if rights.fifo is None:
        return known
    if rights.fifo:
        return known.found(GOOD, "SCHED_FIFO permitted")
    figure = f"SCHED_FIFO refused (RLIMIT_RTPRIO {rights.rtprio_limit})"
    if not demand.contactors:
        return known.found(GOOD, f"{figure}, not needed")
    docker = f"--cap-add SYS_NICE --ulimit rtprio={RTPRIO}"
    return known.found(LIMITED, figure, _allow(f"{rights.user} - rtprio {RTPRIO}", docker, readings.processor))


def memory_lock_check(readings: Readings, demand: Demand) -> Check:
    """Memory lock, tried in a process of its own; the limit must also hold what is loaded later."""
    rights = readings.rights
    known = Check("memory_lock", RIGHTS, "memory lock", "could not be tried", UNKNOWN)
    if rights.memory_locked is None:
        return known
    free = rights.memlock_free or rights.memlock_mib is None
    figure = "permitted" if rights.memory_locked else "refused"
    figure += ", no limit" if free else f", limit {rights.memlock_mib:.0f} MiB"
    if rights.memory_locked and (free or (rights.memlock_mib or 0.0) >= MEMORY_LOCK_MIB):
        return known.found(GOOD, figure)
    if not demand.contactors:
        return known.found(GOOD, f"{figure}, not needed")
    limit = f"{rights.user} - memlock unlimited"
    return known.found(LIMITED, figure, _allow(limit, "--ulimit memlock=-1", readings.processor))


def user_check(rights: Rights) -> Check:
    """The user, and how far it may go without real-time priority."""
    known = Check("user", RIGHTS, "user", rights.user or "not known", UNKNOWN)
    if rights.nice_lowest is None:
        return known
    nice = f"nice down to {rights.nice_lowest}" if rights.nice_lowest < 0 else "may not lower its nice value"
    return known.found(GOOD, f"{rights.user}, {nice}")


def _short_s(seconds: float) -> str:
    if seconds < 1e-6:
        return f"{seconds * 1e9:.0f} ns"
    return f"{seconds * 1e6:.0f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"
