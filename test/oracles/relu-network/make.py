"""Reference data for convex/relu-network: optima of the convex program by an interior-point solver, closed forms, and the
iterates of a plain ADMM. Writes the JSON files beside it.

  python -m pip install numpy scipy cvxpy clarabel
  python make.py

The program, for data X [n, d], targets y [n], masks D_i [n] of 0 and 1, signs S_i = 2 D_i - 1, and penalty beta:

  min 1/2 ||sum_i D_i X (v_i - w_i) - y||^2 + beta sum_i (||v_i|| + ||w_i||)   s.t.  S_i X v_i >= 0,  S_i X w_i >= 0
"""

import json
from pathlib import Path

import cvxpy as cp
import numpy as np

TIGHT = dict(tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-13, max_iter=400)


def solve(x, y, masks, beta):
    """Optimal value and residual y - prediction of the convex program, by Clarabel."""
    (n, d), patterns = x.shape, len(masks)
    v, w = cp.Variable((patterns, d)), cp.Variable((patterns, d))
    fit = sum(cp.multiply(m, x @ (v[i] - w[i])) for i, m in enumerate(masks))
    cones = [cp.multiply(2 * m - 1, x @ u[i]) >= 0 for i, m in enumerate(masks) for u in (v, w)]
    norms = sum(cp.norm(u[i], 2) for i in range(patterns) for u in (v, w))
    problem = cp.Problem(cp.Minimize(cp.sum_squares(fit - y) / 2 + beta * norms), cones)
    problem.solve(solver=cp.CLARABEL, **TIGHT)
    assert problem.status in ("optimal", "optimal_inaccurate"), problem.status
    return float(problem.value), y - fit.value


def dual_bound(x, y, masks, beta, z):
    """Lower bound of the program from any z: with M the largest distance of +-X^T D_i z from minus the polar of its cone,

      M = max_i min_{alpha >= 0} ||+-X^T D_i z + X^T S_i alpha||,    t = min(beta / M, z.y / z.z),    t z.y - t^2 z.z / 2.
    """
    largest = 0.0
    for m in masks:
        for sign in (1, -1):
            alpha = cp.Variable(len(y), nonneg=True)
            reach = cp.Problem(cp.Minimize(cp.norm(sign * x.T @ (m * z) + x.T @ cp.multiply(2 * m - 1, alpha), 2)))
            reach.solve(solver=cp.CLARABEL, **TIGHT)
            largest = max(largest, float(reach.value))
    t = min(beta / largest, max(0.0, z @ y / (z @ z)))
    return float(t * (z @ y) - t * t * (z @ z) / 2), largest


def certified(x, y, masks, beta):
    """Optimal value, checked against the dual: the solver may report reduced accuracy at such tolerances, the gap cannot lie."""
    optimum, z = solve(x, y, masks, beta)
    bound, _ = dual_bound(x, y, masks, beta, z)
    assert 0 <= optimum - bound < 1e-8 * optimum, (optimum, bound)
    return optimum


def sweep(x):
    """All sign patterns of a data set in the plane, in order of angle, and the arcs of directions that have them."""
    normal = np.arctan2(x[:, 1], x[:, 0])
    edges = np.sort(np.mod(np.concatenate([normal + np.pi / 2, normal - np.pi / 2]), 2 * np.pi))
    arcs = list(zip(edges, np.append(edges[1:], edges[0] + 2 * np.pi)))
    middles = [(low + high) / 2 for low, high in arcs]
    return [(x @ [np.cos(a), np.sin(a)] >= 0).astype(float) for a in middles], arcs


def largest_response(x, z):
    """max |z . (X u)_+| over unit u in the plane: in each arc the response is linear in u."""
    best = 0.0
    for mask, (low, high) in zip(*sweep(x)):
        c = x.T @ (mask * z)
        for sign in (1, -1):
            peak = np.arctan2(sign * c[1], sign * c[0])
            candidates = [low, high] + [peak + 2 * np.pi * k for k in (-1, 0, 1, 2) if low <= peak + 2 * np.pi * k <= high]
            best = max(best, *(sign * (c @ [np.cos(a), np.sin(a)]) for a in candidates))
    return float(best)


