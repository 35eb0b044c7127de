"""Problems and their minima by SciPy, in float64: logistic regression with a ridge, and a nonlinear least-squares fit.

Usage: python minimise.py, with numpy and scipy (1.18 was used). Writes minimise.json beside this file.
"""

import json
from pathlib import Path

import numpy as np
import scipy
from scipy.optimize import least_squares, minimize

generator = np.random.default_rng(7)


def logistic():
    n, d, ridge = 80, 6, 0.3
    x = generator.normal(size=(n, d)) * np.array([1, 3, 0.2, 1, 1, 10])
    y = np.where(x @ generator.normal(size=d) + generator.normal(size=n) > 0, 1.0, -1.0)

    def value(w):
        return np.logaddexp(0, -y * (x @ w)).sum() + ridge / 2 * w @ w

    def gradient(w):
        return -x.T @ (y / (1 + np.exp(y * (x @ w)))) + ridge * w

    def hessian(w):
        p = 1 / (1 + np.exp(-y * (x @ w)))
        return x.T @ ((p * (1 - p))[:, None] * x) + ridge * np.eye(d)

    found = minimize(value, np.zeros(d), jac=gradient, hess=hessian, method="trust-exact", options={"gtol": 1e-12})
    return {"x": x.tolist(), "y": y.tolist(), "ridge": ridge, "w": found.x.tolist(), "objective": found.fun}


def exponentials():
    """a exp(-b t) + c, with noise: a residual that does not vanish."""
    t = np.linspace(0, 4, 40)
    y = 2.5 * np.exp(-1.3 * t) + 0.5 + 0.05 * generator.normal(size=t.size)
    residuals = lambda p: p[0] * np.exp(-p[1] * t) + p[2] - y  # noqa: E731
    found = least_squares(residuals, [1, 1, 0], method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return {"t": t.tolist(), "y": y.tolist(), "p": found.x.tolist(), "objective": float(found.cost)}


document = {
    "scipy": scipy.__version__,
    "logistic": logistic(),
    "exponentials": exponentials(),
}
Path(__file__).with_name("minimise.json").write_text(json.dumps(document))
