"""What the recorder tells the other processes about itself."""

from __future__ import annotations

from ionward.image.catalogue import Signal, record

RECORDER_STATES = ("waiting for control", "recording", "disk full", "disk error")
RECORDER_WAITING, RECORDER_RECORDING, RECORDER_FULL, RECORDER_ERROR = range(len(RECORDER_STATES))

RECORDER_SIGNALS = (
    Signal("time_s", "s", "Time of the recorder's last step"),
    Signal("state", "", "What it does", "i8", 0, len(RECORDER_STATES) - 1, RECORDER_STATES),
    Signal("checkpoint_request", "", "Raised by one to ask control for a checkpoint", "i8", 0),
    Signal("last_checkpoint_tick", "", "Tick of the newest checkpoint on disk; -1 none", "i8", -1),
    Signal("recorded_ticks", "", "Ticks written since the recorder started", "i8", 0),
    Signal("dropped_ticks", "", "Ticks lost since the recorder started", "i8", 0),
    Signal("bytes_written", "", "Bytes of recordings written since the recorder started", "i8", 0),
    Signal("bytes_per_day", "", "What recordings take in a day at this rate; NaN not known yet"),
    Signal("segments", "", "Recordings in the folder", "i8", 0),
    Signal("segments_bytes", "", "Their size", "i8", 0),
    Signal("disk_free_bytes", "", "Free space where recordings are kept", "i8", 0),
    Signal("disk_errors", "", "Failures to write since the recorder started", "i8", 0),
    Signal("state_copies_written", "", "Copies of the surviving state put on disk", "i8", 0),
    Signal("state_copy_time_s", "s", "When the state in the newest copy on disk was taken; NaN none yet"),
    Signal("state_copy_age_s", "s", "How old it is; NaN none yet", minimum=0),
    Signal("state_copy_errors", "", "Failures to write a copy", "i8", 0),
    Signal("history_failures", "", "Recordings that could not be taken into the history", "i8", 0),
    Signal("fault_memory_entries", "", "Entries of the fault memory", "i8", 0),
    Signal("fault_memory_errors", "", "Failures to write the fault memory", "i8", 0),
)  # fmt: skip
RECORDER_RECORD = record(RECORDER_SIGNALS)
