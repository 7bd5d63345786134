"""Making bundles: `overlay-import bundle`. Nothing here is imported by `install()`.

A command is run with `overlay_import/_training.py` in each of its processes (`_running`), which leaves logs (`_logs`);
modules may also be found without running (`_searching`). What of these belongs in a bundle is compiled and written
(`_building`); `_reasons` has the words for what does not.
"""
