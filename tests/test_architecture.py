"""Imports between rooms are the edges that docs/architecture.md draws, and no others."""

import ast
import re


def drawn_edges(repository):
    text = (repository / "docs" / "architecture.md").read_text()
    block = re.search(r"```imports\n(.*?)```", text, re.DOTALL)[1]
    rooms = (line.split("->") for line in block.splitlines())
    return {(room.strip(), target) for room, targets in rooms for target in targets.split()}


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "adjax":
                names = [f"adjax.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("adjax."):
                yield name.split(".")[1]


def real_edges(repository):
    package = repository / "adjax"
    for path in package.rglob("*.py"):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        yield from ((room, target) for target in imported_rooms(path) if target != room)


def test_import_edges_are_those_of_the_picture(repository):
    assert set(real_edges(repository)) == drawn_edges(repository)


def test_edges_have_no_cycle(repository):
    below = {}
    for room, target in drawn_edges(repository):
        below.setdefault(room, set()).add(target)

    def reached(room, path=()):
        assert room not in path, f"cycle: {' -> '.join((*path, room))}"
        for target in below.get(room, ()):
            reached(target, (*path, room))

    for room in below:
        reached(room)


def test_every_room_is_on_the_map(repository):
    text = (repository / "docs" / "architecture.md").read_text()
    for path in (repository / "adjax").iterdir():
        if path.is_dir() and path.name != "__pycache__":
            assert f"  {path.name}/ " in text, path.name
        elif path.suffix == ".py" and path.name not in ("__init__.py", "errors.py"):
            assert f"  {path.name} " in text, path.name
