"""Specifications: what they mean, and how bad ones are refused."""

import math
import re

import pytest

import thalweg as tw
from thalweg.study import Study

GOOD = """
[study]
name = "threshold-d10"
method = "descend"
[grid]
d = [10]
n = [20, 30, 40]
p = [30]
law = "sphere"
init = "dominated"
[trials]
repetitions = 40
seed = 7
[descend]
step_size = 1.0
steps = "published"
[success]
loss_below = "1/(2n)"
"""


def test_the_specification_of_the_contract():
    study = Study.from_toml(GOOD)
    assert (study.name, study.seed, study.most, len(study.groups)) == ("threshold-d10", 7, 120, 1)
    for cell, n in zip(study.cells, (20, 30, 40), strict=True):
        assert (cell.n, cell.d, cell.p, cell.step_size) == (n, 10, 30, 1.0)
        assert cell.steps == math.floor(1.5 * math.sqrt(30 * n) * math.log(30 * n) / 4 + 1)
        assert cell.loss_below == 1 / (2 * n)


def test_widths_that_cover():
    """The published widths, at d = 100."""
    text = GOOD.replace("[20, 30, 40]", "[1300, 1550, 1600, 2050, 2100]")
    widths = Study.from_toml(text.replace("p = [30]", 'p = ["coverage(0.05)", "3*coverage(0.05)"]'))
    assert [[cell.p for cell in group] for group in widths.groups] == [[36, 36, 37, 37, 38], [108, 108, 111, 111, 114]]


def test_steps_may_be_a_multiple_of_the_published_number():
    published = [math.floor(1.5 * math.sqrt(30 * n) * math.log(30 * n) / 4 + 1) for n in (20, 30, 40)]
    for rule, factor in (("20 * published", 20), ("0.5*published", 0.5)):
        cells = Study.from_toml(GOOD.replace("published", rule)).cells
        assert [cell.steps for cell in cells] == [math.ceil(factor * steps) for steps in published]


def test_a_long_range_is_read_in_time_linear_in_its_length():
    """Ten million comparisons would be fine; the square of 100,000 would not end."""
    study = Study.from_toml(GOOD.replace("[20, 30, 40]", "{ from = 1, to = 100_000, step = 1 }"))
    assert len(study.groups[0]) == 100_000


def test_a_grid_is_the_product_of_its_lists_in_groups_along_n():
    text = GOOD.replace('"descend"', '["descend", "flow"]').replace("d = [10]", "d = [10, 20]")
    study = Study.from_toml(text.replace("step_size = 1.0", "step_size = [1.0, 0.5]"))
    assert len(study.groups) == 2 * 2 + 2
    assert all([cell.n for cell in group] == [20, 30, 40] for group in study.groups)
    assert len({cell.key for cell in study.cells}) == 18


