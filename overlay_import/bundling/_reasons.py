"""Why a module is not in the bundle, in the words that users see."""

OURSELVES = "overlay_import itself"
MAIN = "the program itself, which is never cached"
GENERATED = "made by the program, without a source file"
BEFORE = "imported before overlays were installed, or not served by them"
CHANGED = "its source has changed since the run"
NO_TEXT = "the name of its file is not valid UTF-8"
MISPLACED = "its file is not where its name says"
MAY_BECOME_PACKAGE = "a folder of its name is beside it, which may become a package"
NO_TIME = "the time of its source says nothing, as it is before 1980-01-02 (--check never takes it)"

_KINDS = {
    "main": MAIN,
    "generated": GENERATED,
    "namespace": "namespace packages, which have no code",
    "BuiltinImporter": "built into the interpreter",
    "FrozenImporter": "frozen into the interpreter",
    "ExtensionFileLoader": "extension modules, of which it only says where they are",
    "SourcelessFileLoader": "without source, from a .pyc",
    "zipimporter": "from a zip file",
    "SourceFileLoader": BEFORE,
    "OverlayLoader": BEFORE,
}


def of_kind(kind: str) -> str:
    """The reason for a module of this kind: a name of a loader's class, or what `_training` calls it."""
    return _KINDS.get(kind, f"it comes from a loader of its own, {kind}")