def admm(x, y, masks, beta, rho, tau, relaxation, iterations):
    """Objectives of the program at v, and the largest violation of a cone, after the given numbers of iterations."""
    (n, d), patterns = x.shape, len(masks)
    signs = 2 * masks - 1

    def predict(u):
        return ((u[0] - u[1]) @ x.T * masks).sum(0)

    def pull(r):
        q = (r * masks) @ x
        return np.stack([q, -q])

    features = np.concatenate([m[:, None] * x for m in masks], axis=1)
    wide = np.concatenate([features, -features], axis=1)
    block = np.eye(d) + tau * x.T @ x
    inverse = np.linalg.inv(np.kron(np.eye(2 * patterns), block) + wide.T @ wide / rho)
    u, v, lam = (np.zeros((2, patterns, d)) for _ in range(3))
    s, nu = (np.zeros((2, patterns, n)) for _ in range(2))
    history = []
    for k in range(1, max(iterations) + 1):
        b = pull(y) / rho + v - lam + tau * ((signs * (s - nu)) @ x)
        u = (inverse @ b.ravel()).reshape(u.shape)
        g = signs * (u @ x.T)
        q = relaxation * u + (1 - relaxation) * v + lam
        p = relaxation * g + (1 - relaxation) * s + nu
        length = np.linalg.norm(q, axis=-1, keepdims=True)
        v = np.maximum(0, 1 - beta / (rho * np.maximum(length, 1e-300))) * q
        s = np.maximum(p, 0)
        lam, nu = q - v, p - s
        if k in iterations:
            r = predict(v) - y
            objective = r @ r / 2 + beta * np.linalg.norm(v, axis=-1).sum()
            history.append({
                "iteration": k,
                "objective": float(objective),
                "violation": float(np.maximum(-signs * (v @ x.T), 0).max()),
            })
    return history


def minstd(seed):
    """Park and Miller's generator: uniforms in (0, 1)."""
    state = seed
    while True:
        state = state * 16807 % (2**31 - 1)
        yield state / (2**31 - 1)


def normals(seed):
    """One normal from every two uniforms."""
    uniform = minstd(seed)
    while True:
        u1, u2 = next(uniform), next(uniform)
        yield np.sqrt(-2 * np.log(u1)) * np.cos(2 * np.pi * u2)


def draw(generator, shape, digits=None):
    values = np.array([next(generator) for _ in range(int(np.prod(shape)))]).reshape(shape)
    return values if digits is None else np.round(values, digits)


def sample_patterns(x, count, generator):
    """`count` distinct patterns with at least one row on."""
    found = {}
    while len(found) < count:
        mask = (x @ draw(generator, x.shape[1]) >= 0).astype(float)
        if mask.any():
            found.setdefault(mask.tobytes(), mask)
    return np.array(list(found.values()))


def network_data(n, d, seed, width=3, noise=0.1):
    """Targets of a planted network with `width` neurons; three decimals, so that the files stay small and exact."""
    generator = normals(seed)
    x = draw(generator, (n, d), 3)
    weights, output = draw(generator, (width, d)), draw(generator, width)
    y = np.round(np.maximum(x @ weights.T, 0) @ output + noise * draw(generator, n), 3)
    return x, y, generator


def bits(masks):
    """Each pattern as a string of 0 and 1."""
    return ["".join("01"[int(b)] for b in mask) for mask in masks]


def plane():
    """Instance R2: eight points in the plane, all 16 patterns."""
    x = draw(normals(7), (8, 2))
    y = np.sin(2 * x[:, 0]) + 0.5 * x[:, 1]
    masks, _ = sweep(x)
    cases = []
    for beta in (0.05, 0.5):
        optimum, z = solve(x, y, masks, beta)
        bound, reach = dual_bound(x, y, masks, beta, z)
        response = largest_response(x, z)
        assert abs(reach - response) < 1e-8, (reach, response)
        assert 0 <= optimum - bound < 1e-8, (optimum, bound)
        cases.append({"beta": beta, "optimum": optimum, "residual": z.tolist(), "bound": bound, "largestResponse": response})
    nested = [solve(x, y, masks[:k], 0.05)[0] for k in (1, 2, 4, 8, 12, 16)]
    assert all(a >= b - 1e-9 for a, b in zip(nested, nested[1:]))
    return {
        "seed": 7,
        "x": x.tolist(),
        "y": y.tolist(),
        "patterns": bits(masks),
        "cases": cases,
        "nested": [{"patterns": k, "optimum": p} for k, p in zip((1, 2, 4, 8, 12, 16), nested)],
    }


