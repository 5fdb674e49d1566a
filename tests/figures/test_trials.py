"""Trials of the studies behind figures: kept in a store if there is one, and gone on with."""

import pytest

import thalweg as tw
from thalweg.figures.base import Work
from thalweg.figures.trials import run_trials, study_of

SECTIONS = {
    "study": {"name": "small", "method": "descend"},
    "grid": {"n": [4, 6], "d": 8, "p": 10},
    "trials": {"repetitions": 3, "seed": 7},
    "descend": {"steps": 20},
    "success": {"loss_below": "1/(2n)"},
}


def test_a_store_keeps_trials_and_an_interrupted_figure_goes_on(tmp_path):
    study, told = study_of(**SECTIONS), []

    def interrupt(share, text):
        told.append(share)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trials(study, Work(store=tmp_path / "kept", progress=interrupt), "descending")
    (folder,) = (tmp_path / "kept").iterdir()
    assert folder.name.startswith("small-")
    again = run_trials(study, Work(store=tmp_path / "kept"), "descending")
    fresh = run_trials(study, Work(), "descending")
    for (cell, trials), (other, others) in zip(again, fresh, strict=True):
        assert cell == other
        assert trials.tobytes() == others.tobytes()
    assert tw.study.run_study(None, folder).made == 0


def test_studies_that_differ_have_folders_of_their_own(tmp_path):
    for seed in (1, 2):
        sections = SECTIONS | {"trials": {"repetitions": 1, "seed": seed}}
        run_trials(study_of(**sections), Work(store=tmp_path), "descending")
    assert len(list(tmp_path.iterdir())) == 2
