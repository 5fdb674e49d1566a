"""The package as a whole: light to import, documented, complete as installed."""

import ast
import inspect
import json
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import thalweg as tw

ROOT = Path(__file__).resolve().parents[1]

# Everything heavy, and everything optional, is imported where it is used.
HEAVY = [
    *("scipy", "numba", "matplotlib", "plotly", "rich", "typer", "jinja2"),
    *("sqlite3", "pandas", "xarray", "torch", "lightning", "jax", "flint", "sklearn"),
]


# Packages that are imported by another name.
IMPORT_NAMES = {"dask_jobqueue": "dask-jobqueue", "flint": "python-flint", "sklearn": "scikit-learn"}


def modules_after(statement: str) -> list[str]:
    """Return the heavy top-level packages that a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_import_loads_nothing_heavy():
    assert modules_after("import thalweg") == []


def test_the_check_for_heavy_imports_sees_them():
    assert "jinja2" in modules_after("import thalweg, jinja2")


def test_public_names_are_unique_and_sorted():
    assert list(tw.__all__) == sorted(set(tw.__all__))


@pytest.mark.parametrize("name", tw.__all__)
def test_public_name_exists_and_is_documented(name):
    item = getattr(tw, name)
    assert inspect.getdoc(item)
    if inspect.isclass(item):  # an inherited or generated docstring is not one
        assert item.__doc__
        assert not item.__doc__.startswith(f"{name}(")


@pytest.mark.parametrize("namespace", ["curvature", "data", "init"])
def test_public_functions_of_the_namespaces_are_documented(namespace):
    module = getattr(tw, namespace)
    assert module.__all__
    for name in module.__all__:
        assert inspect.getdoc(getattr(module, name)), name


def test_version_is_the_same_everywhere():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert declared == tw.__version__ == metadata.version("thalweg")


def package_files() -> dict[str, Path]:
    """Return every file of the installed package by its path within it."""
    folder = Path(tw.__file__).parent
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name", ["py.typed", "report/templates/report.html.j2", "data/files/stdlib.npz", "data/files/NOTICE.md"]
)
def test_package_holds_what_is_not_code(name):
    assert package_files()[name].stat().st_size > 0 or name == "py.typed"


def test_dependencies_are_declared():
    """Every third-party package that the source names is a declared dependency, or an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    declared = {line.split(">")[0].split("[")[0] for line in lines}
    declared |= {name for name, package in IMPORT_NAMES.items() if package in declared}
    used: set[str] = set()
    for path in (path for name, path in package_files().items() if name.endswith(".py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                used |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                used.add(node.module.partition(".")[0])
    assert used - set(sys.stdlib_module_names) - {"thalweg"} <= declared