def closed_forms():
    """Orthonormal rows, where h splits over the signs of y; and one point on the line."""
    x, _ = np.linalg.qr(draw(normals(3), (6, 4)))
    x, y, beta = x.T, np.array([1, -2, 0.3, 0.7]), 0.6

    def h(t):
        return beta * t - beta**2 / 2 if t > beta else t * t / 2

    optimum = h(np.linalg.norm(np.maximum(y, 0))) + h(np.linalg.norm(np.maximum(-y, 0)))
    # Rows in general position with n <= d: every sign pattern occurs.
    masks = np.array([[int(c) for c in format(k, "04b")] for k in range(16)], dtype=float)
    solved, _ = solve(x, y, masks, beta)
    assert abs(solved - optimum) < 1e-9, (solved, optimum)
    point = []
    for px, py, pb in ((1.5, 2.0, 0.4), (0.5, 3.0, 1.0), (2.0, 1.0, 3.0)):
        value = pb * py / px - pb**2 / (2 * px**2) if px * py > pb else py**2 / 2
        solved, _ = solve(np.array([[px]]), np.array([py]), np.array([[1.0]]), pb)
        assert abs(solved - value) < 1e-9, (solved, value)
        point.append({"x": px, "y": py, "beta": pb, "optimum": value})
    return {
        "orthonormal": {"x": x.tolist(), "y": y.tolist(), "beta": beta, "patterns": bits(masks), "optimum": float(optimum)},
        "point": point,
    }


def small():
    """n = 20, d = 4, 12 patterns."""
    x, y, generator = network_data(20, 4, 11)
    masks = sample_patterns(x, 12, generator)
    cases = [{"beta": beta, "optimum": certified(x, y, masks, beta)} for beta in (0.01, 0.1, 1.0)]
    return {"x": x.tolist(), "y": y.tolist(), "patterns": bits(masks), "cases": cases}


def medium():
    """n = 200, d = 10, 20 patterns: for comparing inner solvers, and ADMM step by step at a fixed penalty."""
    x, y, generator = network_data(200, 10, 13)
    masks = sample_patterns(x, 20, generator)
    beta, counts = 0.5, [1, 2, 5, 10, 50, 200]
    optimum = certified(x, y, masks, beta)
    tau = 3 / float((x**2).sum(1).mean())
    runs = [
        {"rho": rho, "tau": t, "relaxation": a, "history": admm(x, y, masks, beta, rho, t, a, counts)}
        for rho, t, a in ((1.0, 1.0, 1.0), (0.1, 1.0, 1.0), (1.0, tau, 1.7))
    ]
    return {"x": x.tolist(), "y": y.tolist(), "patterns": bits(masks), "beta": beta, "optimum": optimum, "admm": runs}


def classes():
    """Three classes, one against the rest: the optima of the classes add up."""
    generator = normals(17)
    x = draw(generator, (30, 3), 3)
    labels = np.argmax(x @ draw(generator, (3, 3)) + 0.3 * draw(generator, (30, 3)), axis=1)
    masks = sample_patterns(x, 10, generator)
    beta = 0.3
    optima = [certified(x, np.where(labels == c, 1.0, -1.0), masks, beta) for c in range(3)]
    return {
        "x": x.tolist(),
        "labels": labels.tolist(),
        "patterns": bits(masks),
        "beta": beta,
        "optima": optima,
        "optimum": float(sum(optima)),
    }


if __name__ == "__main__":
    files = {"plane": plane, "closed-forms": closed_forms, "small": small, "medium": medium, "classes": classes}
    for name, make in files.items():
        path = Path(__file__).with_name(f"{name}.json")
        path.write_text(json.dumps(make(), separators=(",", ":")) + "\n")
        print(f"{path.name}: {path.stat().st_size} bytes")
