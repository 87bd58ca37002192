# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.kernel.closing import Closing


class Held(Closing):
    closed = 0

    def close(self):
        self.closed += 1


def test_a_block_gets_what_it_closes():
    held = Held()
    with held as given:
        assert given is held
        assert held.closed == 0
    assert held.closed == 1


def test_what_a_block_raised_goes_on_once_all_is_closed():
    held = Held()
    with pytest.raises(KeyError), held:
        raise KeyError
    assert held.closed == 1
