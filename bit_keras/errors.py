"""What the user can mend: the exceptions that a command tells in one sentence instead of a traceback."""


class UserError(ValueError):
    """Something that the caller gave, or the machine lacks; the text says what was expected, what came, what to do."""

    exit_code = 1


class WeightsError(UserError):
    """A weights file that is broken, or holds another network than the one asked for."""


class DataError(UserError):
    """Pictures, labels or splits that cannot be used."""


class BrokenPicturesError(DataError):
    """Broken pictures found under `strict`."""

    exit_code = 2


class RunError(UserError):
    """A run folder that does not fit what was asked."""


class DivergedError(RunError):
    """Training that has lost its weights; `what` says what is no longer finite."""

    def __init__(self, what):
        super().__init__(
            f"{what}, so the weights are lost. Lower the learning rate, or look for broken labels, and start a new run."
        )


class SaveError(UserError):
    """A file or folder that could not be written; what was there before is intact."""
