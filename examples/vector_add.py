"""Add two arrays: the kernel of the README, from source to bytes."""

from prism import DeviceArray, f32, get_global_id, kernel, u32


@kernel
def vector_add(a: DeviceArray[f32], b: DeviceArray[f32], c: DeviceArray[f32], n: u32):
    """Add a and b into c; the last block may have lanes beyond n."""
    idx = get_global_id()
    if idx < n:
        c[idx] = a[idx] + b[idx]