def test_ranges_levels_and_orthogonal_data():
    text = GOOD.replace("[20, 30, 40]", "{ from = 20, to = 45, step = 10 }").replace('"1/(2n)"', '"1e-6/(2n)"')
    text = text.replace("d = [10]\n", "").replace('"sphere"', '"orthogonal"')
    cells = Study.from_toml(text).cells
    assert [(cell.n, cell.d, cell.loss_below) for cell in cells] == [(n, n, 1e-6 / (2 * n)) for n in (20, 30, 40)]
    assert Study.from_toml(GOOD.replace('"1/(2n)"', "0.25")).cells[0].loss_below == 0.25


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "threshold-d10"', "", ["'study.name'", "given"]),
        ('name = "threshold-d10"', "name = 3", ["'study.name'", "3"]),
        ('"descend"', '"ascend"', ["'study.method'", "'ascend'"]),
        ("[study]", "[studies]", ["'studies'", "sections"]),
        ("[study]", "study = 3\n[else]", ["'study'", "3"]),
        ("p = [30]", "p = [30]\nwidth = 3", ["'grid.width'", "keys"]),
        ("p = [30]", "p = [0]", ["'grid.p'", "0"]),
        ("p = [30]", 'p = "cover(0.05)"', ["'grid.p'", "cover(0.05)"]),
        ("p = [30]", 'p = "coverage(1.5)"', ["'grid.p'", "1.5"]),
        ("n = [20, 30, 40]", "n = []", ["'grid.n'", "at least one"]),
        ("n = [20, 30, 40]", "n = [20, 20]", ["'grid.n'", "twice"]),
        ("n = [20, 30, 40]", "n = [20, 30.5]", ["'grid.n'", "30.5"]),
        ("n = [20, 30, 40]", "n = [true]", ["'grid.n'", "True"]),
        ("n = [20, 30, 40]", 'n = "many"', ["'grid.n'", "many"]),
        ("n = [20, 30, 40]", "n = { from = 1, to = 3 }", ["'grid.n'", "step"]),
        ("n = [20, 30, 40]", "n = { from = 3, to = 1, step = 1 }", ["'grid.n'", "at least one"]),
        ("d = [10]", "", ["'grid.d'", "given"]),
        ('"sphere"', '"orthogonal"', ["'grid.d'", "left out"]),
        ('"sphere"', '"cube"', ["'grid.law'", "'cube'"]),
        ('"dominated"', '"zeros"', ["'grid.init'", "'zeros'"]),
        ('"dominated"', '"dominated"\nscale = 2.0', ["'grid.scale'", "2"]),
        ('"dominated"', '"dominated"\nscale = nan', ["'grid.scale'", "nan"]),
        ('"dominated"', '"dominated"\nslope = 1.0', ["'grid.slope'", "1"]),
        ('"dominated"', '"dominated"\ncovered = 1', ["'grid.covered'", "1"]),
        ("repetitions = 40", "", ["'trials.repetitions'", "given"]),
        ("repetitions = 40", "repetitions = 0", ["'trials.repetitions'", "0"]),
        ("seed = 7", "seed = -1", ["'trials.seed'", "-1"]),
        ("seed = 7", "", ["'trials.seed'", "given"]),
        ('steps = "published"', "", ["'descend.steps'", "given"]),
        ('steps = "published"', 'steps = "few"', ["'descend.steps'", "few"]),
        ('steps = "published"', "steps = 2.5", ["'descend.steps'", "2.5"]),
        ("step_size = 1.0", "step_size = 0.0", ["'descend.step_size'", "0"]),
        ("step_size = 1.0", 'precision = "float16"', ["'descend.precision'", "float16"]),
        ("[success]", "[flow]\nt_end = 1.0\n[success]", ["'flow'", "no use"]),
        ('loss_below = "1/(2n)"', "", ["'success'", "neither"]),
        ('loss_below = "1/(2n)"', 'loss_below = "1/(2n)"\ncertified = true', ["'success'", "both"]),
        ('loss_below = "1/(2n)"', 'loss_below = "1/n"', ["'success.loss_below'", "1/n"]),
        ('loss_below = "1/(2n)"', "loss_below = -1.0", ["'success.loss_below'", "-1"]),
        ("[success]", '[design]\nkind = "random"\n[success]', ["'design.kind'", "random"]),
        ("[success]", '[design]\nkind = "threshold"\n[success]', ["'design.trials'", "given"]),
        ("[success]", '[design]\nkind = "threshold"\ntrials = 9\n[success]', ["'trials.repetitions'", "left out"]),
        ("[success]", '[design]\nkind = "precision"\n[success]', ["'design.width'", "given"]),
        ("[success]", '[design]\nkind = "precision"\nwidth = 2.0\n[success]', ["'design.width'", "2"]),
        ("[success]", "[design]\nbatch = 4\n[success]", ["'design.batch'", "left out"]),
        ("n = [20, 30, 40]", "n = [20, 99999999999]", ["'grid.n'", "at most 4294967295"]),
        ("p = [30]", 'p = "1e300*coverage(0.05)"', ["'grid.p'", "at most"]),
        ("p = [30]", 'p = "coverage(1e-320)"', ["'grid.p'", "at least"]),
        ("repetitions = 40", "repetitions = 1000000000000", ["'trials.repetitions'", "at most"]),
        ('steps = "published"', 'steps = "0*published"', ["'descend.steps'", "above 0"]),
        ('steps = "published"', 'steps = "1e12*published"', ["'descend.steps'", "at most"]),
        ("step_size = 1.0", "step_size = true", ["'descend.step_size'", "number", "True"]),
        ('loss_below = "1/(2n)"', "loss_below = true", ["'success.loss_below'", "True"]),
        ('loss_below = "1/(2n)"', 'loss_below = "1e400/(2n)"', ["'success.loss_below'", "inf"]),
        ("[study]", "[study", ["not TOML"]),
    ],
)
def test_bad_specifications_are_refused_in_one_line_that_names_the_key(old, new, words):
    assert old in GOOD
    with pytest.raises(tw.InputError) as caught:
        Study.from_toml(GOOD.replace(old, new, 1), "spec.toml")
    message = str(caught.value)
    assert "\n" not in message
    assert "spec.toml" in message
    assert ("not TOML" in message) == (words == ["not TOML"])
    for word in words:
        assert re.search(re.escape(word), message), message


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path):
    with pytest.raises(tw.InputError, match="no file"):
        Study.load(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(tw.InputError, match="UTF-8"):
        Study.load(tmp_path / "bytes.toml")
