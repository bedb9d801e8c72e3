"""Which places of a window meet an image, and a row of im2col's matrix."""

from ._jit import inline, kernel


@inline
def places_inside(shift, step, size, count):
    """Range of those k below `count` whose pixel ``k * step + shift`` is on an image of `size`."""
    first = min(count, max(0, -(shift // step)))
    return first, max(first, min(count, (size - 1 - shift) // step + 1))


@kernel
def im2col_row(x, cols, row, n, channels, height, width, kh, kw, oh, ow, sh, sw, dh, dw, top, left, padding):
    """Write one row of `cols`, one element of the kernel in all windows, with `padding` around the images."""
    c = row // (kh * kw)
    i = row // kw % kh
    j = row % kw
    first, last = places_inside(j * dw - left, sw, width, ow)
    for s in range(n):
        for p in range(oh):
            to = row * n * oh * ow + (s * oh + p) * ow
            h = p * sh + i * dh - top
            source = ((s * channels + c) * height + h) * width + j * dw - left
            empty = h < 0 or h >= height
            for q in range(ow if empty else first):
                cols[to + q] = padding
            for q in range(0 if empty else first, 0 if empty else last):
                cols[to + q] = x[source + q * sw]
            for q in range(ow if empty else last, ow):
                cols[to + q] = padding
