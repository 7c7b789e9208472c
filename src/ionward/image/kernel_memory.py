"""What the protection kernel remembers from tick to tick: the layouts of its memory. `safety` works on it."""

from __future__ import annotations

from ionward.image.catalogue import Signal, record, rows
from ionward.image.signals import LEVELS

STEPS = len(LEVELS) - 1  # levels above none

# Of every fault: what its rule found in this tick, and how far its ladder is.
VERDICT_FIELDS = (
    Signal("value", "", "Worst value, in the fault's unit"),
    Signal("newest", "", "Worst value among the samples that came in this tick; NaN when none came"),
    Signal("place", "", "Cell, sensor, channel or module of the worst value, -1 none"),
    Signal("usable", "", "The value may be judged", "i8", 0, 1),
    Signal("complete", "", "Everything that this rule watches is known", "i8", 0, 1),
    Signal("active", "", "The value may raise a level; otherwise it can only clear", "i8", 0, 1),
)
PROGRESS_FIELDS = (
    Signal("raised_place", "", "Place of the worst value when the present level was reached"),
    Signal("busy", "", "Some level is being counted towards", "i8", 0, 1),
    Signal("retried_s", "s", "When the first of its retries was"),
    *(Signal(f"up_samples_{k}", "", "New samples beyond set, in a row") for k in range(STEPS)),
    *(Signal(f"up_s_{k}", "s", "Time beyond set, in a row") for k in range(STEPS)),
    Signal("down_samples", "", "New samples within clear of the present level, in a row"),
    Signal("down_s", "s", "Time within clear of the present level, in a row"),
)
VERDICT = rows("Verdict", VERDICT_FIELDS)
PROGRESS = rows("Progress", PROGRESS_FIELDS)
UP_SAMPLES, UP_S = PROGRESS.up_samples_0, PROGRESS.up_s_0

# Of every measured item: how its samples came.
HISTORY_FIELDS = (
    Signal("raw_s", "s", "Time that stood beside the raw value when it was looked at last"),
    Signal("last_s", "s", "Newest plausible sample time, accepted or refused"),
    Signal("good", "", "Last accepted value"),
    Signal("good_s", "s", "Its sample time"),
    Signal("changed_s", "s", "Sample time at which the accepted value last changed by one digit"),
    Signal("held_since_s", "s", "Tick time of the first refused sample of this run"),
    Signal("jump", "", "Newest value of a jump that is not believed yet"),
    Signal("jump_s", "s", "Its sample time"),
    Signal("jump_per_s", "1/s", "How fast the jump went on with it"),
    Signal("jump_samples", "", "Samples of the jump that agree with each other on a level"),
    Signal("course_samples", "", "Samples of the jump that agree with each other on a course"),
)
HISTORY = rows("History", HISTORY_FIELDS)

# Of every contactor.
CONTACT_FIELDS = (
    Signal("welded_s", "s", "Feedback closed while commanded open for so long; -1 not at all"),
    Signal("stuck_s", "s", "Feedback open while commanded closed for so long; -1 not at all"),
    Signal("commanded", "", "Command of the tick before"),
    Signal("steady_s", "s", "The command has not changed for so long"),
    Signal("feedback", "", "Feedback when read last; -1 never"),
    Signal("read_steady_s", "s", "For how long its command had been the same when feedback was read last"),
    Signal("changes", "", "Changes of the feedback that no command explains, fading"),
)
CONTACT = rows("Contact", CONTACT_FIELDS)
CONTACTORS = 3

# Of measurement points, once each.
POINT = rows(
    "PointFields",
    (
        Signal("idle_s", "s", "Cooling is demanded and stands still for so long; -1 not at all"),
        Signal("crc_count", "", "Checksum errors counted when looked at last; NaN not known"),
        Signal("crc_per_s", "1/s", "Checksum errors per second, averaged"),
        Signal("sequence_count", "", "Sequence errors counted when looked at last; NaN not known"),
        Signal("sequence_per_s", "1/s", "Sequence errors per second, averaged"),
        Signal("positive_open_s", "s", "Positive contactor and precharge commanded open for so long; -1 not"),
        Signal("negative_open_s", "s", "Negative contactor commanded open for so long; -1 not"),
        Signal("positive_closed_s", "s", "Positive contactor commanded closed for so long; -1 not"),
        Signal("negative_closed_s", "s", "Negative contactor commanded closed for so long; -1 not"),
    ),
)

# Of every temperature sensor.
HEAT = rows(
    "HeatFields",
    (
        Signal("slow_c", "°C", "Temperature behind a lag; NaN: begins anew"),
        Signal("last_c", "°C", "Sample before"),
        Signal("sample_s", "s", "Time of the sample before"),
        Signal("rate_k_per_s", "K/s", "Rate of rise"),
        Signal("then_c", "°C", "Temperature when the first of the cells that are fallen now fell; NaN: none is"),
    ),
)

