"""Reference data for the losses, the sampled and gated programs and the robust programs of convex/relu-network, by Clarabel and
scikit-learn. Writes losses.json, sampled.json and robust.json beside it. `make.py` tells about the program.

  python -m pip install numpy scipy cvxpy clarabel scikit-learn
  python make_variants.py
"""

import json
from pathlib import Path

import cvxpy as cp
import numpy as np
from make import TIGHT, bits, draw, network_data, normals, sample_patterns
from sklearn.linear_model import Lasso


def value(problem):
    """Optimal value; Clarabel may call it inaccurate when the last digits of such tolerances are out of reach."""
    problem.solve(solver=cp.CLARABEL, **TIGHT)
    assert problem.status in ("optimal", "optimal_inaccurate"), problem.status
    return float(problem.value)


def worst_case(loss, fit, y, reach):
    """Sum over rows of the loss of predictions `fit` that an adversary moves by up to `reach`, a convex expression >= 0 for each row."""
    if loss == "squared":
        return cp.sum_squares(cp.abs(fit - y) + reach) / 2
    loss_of_margin = {"hinge": lambda m: cp.pos(1 - m), "cross-entropy": lambda m: cp.logistic(-2 * m)}[loss]
    return cp.sum(loss_of_margin(cp.multiply(y, fit) - reach))


def optimum(loss, x, y, masks, beta, epsilon=0.0):
    """The convex program with any loss, against perturbations of every row in an l_inf ball of radius epsilon."""
    (n, d), patterns = x.shape, len(masks)
    v, w = cp.Variable((patterns, d)), cp.Variable((patterns, d))
    fit = sum(cp.multiply(m, x @ (v[i] - w[i])) for i, m in enumerate(masks))
    reach = epsilon * cp.sum(cp.abs(masks.T @ (v - w)), axis=1) if epsilon else np.zeros(n)
    sides = [(2 * m - 1, u[i]) for i, m in enumerate(masks) for u in (v, w)]
    cones = [cp.multiply(signs, x @ block) >= epsilon * cp.norm(block, 1) for signs, block in sides]
    norms = sum(cp.norm(block, 2) for _, block in sides)
    return value(cp.Problem(cp.Minimize(worst_case(loss, fit, y, reach) + beta * norms), cones))


def classification(n, d, seed):
    """Features and labels -1/+1 of a planted network, as exact decimals."""
    x, y, generator = network_data(n, d, seed)
    return x, np.where(y >= np.median(y), 1.0, -1.0), generator


def classes():
    """n = 20, d = 4, 12 patterns: hinge and cross-entropy."""
    x, y, generator = classification(20, 4, 19)
    masks = sample_patterns(x, 12, generator)
    cases = [
        {"loss": loss, "beta": beta, "optimum": optimum(loss, x, y, masks, beta)}
        for loss in ("hinge", "cross-entropy")
        for beta in (0.02, 0.2, 1.0)
    ]
    return {"x": x.tolist(), "y": y.tolist(), "patterns": bits(masks), "cases": cases}


def directions():
    """n = 25, d = 4, 40 unit directions: the Lasso on their activations, its group form for two outputs, and gated programs."""
    x, y, generator = network_data(25, 4, 23)
    u = draw(generator, (40, 4), 3)
    h = np.maximum(x @ (u / np.linalg.norm(u, axis=1, keepdims=True)).T, 0)
    n = len(y)
    lasso = []
    for beta in (0.1, 1.0):
        model = Lasso(alpha=beta / n, fit_intercept=False, tol=1e-15, max_iter=10**6).fit(h, y)
        r = y - h @ model.coef_
        lasso.append({"beta": beta, "optimum": float(r @ r / 2 + beta * np.abs(model.coef_).sum()), "weights": model.coef_.tolist()})
    targets = np.stack([y, np.round(np.sin(3 * y), 3)], axis=1)
    a = cp.Variable((40, 2))
    group = value(cp.Problem(cp.Minimize(cp.sum_squares(h @ a - targets) / 2 + 0.3 * cp.sum(cp.norm(a, 2, axis=1)))))
    labels = np.where(y >= np.median(y), 1.0, -1.0)
    b = cp.Variable(40)
    logistic = value(cp.Problem(cp.Minimize(cp.sum(cp.logistic(-2 * cp.multiply(labels, h @ b))) + 0.2 * cp.norm(b, 1))))
    gates = u[:10]
    masks = (x @ gates.T >= 0).astype(float).T
    v = cp.Variable((10, 4))
    fit = sum(cp.multiply(m, x @ v[i]) for i, m in enumerate(masks))
    norms = cp.sum(cp.norm(v, 2, axis=1))
    gated = [
        {"loss": "squared", "beta": 0.5, "optimum": value(cp.Problem(cp.Minimize(cp.sum_squares(fit - y) / 2 + 0.5 * norms)))},
        {
            "loss": "cross-entropy",
            "beta": 0.2,
            "optimum": value(cp.Problem(cp.Minimize(cp.sum(cp.logistic(-2 * cp.multiply(labels, fit))) + 0.2 * norms))),
        },
    ]
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "targets": targets.tolist(),
        "labels": labels.tolist(),
        "directions": u.tolist(),
        "lasso": lasso,
        "group": {"beta": 0.3, "optimum": group},
        "logistic": {"beta": 0.2, "optimum": logistic},
        "gated": gated,
    }


def robust():
    """n = 12, d = 4, 10 patterns wide enough for some perturbations: every loss at growing radii."""
    x, y, generator = classification(12, 4, 29)
    values = np.round(y + 0.3 * draw(generator, len(y)), 3)
    masks = sample_patterns(x, 10, generator)
    cases = [
        {"loss": loss, "beta": beta, "epsilon": epsilon, "optimum": optimum(loss, x, target, masks, beta, epsilon)}
        for loss, target in (("squared", values), ("hinge", y), ("cross-entropy", y))
        for beta, epsilon in ((0.05, 0.0), (0.05, 0.02), (0.05, 0.1), (0.3, 0.1))
    ]
    return {"x": x.tolist(), "labels": y.tolist(), "values": values.tolist(), "patterns": bits(masks), "cases": cases}


if __name__ == "__main__":
    for name, make in {"losses": classes, "sampled": directions, "robust": robust}.items():
        path = Path(__file__).with_name(f"{name}.json")
        path.write_text(json.dumps(make(), separators=(",", ":")) + "\n")
        print(f"{path.name}: {path.stat().st_size} bytes")
