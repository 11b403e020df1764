"""Field of a Gaussian charge in two dimensions; twin of kernels/numbers/bassetti_erskine.h.

V is the potential of a unit charge with variances a and b [m^2], normalised to 2 ln r at large r: the force on a
like charge is grad V, 2/r at large r. A Gaussian obeys the diffusion equation in its variances, hence
dV/da = V_xx/2 and dV/db = V_yy/2 at fixed V at infinity.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gputrack.base.arrays import exp, namespace, plain_values, sqrt
from gputrack.base.special.faddeeva import ROOT_PI, faddeeva

#: beams are nearly round where neither variance exceeds the other by this factor, that of sizes squared
ROUND = 1.5**2
#: exponent beyond which the integrand is left out
CUT = 36.0
#: Gauss and Legendre's nodes and weights on [0, 1]
NODES = (
    0.00240639000148932, 0.012635722014345251, 0.030862723998633622, 0.056792236497799485, 0.08999900701304854,
    0.12993790421072282, 0.17595317403151223, 0.22728926430558022, 0.2831032461869774, 0.3424786601519183,
    0.40444056626319186, 0.4679715535686972, 0.5320284464313028, 0.5955594337368082, 0.6575213398480817,
    0.7168967538130225, 0.7727107356944197, 0.8240468259684878, 0.8700620957892772, 0.9100009929869515,
    0.9432077635022005, 0.9691372760013663, 0.9873642779856547, 0.9975936099985107,
)
GAUSS = (
    0.0061706148999936, 0.014265694314466832, 0.022138719408709904, 0.02964929245771839, 0.03667324070554015,
    0.04309508076597664, 0.04880932605205694, 0.05372213505798282, 0.0577528340268628, 0.060835236463901696,
    0.06291872817341415, 0.06396909767337608, 0.06396909767337608, 0.06291872817341415, 0.060835236463901696,
    0.0577528340268628, 0.05372213505798282, 0.04880932605205694, 0.04309508076597664, 0.03667324070554015,
    0.02964929245771839, 0.022138719408709904, 0.014265694314466832, 0.0061706148999936,
)


class GaussianField(NamedTuple):
    """First derivatives of V in x and y [1/m], second derivatives in xx and yy [1/m^2]."""

    x: Any
    y: Any
    xx: Any
    yy: Any


def gaussian_field(x: Any, y: Any, a: Any, b: Any) -> GaussianField:
    """Field at (x, y) [m] of a Gaussian charge of variances a, b [m^2], both > 0; accurate for all ratios of them."""
    u, v = plain_values(a), plain_values(b)
    near = (u <= ROUND * v) & (v <= ROUND * u) & (0.0 * plain_values(x + y) == 0.0)
    xp = namespace(near)
    if xp.all(near):
        return nearly_round(x, y, a, b)
    if not xp.any(near):
        return elliptic(x, y, a, b)
    xp = namespace(x, y, a, b)
    b = b + 0.0 * (x + y + a)
    first = nearly_round(x, y, a, xp.where(near, b, a + 0.0 * b))
    second = elliptic(x, y, a, xp.where(near, 0.25 * a, b))
    return GaussianField(*(xp.where(near, f, s) for f, s in zip(first, second, strict=True)))


def nearly_round(x: Any, y: Any, a: Any, b: Any) -> GaussianField:
    """By Gauss-Legendre quadrature: never 0/0, accurate to 1e-13 for sizes that differ by half, at any distance.

    V = int ds/s (1 - exp(-s/2 (x^2/A^2 + y^2/B^2))) over s from 0 to 1, where A = m + d s, B = m - d s are the
    semi-axes of confocal ellipses with m = (sx + sy)/2, d = (sx - sy)/2. With s = u m/(sqrt(sx sy) N), with
    p = (sx/sy)^(1/2), h = 1 - u + u p, k = 1 - u + u/p, N = (h + k)/2 and c = sqrt(sx sy) m this is symmetric,
    V_x = x/c int du/h^2 exp(-u N/(2 c) (x^2/h^2 + y^2/k^2)), and V_y has k in the place of h. u from 0 to 1, less
    where the rest is below 1e-15.
    """
    sx, sy = sqrt(a), sqrt(b)
    p = sqrt(sx / sy)
    inverse = 1.0 / (0.5 * sqrt(sx * sy) * (sx + sy))
    x2, y2 = x * x, y * y
    reach = _reach(x2 + y2, a, b)
    x1 = y1 = xx = yy = 0.0 * (x + y + a)
    for node, weight in zip(NODES, GAUSS, strict=True):
        u = reach * node
        h, k = 1.0 + u * (p - 1.0), 1.0 + u * (1.0 / p - 1.0)
        fx, fy = 1.0 / (h * h), 1.0 / (k * k)
        m = 0.5 * u * (h + k) * inverse
        tx, ty = m * fx * x2, m * fy * y2
        share = exp(-0.5 * (tx + ty)) * (weight * reach)
        x1, y1 = x1 + share * fx, y1 + share * fy
        xx, yy = xx + share * fx * (1.0 - tx), yy + share * fy * (1.0 - ty)
    return GaussianField(x * x1 * inverse, y * y1 * inverse, xx * inverse, yy * inverse)


def _reach(r2: Any, a: Any, b: Any) -> Any:
    """Upper limit of u, where the exponent reaches `CUT`, or 1. A plain number: the neglected tail is constant."""
    r2, u, v = plain_values(r2), plain_values(a), plain_values(b)
    xp = namespace(r2, u, v)
    lowest = 0.5 * r2 / xp.where(u >= v, u, v)
    return CUT / xp.where(lowest >= CUT, lowest, CUT + 0.0 * lowest)


def elliptic(x: Any, y: Any, a: Any, b: Any) -> GaussianField:
    """By the Faddeeva function, where the variances differ: M. Bassetti and G. Erskine, CERN-ISR-TH/80-06."""
    wide = plain_values(a) > plain_values(b)
    xp = namespace(wide)
    if xp.all(wide):
        return _wide(x, y, a, b)
    if not xp.any(wide):
        f = _wide(y, x, b, a)
        return GaussianField(f.y, f.x, f.yy, f.xx)
    xp = namespace(x, y, a, b)
    zero = 0.0 * (x + y + a + b)
    x, y, a, b = x + zero, y + zero, a + zero, b + zero
    f = _wide(*(xp.where(wide, p, q) for p, q in ((x, y), (y, x), (a, b), (b, a))))
    return GaussianField(*(xp.where(wide, p, q) for p, q in ((f.x, f.y), (f.y, f.x), (f.xx, f.yy), (f.yy, f.xx))))


def _wide(x: Any, y: Any, a: Any, b: Any) -> GaussianField:
    """For a > b: V_y + i V_x = 2 sqrt(pi)/s (w((x + i y)/s) - e w((k x + i y/k)/s)) with s^2 = 2 (a - b), k^2 = b/a.

    e = exp(-x^2/2a - y^2/2b); y >= 0, else the odd V_y changes sign. The second derivatives follow from
    V_xx + V_yy = 2 e/sqrt(a b) (Poisson) and x V_x + y V_y + a V_xx + b V_yy = 2 (V changes by 2 ln t when x and y
    grow by t, a and b by t^2).
    """
    level = 0.0 * plain_values(y)
    sign = namespace(level).where(plain_values(y) < 0.0, level - 1.0, level + 1.0)
    up = sign * y
    inverse = 1.0 / (a - b)
    scale, root = sqrt(0.5 * inverse), 1.0 / sqrt(a * b)
    k, over_k = b * root, a * root
    e = exp(-0.5 * root * (x * x * k + y * y * over_k))
    outer, inner = faddeeva(scale * x, scale * up), faddeeva(scale * k * x, scale * over_k * up)
    factor = 2.0 * ROOT_PI * scale
    fx, fy = factor * (outer[1] - e * inner[1]), sign * factor * (outer[0] - e * inner[0])
    density = 2.0 * root * e
    xx = (2.0 - x * fx - y * fy - b * density) * inverse
    return GaussianField(fx, fy, xx, density - xx)
