# SPDX-License-Identifier: Apache-2.0
from contextlib import contextmanager

import pytest

from cleanroom.runner.ready import ReadyRunners


class Stand:
    """A stand-in runner, which knows whether it lives."""

    def __init__(self):
        self.is_alive = True


class Starts:
    """Counts who was started and who was ended."""

    def __init__(self):
        self.started, self.ended = [], []

    @contextmanager
    def __call__(self):
        runner = Stand()
        self.started.append(runner)
        try:
            yield runner
        finally:
            self.ended.append(runner)


@pytest.fixture
def starts():
    return Starts()


def test_a_job_gets_a_runner_that_waited_and_another_waits_after_it(starts):
    with ReadyRunners(2, start=starts) as ready:
        first, second = starts.started
        with ready.runner() as mine:
            assert mine is first
            assert len(starts.started) == 2  # the third would load while the job runs
        assert starts.ended == [first]
        assert len(starts.started) == 3
        with ready.runner() as mine:
            assert mine is second
    assert sorted(map(id, starts.ended)) == sorted(map(id, starts.started))


def test_more_jobs_than_wait_start_their_own(starts):
    with ReadyRunners(1, start=starts) as ready, ready.runner() as one, ready.runner() as other:
        assert one is not other
        assert len(starts.started) == 2
    assert len(starts.ended) == len(starts.started)


def test_none_waits_where_none_is_wanted(starts):
    with ReadyRunners(0, start=starts) as ready:
        assert starts.started == []
        with ready.runner() as mine:
            assert starts.started == [mine]
        assert starts.ended == starts.started


def test_a_runner_that_died_while_it_waited_gets_no_job(starts):
    with ReadyRunners(1, start=starts) as ready:
        starts.started[0].is_alive = False
        with ready.runner() as mine:
            assert mine is starts.started[1]
            assert starts.ended == [starts.started[0]]


def test_a_runner_serves_one_job_even_if_that_failed(starts):
    with ReadyRunners(1, start=starts) as ready:
        with pytest.raises(RuntimeError), ready.runner() as first:
            raise RuntimeError
        with ready.runner() as second:
            assert second is not first


def test_a_job_that_outlives_the_block_is_ended_by_its_own(starts):
    with ReadyRunners(1, start=starts) as ready:
        job = ready.runner()
        runner = job.__enter__()
    assert starts.ended == []
    job.__exit__(None, None, None)
    assert starts.ended == [runner]
    assert starts.started == [runner]
