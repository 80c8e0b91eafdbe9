"""Imports run one way, and files and functions stay small: read from the source, nothing is run."""

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter

import pytest
from helpers import ROOT

# CONTRIBUTING's second block of the layout: floors from the top, with an empty line between them. A
# room is a module of cinn_hub, or a package of it with all it holds; "cinn_hub" is the package's
# own face, __init__.py.
DRAWN = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("```")[3]
FLOORS = [
    [name.replace("__init__", "cinn_hub") for name in re.findall(r"^(\w+)(?:\.py|/) ", part, re.M)]
    for part in reversed(DRAWN.strip().split("\n\n"))
]
MOST_FILES_AT_THE_TOP = 22
MOST_LINES_OF_A_FILE = 600
MOST_LINES_OF_A_FUNCTION = 60
FEW_LINES, SHARE_OF_SHORT_FUNCTIONS = 25, 0.9


@cache
def sources(folder):
    """{path: its syntax tree} of all Python files below a folder of the repository."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    return {path: ast.parse(path.read_text("utf-8")) for path in paths}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(tree, modules):
    """The modules of ours that a file imports: at its top, inside functions, for type checkers, or
    by a string that names one."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in modules else node.module for name in names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            found.add(node.value)
    return found & modules


@cache
def import_graph():
    """{module: the modules of ours that it imports}."""
    trees = sources("cinn_hub")
    modules = {module_name(path) for path in trees}
    return {
        module_name(path): imported_modules(tree, modules) - {module_name(path)}
        for path, tree in trees.items()
    }


def room(module):
    return module.split(".")[1] if "." in module else module


def test_every_room_has_a_floor():
    rooms = {room(module) for module in import_graph()}
    planned = [name for floor in FLOORS for name in floor]
    assert len(planned) == len(set(planned))
    assert rooms == set(planned)


def test_imports_run_downwards():
    floor = {name: i for i, names in enumerate(FLOORS) for name in names}
    upwards = [
        f"{importer} -> {imported}"
        for importer, modules in import_graph().items()
        for imported in modules
        if room(importer) != room(imported) and floor[room(importer)] <= floor[room(imported)]
    ]
    assert not upwards


def test_imports_run_in_no_circle():
    try:
        TopologicalSorter(import_graph()).prepare()
    except CycleError as error:
        pytest.fail(f"The imports run in a circle: {' -> '.join(error.args[1])}.")


def test_relative_imports_are_not_used():
    for path, tree in sources("cinn_hub").items():
        for node in ast.walk(tree):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path


@pytest.mark.parametrize("folder", ["training", "benchmarks"])
def test_the_package_knows_nothing_of(folder):
    for path, tree in sources("cinn_hub").items():
        for node in ast.walk(tree):
            names = [alias.name for alias in getattr(node, "names", ()) if hasattr(alias, "name")]
            names.append(getattr(node, "module", None) or "")
            assert folder not in {str(name).split(".")[0] for name in names}, path


def test_few_files_lie_at_the_top():
    assert len(list((ROOT / "cinn_hub").glob("*.py"))) <= MOST_FILES_AT_THE_TOP


@pytest.mark.parametrize("folder", ["cinn_hub", "training", "benchmarks"])
def test_files_are_short(folder):
    lines = {path.name: len(path.read_text("utf-8").splitlines()) for path in sources(folder)}
    assert not {name: n for name, n in lines.items() if n > MOST_LINES_OF_A_FILE}


@pytest.mark.parametrize("folder", ["cinn_hub", "training", "benchmarks"])
def test_functions_are_short(folder):
    lengths = {
        f"{path.name}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path, tree in sources(folder).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {name: n for name, n in lengths.items() if n > MOST_LINES_OF_A_FUNCTION}
    short = sum(n < FEW_LINES for n in lengths.values())
    assert short >= SHARE_OF_SHORT_FUNCTIONS * len(lengths)
