"""No waiting between tries."""

import pytest

from bit_keras.weights.fetching import transfer


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A second without a byte counts as lost, and the next try comes at once."""
    monkeypatch.setattr(transfer, "TIMEOUT", 1)
    monkeypatch.setattr(transfer, "PAUSE", 0)
