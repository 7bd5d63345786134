"""PyImport_LoadOverlay, from a C extension that is compiled against the installed header."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import overlay_import
from helpers import clean_environment

SOURCE = r"""
#include <Python.h>
#include <overlay_import.h>

static PyObject *
load(PyObject *self, PyObject *args)
{
    PyObject *module, *name;
    int force_reload;
    if (!PyArg_ParseTuple(args, "OOi", &module, &name, &force_reload))
        return NULL;
    int status = PyImport_LoadOverlay(module, name, force_reload);
    return status == 0 ? NULL : PyLong_FromLong(status);
}

static PyMethodDef methods[] = {{"load", load, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "loader", NULL, -1, methods};

PyMODINIT_FUNC
PyInit_loader(void)
{
    return PyModule_Create(&module);
}
"""

SETUP = """
from setuptools import Extension, setup
import overlay_import
setup(name="loader", ext_modules=[Extension("loader", ["loader.c"], include_dirs=[overlay_import.get_include()])])
"""


@pytest.fixture(scope="module")
def loader(tmp_path_factory):
    """The extension module."""
    folder = tmp_path_factory.mktemp("extension")
    (folder / "loader.c").write_text(SOURCE)
    (folder / "setup.py").write_text(SETUP)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "setup.py", "-q", "build_ext", "--inplace"],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("loader*.so")
    spec = importlib.util.spec_from_file_location("loader", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_header_lies_where_get_include_says():
    assert (Path(overlay_import.get_include()) / "overlay_import.h").is_file()


def test_c_loads_an_overlay_once_and_again_by_force(loader, shapes):
    assert loader.load(shapes, "extra", 0) == 1
    assert shapes.EXTRA == "extra"
    assert loader.load(shapes, "extra", 0) == 2
    del shapes.EXTRA
    assert loader.load(shapes, "extra", 1) == 1
    assert shapes.EXTRA == "extra"


def test_c_gets_the_exception_of_a_failure(loader, shapes, project):
    with pytest.raises(overlay_import.OverlayNotFoundError):
        loader.load(shapes, "nothing", 0)
    with pytest.raises(TypeError, match="a module is needed"):
        loader.load("shapes", "extra", 0)
    broken = project.module("broken", "# overlay: part\n1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        loader.load(broken, "part", 0)
