# SPDX-License-Identifier: Apache-2.0
"""What every fuzzer of a parser needs: edited bytes, and no error but those of the tree."""

from hypothesis import strategies as st

from cleanroom.errors import CleanroomError

_MOST_MESSAGE = 700


def only_tree_errors(parse, *arguments, **named):
    """Return what was parsed, or None if it was refused in words that can be shown and logged."""
    try:
        return parse(*arguments, **named)
    except CleanroomError as error:
        # A message stays short whatever came in.
        assert len(error.message) < _MOST_MESSAGE
        assert error.code
        return None


def edited(data):
    """Cut, overwrite, flip, insert or repeat somewhere in good bytes."""
    return st.builds(
        lambda at, length, inserted: data[:at] + inserted + data[at + length :],
        st.integers(0, len(data)),
        st.integers(0, 40),
        st.binary(max_size=20),
    ) | st.builds(
        lambda at, value: data[:at] + bytes([value]) + data[at + 1 :],
        st.integers(0, len(data) - 1),
        st.integers(0, 255),
    )
