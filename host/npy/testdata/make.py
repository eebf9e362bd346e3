"""Writes the array files that read_test.go knows by heart."""
import io, pathlib, zipfile
import numpy as np
from numpy.lib import format as npf

here = pathlib.Path(__file__).parent


def save(name, array, version=None):
    with open(here / name, "wb") as f:
        npf.write_array(f, array, version=version, allow_pickle=True)


grid = np.arange(24).reshape(2, 3, 4)  # value = position in C order
for dtype in "f4 f8 i1 u1 i2 u2 i4 u4 i8 u8".split():
    save(f"{dtype}.npy", grid.astype("<" + dtype))
    if dtype[1] != "1":
        save(f"{dtype}_big.npy", grid.astype(">" + dtype))
save("bool.npy", grid % 2 == 1)
save("fortran.npy", np.asfortranarray(grid.astype("<f4")))
save("fortran_big.npy", np.asfortranarray(grid.astype(">i4")))
save("version2.npy", grid.astype("<f4"), version=(2, 0))
save("version3.npy", grid.astype("<f4"), version=(3, 0))
save("scalar.npy", np.float32(7))
save("empty.npy", np.zeros((0, 5), "<f4"))
save("signed.npy", np.array([-128, -1, 0, 127], "<i1"))
save("large.npy", np.array([1, 2**24, 2**24 + 1, -(2**62) - 1], "<i8"))
save("special.npy", np.array([np.nan, np.inf, -np.inf, -0.0, 0.1, 1e300], "<f8"))
np.savez(here / "one.npz", x=grid.astype("<f4"))
np.savez(here / "two.npz", x=grid.astype("<f4"), y=grid.astype("<i8"))
np.savez_compressed(here / "packed.npz", x=np.zeros((64, 64), "<f4"))
# refused
save("object.npy", np.array([[1], [2, 3]], dtype=object))
save("complex.npy", np.array([1 + 2j]))
save("string.npy", np.array(["a", "bc"]))
save("bytes.npy", np.array([b"a", b"bc"]))
save("half.npy", np.array([1], "<f2"))
save("record.npy", np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f8")]))
save("date.npy", np.array(["2020-01-01"], dtype="datetime64[D]"))
print(np.__version__)
