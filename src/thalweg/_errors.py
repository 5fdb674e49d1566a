"""The exceptions a user can meet."""


class InputError(ValueError):
    """An argument, a file or a data set that cannot be used as given; the message names the remedy.

    Examples
    --------
    >>> import thalweg as tw
    >>> try:
    ...     tw.LossBelow(0.0)
    ... except tw.InputError as error:
    ...     print(error)
    The 'level' parameter of LossBelow must be a finite number, above 0. Got 0.0.
    """


class MissingExtraError(ImportError):
    """A feature needs an optional dependency; the message names the extra to install.

    Examples
    --------
    >>> from unittest.mock import patch
    >>> import thalweg as tw
    >>> traj = tw.flow(*tw.init.counterexample(), t_end=1.0)
    >>> with patch.dict("sys.modules", pandas=None):  # as if it were not installed
    ...     try:
    ...         traj.to_pandas()
    ...     except tw.MissingExtraError as error:
    ...         print(error)
    pandas is not installed. Install it with: pip install 'thalweg[data]'
    """


def missing_extra(package: str, extra: str) -> MissingExtraError:
    """Build the error that says which extra provides `package`."""
    return MissingExtraError(f"{package} is not installed. Install it with: pip install 'thalweg[{extra}]'")
