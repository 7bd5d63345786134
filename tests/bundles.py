"""Bundles for tests, made of source files without a run of a program."""

import os
from pathlib import Path

from helpers import dedent
from overlay_import import _compiler, _core


def write(path, sources, *, root=None, check="default", level="bodies", folders=(), extensions=(), used=None):
    """Writes the bundle `path` of the source files, in this order; gives its path.

    Their names as modules go by the folder `root`, without it by that of the bundle. `folders` are known to the bundle
    besides those of the modules; `extensions` are files of extension modules. `used` has by a module's name the
    numbers of the bodies that stay in its core.
    """
    path = Path(path)
    root = path.parent if root is None else Path(root)
    modules = [_module(Path(source), root, level, used or {}) for source in sources]
    places = [(name_of(Path(file), root), str(file)) for file in extensions]
    _core.write_bundle(str(path), check, level, modules, [str(folder) for folder in folders], places)
    return path


def old(folder):
    """Makes the folder and all in it as old as files are as a rule: a bundle relies on no folder that is very young."""
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (1_700_000_000, 1_700_000_000))


def program(folder):
    """Writes a program of a script and three modules, and a bundle of the modules; gives the bundle's path."""
    modules = {
        "shapes.py": """
            UNIT = "cm"

            # overlay: lazy, area
            def area(side):
                return side * side
            """,
        "package/__init__.py": "",
        "package/numbers.py": """
            def rows(count):
                return [row + row for row in sorted(str(row) for row in range(count)) if row]

            def columns(count):
                return [row[0] + row[0] for row in sorted(str(row) for row in range(count)) if row]
            """,
    }
    script = """
        import overlay_import, package.numbers, shapes
        print([overlay_import.status(module).origin for module in (shapes, package.numbers)])
        print(overlay_import._installation.bundle, overlay_import._installation.reason)
        """
    for name, text in {**modules, "app.py": script}.items():
        (folder / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "app" / name).write_text(dedent(text))
    old(folder / "app")
    sources = [folder / "app" / name for name in modules]
    return write(folder / "app.overlays", sources, root=folder / "app")


def damage(bundle, word):
    """Changes one byte of the bundle, the first after the last place of `word` in it."""
    data = bytearray(bundle.read_bytes())
    data[data.rindex(word) + len(word)] ^= 1
    bundle.write_bytes(data)


def name_of(source, root):
    """The name of a source file's module, as seen from the folder `root`."""
    *packages, file = source.relative_to(root).parts
    name, *_ = file.split(".")
    return ".".join([*packages, *([] if name == "__init__" else [name])])


def _module(source, root, level, used):
    """What `write_bundle` takes for a module."""
    name, data, stat = name_of(source, root), source.read_bytes(), source.stat()
    header = _compiler._header(_compiler.TIMESTAMP, data, {"mtime": stat.st_mtime, "size": stat.st_size})
    keep = used.get(name, ()) if level == "bodies" else None
    file = _compiler.build(_compiler.compile_parts(data, str(source), name), header, keep)
    return name, str(source), stat.st_mtime_ns, stat.st_size, file
