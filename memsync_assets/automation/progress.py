"""Progress of an in-process run on a terminal: one line for each step, from Dagster's own events."""

import logging
from collections.abc import Callable

import dagster as dg

_SHOWN = {
    "STEP_START": "started",
    "STEP_SUCCESS": "done",
    "STEP_FAILURE": "failed",
    "STEP_SKIPPED": "skipped",
}


class _StepHandler(logging.Handler):
    def __init__(self, tell: Callable[[str, str], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event is not None and event.step_key and event.event_type_value in _SHOWN:
            self._tell(event.step_key, _SHOWN[event.event_type_value])


def step_logger(tell: Callable[[str, str], None]) -> dg.LoggerDefinition:
    """A logger that calls `tell(step, state)` and prints nothing itself."""

    @dg.logger
    def steps(_context: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("memsync.steps", level=logging.DEBUG)
        logger.addHandler(_StepHandler(tell))
        return logger

    return steps
