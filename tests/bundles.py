"""Bundles for tests, made of source files without a run of a program."""

from pathlib import Path

from overlay_import import _compiler, _core


def write(path, sources, *, root=None, check="default", level="bodies", folders=(), used=None):
    """Writes the bundle `path` of the source files, in this order; gives its path.

    Their names as modules go by the folder `root`, without it by that of the bundle. `folders` are known to the bundle
    besides those of the modules. `used` has for a module's name the numbers of the bodies that stay in its core.
    """
    path = Path(path)
    root = path.parent if root is None else Path(root)
    modules = [_module(Path(source), root, level, used or {}) for source in sources]
    _core.write_bundle(str(path), check, level, modules, [str(folder) for folder in folders])
    return path


def name_of(source, root):
    """The name of a source file's module, as seen from the folder `root`."""
    parts = source.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _module(source, root, level, used):
    """What `write_bundle` takes for a module."""
    name, data, stat = name_of(source, root), source.read_bytes(), source.stat()
    header = _compiler._header(_compiler.TIMESTAMP, data, {"mtime": stat.st_mtime, "size": stat.st_size})
    keep = used.get(name, ()) if level == "bodies" else None
    file = _compiler.build(_compiler.compile_parts(data, str(source), name), header, keep)
    return name, str(source), stat.st_mtime_ns, stat.st_size, file
