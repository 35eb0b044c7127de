"""ADMM for the convex two-layer ReLU program with sampled sign patterns and squared loss. Twin of relu-network-admm.ts.

    minimise 1/2 ||sum_i D_i X (v_i - w_i) - y||^2 + beta sum_i (||v_i|| + ||w_i||)
    subject to (2 D_i - I) X v_i >= 0, (2 D_i - I) X w_i >= 0

X [n, d], y [1, n], masks [P, n] of zeros and ones (row i is the diagonal of D_i). The u-step is solved by Woodbury's identity with one
d x d and one n x n factorisation. They are made once, by the constructors; `run` is the iterations from zero, and so it is on our
side. The sign symmetry F = [F_1.., -F_1..] is used in every form.
"""

import torch


def inverse(matrix):
    """Of a symmetric positive definite matrix: half the work of torch.linalg.inv."""
    return torch.cholesky_inverse(torch.linalg.cholesky(matrix))


class CholeskySolve:
    """As the algorithm reads: torch.cholesky_solve with both factors in each iteration, results where torch puts them."""

    @torch.inference_mode()
    def __init__(self, parameters, data):
        self.beta, self.rho, self.iterations = parameters["beta"], parameters["rho"], parameters["iterations"]
        x = self.x = data["x"]
        masks = self.masks = data["masks"].T.contiguous()
        n, d = x.shape
        self.signs = 2 * masks - 1
        self.small = torch.linalg.cholesky(torch.eye(d) + x.T @ x)
        kernel = x @ torch.cholesky_solve(x.T, self.small)
        self.large = torch.linalg.cholesky(self.rho * torch.eye(n) + 2 * kernel * (masks @ masks.T))
        self.target = x.T @ (masks * data["y"].T) / self.rho

    def solve(self):
        x, masks, signs, small, large, target = self.x, self.masks, self.signs, self.small, self.large, self.target
        beta, rho = self.beta, self.rho
        (n, d), p = x.shape, masks.shape[1]
        v, w, lam, mu = (torch.zeros(d, p, device=x.device) for _ in range(4))
        s, r, nu, xi = (torch.zeros(n, p, device=x.device) for _ in range(4))
        for _ in range(self.iterations):
            b_u = target + v - lam + x.T @ (signs * (s - nu))
            b_z = -target + w - mu + x.T @ (signs * (r - xi))
            c_u = torch.cholesky_solve(b_u, small)
            c_z = torch.cholesky_solve(b_z, small)
            t = torch.cholesky_solve((masks * (x @ (c_u - c_z))).sum(1, keepdim=True), large)
            q = torch.cholesky_solve(x.T @ (masks * t), small)
            u, z = c_u - q, c_z + q
            g_u, g_z = signs * (x @ u), signs * (x @ z)
            a, b = u + lam, z + mu
            v = torch.clamp(1 - beta / (rho * a.norm(dim=0)), min=0) * a
            w = torch.clamp(1 - beta / (rho * b.norm(dim=0)), min=0) * b
            s, r = torch.relu(g_u + nu), torch.relu(g_z + xi)
            lam, mu = lam + u - v, mu + z - w
            nu, xi = nu + g_u - s, xi + g_z - r
        return v, w, (masks * (x @ (u - z))).sum(1)

    @torch.inference_mode()
    def run(self, repetitions):
        for _ in range(repetitions):
            self.solve()

    @torch.inference_mode()
    def result(self):
        v, w, predictions = self.solve()
        return {"v": torch.cat([v.T, w.T]), "predictions": predictions}


class Inverse:
    """The best form that we can write with torch.

    - Both inverses are formed in float64 and rounded once: one matrix-vector product replaces two triangular solves.
    - W = (I + X^T X)^-1 X^T is stored, so (I + X^T X)^-1 F^T t costs one product.
    - With r = nu + G u, s = max(r, 0) and the new dual is min(r, 0), so s - nu = |r|: one array instead of two.
      Likewise with q = u + lambda and v = shrink(q), the new dual is q - v.
    - Variables are rows ([2P, d], [2P, n]): reductions run along memory, halves are contiguous, and MKL's GEMM is faster so.
    - Every buffer is allocated before the iterations.
    """

    @torch.inference_mode()
    def __init__(self, parameters, data):
        self.beta, self.rho, self.iterations = parameters["beta"], parameters["rho"], parameters["iterations"]
        x, masks = self.x, self.masks = data["x"], data["masks"]
        (n, d), p = x.shape, masks.shape[0]
        x64, masks64 = x.double(), masks.double()
        small = inverse(torch.eye(d, dtype=torch.float64) + x64.T @ x64)
        w = small @ x64.T
        large = inverse(self.rho * torch.eye(n, dtype=torch.float64) + 2 * (x64 @ w) * (masks64.T @ masks64))
        self.small, self.large = small.float(), large.float()
        self.w_transposed = w.T.float().contiguous()
        self.x_transposed = x.T.contiguous()
        self.signs = torch.cat([2 * masks - 1, 2 * masks - 1])
        half = (masks * data["y"]) @ x / self.rho
        self.target = torch.cat([half, -half])
        self.rows_d = [torch.zeros(2 * p, d) for _ in range(4)]
        self.rows_n = [torch.zeros(2 * p, n) for _ in range(2)]
        self.half_d = [torch.zeros(p, d) for _ in range(2)]
        self.half_n = torch.zeros(p, n)
        self.vectors = [torch.zeros(n), torch.zeros(n), torch.zeros(2 * p)]
        self.ones = torch.ones(p)

    def solve(self):
        x, x_transposed, masks, signs, target = self.x, self.x_transposed, self.masks, self.signs, self.target
        small, large, w_transposed, ones = self.small, self.large, self.w_transposed, self.ones
        shrinkage = -self.beta / self.rho
        p = masks.shape[0]
        v, lam, b, c = self.rows_d
        a, nu = self.rows_n
        difference, q = self.half_d
        masked = self.half_n
        h, t, norms = self.vectors
        for buffer in (v, lam, a, nu):
            buffer.zero_()
        for _ in range(self.iterations):
            # Here a = S |r|, so a X = G^T (s - nu).
            torch.sub(v, lam, out=b).add_(target)
            b.addmm_(a, x)
            torch.mm(b, small, out=c)
            torch.sub(c[:p], c[p:], out=difference)
            torch.mm(difference, x_transposed, out=masked).mul_(masks)
            torch.mv(masked.T, ones, out=h)
            torch.mv(large, h, out=t)
            torch.mul(masks, t, out=masked)
            torch.mm(masked, w_transposed, out=q)
            c[:p].sub_(q)
            c[p:].add_(q)
            lam.add_(c)
            torch.linalg.vector_norm(lam, dim=1, out=norms)
            norms.reciprocal_().mul_(shrinkage).add_(1).clamp_min_(0)
            torch.mul(lam, norms[:, None], out=v)
            lam.sub_(v)
            torch.mm(c, x_transposed, out=a)
            torch.addcmul(nu, a, signs, out=a)
            torch.clamp_max(a, 0, out=nu)
            a.abs_().mul_(signs)
        return v, (masks * ((c[:p] - c[p:]) @ x_transposed)).sum(0)

    @torch.inference_mode()
    def run(self, repetitions):
        for _ in range(repetitions):
            self.solve()

    @torch.inference_mode()
    def result(self):
        v, predictions = self.solve()
        return {"v": v, "predictions": predictions}


PEERS = {"torch-cholesky-solve": CholeskySolve, "torch-inverse": Inverse}
