"""What is public has type hints, which `make lint` checks."""

import ast


def public_functions(tree):
    """Yield the public functions of a module, and the public methods of its public classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node, False
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for inner in node.body:
                named = isinstance(inner, ast.FunctionDef)
                if named and (inner.name == "__init__" or not inner.name.startswith("_")):
                    yield inner, True


def without_hint(function, is_method):
    """Names of what a function is given that has no hint, and `return` if its result has none."""
    own = function.args
    given = [*own.posonlyargs, *own.args, *own.kwonlyargs]
    given = [*given[is_method:], *filter(None, [own.vararg, own.kwarg])]
    names = [argument.arg for argument in given if argument.annotation is None]
    return names + ["return"] * (function.returns is None and function.name != "__init__")


def test_public_functions_have_hints(repository):
    found, missing = 0, []
    for path in (repository / "adjax").rglob("*.py"):
        for function, is_method in public_functions(ast.parse(path.read_text())):
            found += 1
            names = without_hint(function, is_method)
            missing += [f"{path.name}:{function.lineno} {function.name}: {names}"] if names else []
    assert found > 500
    assert missing == []


def test_package_says_that_it_has_types(repository):
    assert (repository / "adjax" / "py.typed").is_file()
