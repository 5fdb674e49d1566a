"""Specifications of studies that are not what they should be: a study, or one InputError."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from thalweg.study import Study

SOUND = {
    "study": {"name": '"s"', "method": '"flow"'},
    "grid": {"n": "[3, 5]", "d": "20", "p": "4"},
    "trials": {"repetitions": "2", "seed": "1"},
    "success": {"loss_below": "0.1"},
}
KEYS = {
    "study": ["name", "method"],
    "grid": ["n", "d", "p", "law", "init", "scale", "slope", "covered"],
    "trials": ["repetitions", "seed"],
    "design": ["kind", "trials", "batch", "width"],
    "descend": ["step_size", "steps", "precision"],
    "flow": ["t_end", "rtol"],
    "success": ["loss_below", "certified"],
    "odd": ["x"],
}
PLACES = [(section, key) for section, keys in KEYS.items() for key in keys]
VALUES = [
    "1", "0", "-1", "0.5", "1e308", "1e-320", "inf", "nan", "1e999", "99999999999999999999", "true", '""', '"x"', "[]",
    "[3]", "[[1]]", "[3, 3]", '[1, 2, "x"]', "[nan, nan]", "{a = 1}", "{from = 1, to = 4, step = 1}",
    "{from = 1, to = 2}",
    "{from = 1, to = 99999999999, step = 1}", "{from = 4, to = 1, step = 1}", '"flow"', '"descend"', '"os:system"',
    '"coverage(0.05)"', '"1e400*coverage(0.5)"', '"0*coverage(0.5)"', '"coverage(1e-400)"', '"1/(2n)"', '"1e999/(2n)"',
    '"published"', '"sphere"', '"orthogonal"', '"balanced"', '"grid"', '"precision"', '"threshold"', '"float32"',
    "1979-05-27T07:32:00Z", '"\\u0000"', '"\U0001f600"',
]  # fmt: skip
bounded = settings(max_examples=400, deadline=None, derandomize=True)


def read(text):
    """Read a specification and use it; whether it was read, and not refused."""
    try:
        study = Study.from_toml(text)
    except tw.InputError:
        return False
    assert study.most >= len(study.cells) > 0
    assert len({cell.key for cell in study.cells}) == len(study.cells)
    assert study.name in repr(study) or repr(study.name) in repr(study)
    return True


def written(sections):
    return "\n".join(
        f"[{name}]\n" + "\n".join(f"{k} = {v}" for k, v in keys.items()) for name, keys in sections.items()
    )


def test_the_sound_one_is_read():
    assert read(written(SOUND))


@bounded
@given(
    st.lists(st.tuples(st.sampled_from(PLACES), st.none() | st.sampled_from(VALUES)), min_size=1, max_size=4),
    st.none() | st.sampled_from(sorted(SOUND)),
)
def test_altered_specifications_are_read_or_refused(changes, left_out):
    sections = {name: dict(keys) for name, keys in SOUND.items() if name != left_out}
    for (section, key), value in changes:
        keys = sections.setdefault(section, {})
        if value is None:
            keys.pop(key, None)
        else:
            keys[key] = value
    read(written(sections))


@bounded
@given(st.text(max_size=40), st.integers(0, 10**6))
def test_any_text_is_refused_or_read(text, place):
    sound = written(SOUND)
    place %= len(sound)
    assert not read(text)
    read(sound[:place] + text + sound[place:])


@pytest.mark.parametrize(
    "change",
    [
        {"grid": {"n": "{from = 1, to = 99999999999, step = 1}", "d": "20", "p": "4"}},
        {"grid": {"n": "{from = 1, to = 9999, step = 1}", "d": "{from = 1, to = 9999, step = 1}", "p": "4"}},
        {"grid": {"n": "9" * 5000, "d": "20", "p": "4"}},
        {"grid": {"n": "[" * 5000 + "]" * 5000, "d": "20", "p": "4"}},
    ],
    ids=["range", "product", "digits", "nesting"],
)
def test_what_would_take_all_memory_is_refused(change):
    assert not read(written(SOUND | change))