# Of every temperature sensor, how it has moved.
STILL = rows(
    "StillFields",
    (
        Signal("value", "", "Reading since its last change"),
        Signal("since_s", "s", "Time of that change"),
        Signal("anchor", "", "Reading from which it is seen whether it moves by much"),
        Signal("moved_s", "s", "Time when it last had moved by much"),
        Signal("moved_before_s", "s", "Time when it had the time before"),
    ),
)

VALIDATE_SIGNALS = (
    Signal("started", "", "The first tick is over", "i8"),
    Signal("current_disagrees", "", "The two current sensors disagreed when compared last", "i8"),
    Signal("steady_current_a", "A", "Current since when it counts as steady"),
    Signal("steady_since_s", "s", "Time since when the current has been steady"),
    Signal("compared_cell_samples", "", "Sweep of the cells that was compared with the pack voltage last", "i8"),
    Signal("oldest_cell_s", "s", "Time of the oldest cell sample in use"),
)
VALIDATE_RECORD = record(VALIDATE_SIGNALS)

PROTECT_SIGNALS = (
    Signal("started", "", "The first tick is over", "i8"),
    Signal("since_start_s", "s", "Time since the first tick"),
    Signal("acknowledge_count", "", "Acknowledge count of the last tick", "i8"),
    Signal("cell_samples", "", "Cell sweeps judged", "i8"),
    Signal("temperature_samples", "", "Temperature sweeps judged", "i8"),
    Signal("fallen_s", "s", "Time when the first of the cells fell that have lost their voltage now; NaN: none has"),
    Signal("current_samples", "", "Current samples judged", "i8"),
    Signal("current_is_new", "", "The current was sampled in this tick", "i8"),
    Signal("rejected_samples", "", "Refused samples seen", "i8"),
    Signal("refused_per_s", "1/s", "Refused samples per second, averaged"),
    Signal("direction_known", "", "At least one current sensor is usable", "i8"),
    Signal("charging", "", "Charge current flows", "i8"),
    Signal("discharging", "", "Discharge current flows", "i8"),
    Signal("open_s", "s", "The path has been commanded open for so long; -1 it is closed"),
    Signal("charge_open_s", "s", "… to charge current; where switches block both directions, as `open_s`"),
    Signal("discharge_open_s", "s", "… to discharge current"),
    Signal("precharge_s", "s", "Precharge has been commanded closed for so long; -1 it is open"),
    Signal("precharging", "", "Precharge was commanded closed in the last tick", "i8"),
    Signal("wished", "", "A connection was wished for in the last tick", "i8"),
    Signal("failed_tries", "", "Precharge tries that failed since connecting was asked for", "i8"),
    Signal("clear_count", "", "Clear count of the last tick", "i8"),
    Signal("driver_seen", "", "The driver's trips have been looked at", "i8"),
    Signal("driver_trips", "", "Trips of the driver as of the last tick", "i8"),
    Signal("release_count", "", "Release count of the last tick", "i8"),
    Signal("differs_s", "s", "The driver has driven something else for so long; -1 not"),
    Signal("tick_s", "s", "Time of the tick before"),
    Signal("seal", "", "Parity of the fault block as the last tick left it", "i8"),
    Signal("sealed", "", "There is such a parity", "i8"),
    Signal("table", "", "Table of parameters that is looked at next", "i8"),
    Signal("table_word", "", "Its first word that has not been looked at yet", "i8"),
    Signal("table_odd", "", "Parity of its words before that", "i8"),
    Signal("changed_table", "", "Table that has changed, from 1; 0 none", "i8"),
    Signal("busbar_heat", "", "Heat of the busbars against what the rated current makes for ever"),
    Signal("fuse_melted", "", "How far the fuse is from melting: 0 cold, 1 open"),
    Signal("offset_a", "A", "Current with the path open, averaged"),
    Signal("insulation_slow_ohm", "Ω", "Insulation resistance, averaged over minutes"),
    Signal("rise_s", "s", "Time since the bus began to rise in precharge; -1 not"),
    Signal("bus_share", "", "Bus voltage as a share of the pack's, in the tick before; NaN not known"),
    Signal("rise_share", "", "Rise time of this precharge against the expected one; 1 not known"),
    Signal("rise_samples", "", "New bus samples in a row in which the bus was there", "i8"),
    Signal("inrush_samples", "", "New current samples in a row that the precharge resistor cannot let through", "i8"),
    Signal("inrush_a", "A", "The largest of them"),
    Signal("resistor_j", "J", "Heat in the precharge resistor"),
    Signal("above_break", "", "Current samples in a row above what a contactor may break", "i8"),
)
PROTECT_RECORD = record(PROTECT_SIGNALS)
