"""What can go wrong with an engine."""


class EngineError(Exception):
    """The daemon refused or could not do something; the text says what, on what, and what to do."""


class EngineUnavailable(EngineError):
    """The daemon does not answer (not there yet, restarting, frozen)."""


class ForeignDaemon(EngineError):
    """The daemon was started by somebody else, or for another identity: it has to be restarted."""
