/* overlay_import.h: load overlays from C.
 *
 *     #include <Python.h>
 *     #include <overlay_import.h>
 *
 *     int status = PyImport_LoadOverlay(module, name, 0);
 *
 * Returns 1 where the overlay was loaded, 2 where it was loaded already (and force_reload is zero), and 0 where it
 * failed, with an exception set. Needs the GIL. Compile with -I"$(python -c 'import overlay_import as o; print(o.get_include())')".
 */
#ifndef OVERLAY_IMPORT_H
#define OVERLAY_IMPORT_H

#include <Python.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    unsigned int version;
    int (*load_overlay)(PyObject *module, PyObject *name, int force_reload);
} OverlayImport_API;

#define OVERLAY_IMPORT_API_VERSION 1
#define OVERLAY_IMPORT_CAPSULE "overlay_import._core._C_API"

/* The API out of its capsule, or NULL with an exception set. */
static inline const OverlayImport_API *
OverlayImport_GetAPI(void)
{
    const OverlayImport_API *api = (const OverlayImport_API *)PyCapsule_Import(OVERLAY_IMPORT_CAPSULE, 0);
    if (api != NULL && api->version < OVERLAY_IMPORT_API_VERSION) {
        PyErr_SetString(PyExc_ImportError, "the installed overlay_import is older than its header");
        return NULL;
    }
    return api;
}

static inline int
PyImport_LoadOverlay(PyObject *module, PyObject *name, int force_reload)
{
    const OverlayImport_API *api = OverlayImport_GetAPI();
    return api == NULL ? 0 : api->load_overlay(module, name, force_reload);
}

#ifdef __cplusplus
}
#endif

#endif /* OVERLAY_IMPORT_H */
