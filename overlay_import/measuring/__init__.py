"""Measuring programs: `overlay-import bench` and `overlay-import report`. Nothing here is imported by `install()`.

A measured process is a *variant* of the command: `stock`, `overlays`, or one of the others in `_processes`. All but
stock begin with `startup/sitecustomize.py`, by way of `PYTHONPATH`.
"""
