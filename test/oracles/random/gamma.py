"""How a gamma variable moves with its shape parameter while its probability is held: quantiles z of gamma distributions of shape a, and
dz/da there. Writes gamma.json beside it.

The derivative is -(dF/da) / p by numerical differentiation of the regularised incomplete gamma function in 60 digits (mpmath);
differences of scipy.special.gammaincinv confirm it to what float64 allows.

  python -m pip install mpmath scipy
  python gamma.py
"""

import json
from pathlib import Path

import mpmath as mp
from scipy.special import gammaincinv

mp.mp.dps = 60
SHAPES = [0.001, 0.01, 0.03, 0.1, 0.3, 0.7, 1, 1.5, 2.5, 5, 10, 15.9, 16.1, 30, 100, 300, 1000, 5000, 9999, 10001, 1e5, 1e6]
PROBABILITIES = [1e-9, 1e-6, 1e-3, 0.05, 0.2, 0.4, 0.5, 0.6, 0.8, 0.95, 0.999, 1 - 1e-6, 1 - 1e-9]


def lower(a, z):
    """P(a, z) by its series, and beyond its mean from the other side; both converge for all arguments."""
    if z < a + 5 * mp.sqrt(a) + 30:
        term = total = mp.mpf(1)
        n = 0
        while term > total * mp.mpf(10) ** -70:
            n += 1
            term *= z / (a + n)
            total += term
        return total * mp.exp(a * mp.log(z) - z - mp.loggamma(a + 1))
    return 1 - mp.gammainc(a, z, mp.inf, regularized=True)


def derivative(a, z):
    step = a * mp.mpf(10) ** -12  # the truncation error of the central difference is its square
    slope = (lower(a + step, z) - lower(a - step, z)) / (2 * step)
    density = mp.exp((a - 1) * mp.log(z) - z - mp.loggamma(a))
    return -slope / density


rows = []
for a in SHAPES:
    for probability in PROBABILITIES:
        z = float(gammaincinv(a, probability))
        if z < 1e-290:
            continue
        value = float(derivative(mp.mpf(a), mp.mpf(z)))
        step = 1e-4 * a
        above, below = (mp.mpf(float(gammaincinv(a + sign * step, probability))) for sign in (1, -1))
        rough = z * float(mp.log(above / below)) / (2 * step)  # of the logarithm, which is nearly straight for small shapes
        # z is rounded to float64, which moves its probability; differences of the quantile are good to some digits of z / step.
        if 1e-5 < probability < 1 - 1e-5:
            assert abs(rough - value) <= 1e-5 * abs(value) + 1e-9 * z / step, (a, probability, rough, value)
        rows.append([a, z, value])

Path(__file__).with_name("gamma.json").write_text(
    json.dumps({"columns": ["shape", "variable", "derivative"], "rows": rows}, indent=None).replace("], [", "],\n[") + "\n"
)
