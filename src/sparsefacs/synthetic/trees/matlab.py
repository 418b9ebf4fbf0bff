"""MATLAB files as MATLAB writes them, with the same bytes each time: v5 by SciPy, v7.3 (HDF5) by h5py."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_V5 = b"MATLAB 5.0 MAT-file, synthetic, no date"  # SciPy's own text names the time of writing
_V73 = b"MATLAB 7.3 MAT-file, synthetic, no date HDF5 schema 1.00 ."
_TEXT, _BLOCK = 116, 512


def v5(variables: Mapping[str, Any]) -> bytes:
    """Return a MATLAB v5 file of `variables`; a dict is a struct, an object array a cell array."""
    from scipy.io import savemat

    made = io.BytesIO()
    savemat(made, dict(variables), oned_as="row")
    return _V5.ljust(_TEXT) + made.getvalue()[_TEXT:]


def cells(values: Sequence[Any]) -> NDArray[np.object_]:
    """Return a 1 × N cell array."""
    out = np.empty((1, len(values)), object)
    for number, value in enumerate(values):
        out[0, number] = value
    return out


def v73_struct_array(name: str, field: str, matrices: Sequence[NDArray[np.float64] | None]) -> bytes:
    """Return a MATLAB v7.3 file of a 1 × N struct array `name` with one field, a matrix or None (empty) an entry.

    MATLAB keeps such a field as a list of references into `#refs#`, matrices by columns, which HDF5 shows as their
    transposes, and an empty matrix as its size with the attribute MATLAB_empty.
    """
    import h5py

    made = io.BytesIO()
    with h5py.File(made, "w", userblock_size=_BLOCK, libver="earliest", track_order=False) as file:
        refs = file.create_group("#refs#")
        struct = file.create_group(name)
        struct.attrs["MATLAB_class"] = np.bytes_("struct")
        references = np.empty((len(matrices), 1), h5py.ref_dtype)
        for number, matrix in enumerate(matrices):
            content = np.zeros(2, np.uint64) if matrix is None else np.ascontiguousarray(matrix.T)
            entry = refs.create_dataset(f"r{number:05d}", data=content)
            entry.attrs["MATLAB_class"] = np.bytes_("double")
            if matrix is None:
                entry.attrs["MATLAB_empty"] = np.uint8(1)
            references[number, 0] = entry.ref
        struct.create_dataset(field, data=references, dtype=h5py.ref_dtype)
    header = _V73.ljust(_TEXT) + bytes(8) + b"\x00\x02IM"
    return header.ljust(_BLOCK, b"\x00") + made.getvalue()[_BLOCK:]
