"""Prints the figures that tests/agents/eval/score/ compare with; needs numpy, scipy, scikit-learn.

Each is computed the long way or by somebody else's solver, from data that a few lines of arithmetic
make here and in the test alike.
"""
import itertools
import math
import warnings

import numpy as np
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore")


def show(name, values):
    print(name, ", ".join("%.9f" % v for v in np.atleast_1d(values)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# -- logistic regression without and with an L1 penalty -----------------------------------------
def regression_rows(n=40):
    i = np.arange(n)
    x = np.stack([(i * 7 % 11 - 5) / 3, (i * 5 % 13 - 6) / 4, np.ones(n)], axis=1)
    y = (i * 3 % 5) / 8 + (x[:, 0] > 0) / 2
    w = 1 + (i % 3) / 2
    return x, y, w


def fit_ridge(x, y, w, ridge=1e-6):
    def objective(c):
        z = x @ c
        loss = w * (y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z))
        return loss.sum() + ridge / 2 * c @ c

    def gradient(c):
        return x.T @ (w * (sigmoid(x @ c) - y)) + ridge * c

    return minimize(objective, np.zeros(x.shape[1]), jac=gradient, method="BFGS",
                    options=dict(gtol=1e-11, maxiter=10000)).x


def fit_l1(x, y, w, C):
    """liblinear, with every row twice: once as 1 with weight w y, once as 0 with w (1 - y)."""
    model = LogisticRegression(penalty="l1", solver="liblinear", C=C, fit_intercept=False,
                               tol=1e-12, max_iter=1000000, random_state=0)
    model.fit(np.concatenate([x, x]), np.concatenate([np.ones(len(y)), np.zeros(len(y))]),
              sample_weight=np.concatenate([w * y, w * (1 - y)]))
    return model.coef_[0]


x, y, w = regression_rows()
show("logistic", fit_ridge(x, y, w))
for C in (0.02, 0.1, 1, 100):
    show("l1 C=%g" % C, fit_l1(x, y, w, C))

# -- style control: two models, 30 questions ----------------------------------------------------
def style(q, m):  # m = 0: the baseline
    tokens = 200 + (q * 37 + m * 91) % 400
    headers = (q + 2 * m) % 4
    lists = (q * 3 + m) % 7
    bold = (q * 5 + m * 3) % 6
    return tokens, headers, lists, bold


def difference(a, b):
    row = [(a[0] - b[0]) / (a[0] + b[0])]
    for f in (1, 2, 3):
        p, r = a[f] / a[0], b[f] / b[0]
        row.append((p - r) / (p + r + 1))
    return row


rows, models, outcomes = [], [], []
for m in (1, 2):
    for q in range(30):
        for game in (0, 1):
            candidate = (q * (m + 1) + game * 3 + m) % 5  # A>>B ... B>>A, A the candidate
            if style(q, m)[0] > style(q, 0)[0]:
                candidate = max(0, candidate - m)
            outcome, times = [(1, 3), (1, 1), (0.5, 1), (0, 1), (0, 3)][candidate]
            for _ in range(times):
                rows.append(difference(style(q, m), style(q, 0)))
                models.append(m - 1)
                outcomes.append(outcome)
rows, outcomes = np.array(rows), np.array(outcomes)
mean, deviation = rows.mean(axis=0), rows.std(axis=0, ddof=1)
features = np.concatenate([np.eye(2)[models], (rows - mean) / deviation], axis=1)
fit = fit_ridge(features, outcomes, np.ones(len(outcomes)))
show("style published", 100 * sigmoid(fit[:2]))
show("style equal", 100 * sigmoid(fit[:2] - (fit[2:] * mean / deviation).sum()))
show("style features", fit[2:])
show("style plain", [100 * outcomes[np.array(models) == m].mean() for m in (0, 1)])

# -- AlpacaEval's length control: 40 instructions ------------------------------------------------
n = 40
i = np.arange(n)
len_1 = 100 + i * 17 % 60
len_2 = 120 + i * 29 % 90
difficulty = (i * 11 % 17 - 8) / 8
preference = (i * 7 % 9) / 32 + np.where(len_2 > len_1 - 40, 0.5, 0) + np.where(difficulty > 0, 0.25, 0)
delta = (len_1 - len_2).astype(float)
std_delta = delta / delta.std(ddof=1)
j = np.arange(20)
gamed = dict(preference=(j * 3 % 7) / 6, std=(j * 5 % 9 - 4) / 2.0, difficulty=(j * 11 % 17 - 8) / 8)


def length_control(with_difficulty, with_gamed):
    columns = [np.tanh(std_delta), difficulty, np.ones(n)]
    weights, target = np.ones(n), preference
    if with_gamed:
        other = [np.tanh(gamed["std"]), gamed["difficulty"], np.zeros(20)]
        columns = [np.concatenate([a, b]) for a, b in zip(other, columns)]
        weights = np.concatenate([np.full(20, 0.1), weights])
        target = np.concatenate([gamed["preference"], target])
    if not with_difficulty:
        del columns[1]
    x = np.stack(columns, axis=1)
    folds = np.arange(len(target)) % 5
    best = None
    for C in np.logspace(-4, 4, 10):
        loss = 0
        for fold in range(5):
            inside = folds == fold
            c = fit_l1(x[~inside], target[~inside], weights[~inside], C)
            z = x[inside] @ c
            t = target[inside]
            loss += (weights[inside] * (t * np.logaddexp(0, -z) + (1 - t) * np.logaddexp(0, z))).mean() / 5
        if best is None or loss < best[0]:
            best = (loss, C)
    c = fit_l1(x, target, weights, best[1])
    d = difficulty if with_difficulty else np.zeros(n)
    b = c[1] if with_difficulty else 0
    return best[1], c, 100 * sigmoid(b * d + c[-1]).mean()


for d, g in ((True, True), (True, False), (False, False)):
    C, c, rate = length_control(d, g)
    show("lc difficulty=%d gamed=%d C, coefficients, rate" % (d, g), [C, *c, rate])
show("alpaca win rate", 100 * preference.mean())

# -- scaling curves by enumeration --------------------------------------------------------------
scores = [3, 1, 4, 1, 5, 9, 2, 6]
values = [0, 1, 1, 0, 0.5, 0, 1, 0.25]
for k in (1, 3, 8):
    picks = [max(s, key=lambda c: (scores[c], -c)) for s in itertools.combinations(range(8), k)]
    show("choice k=%d value, selector" % k,
         [np.mean([values[p] for p in picks]), np.mean([scores[p] for p in picks])])
# A tree of 4 drafts with 3 edits each; None: no score.
own = [(2, 0.1), (5, 0.2), (None, 0.3), (4, 0.4)]
inner = [[(3, 0.5), (1, 0.6), (7, 0.7)], [(5, 0.8), (None, 0.9), (2, 1.0)],
         [(6, 1.1), (6, 1.2), (0, 1.3)], [(4, 1.4), (8, 1.5), (3, 1.6)]]
for a, b in ((1, 0), (2, 1), (3, 2), (4, 3), (1, 2)):
    total, value, selector, chosen = 0, 0, 0, 0
    for drafts in itertools.combinations(range(4), a):
        for edits in itertools.product(*[itertools.combinations(range(3), b) for _ in drafts]):
            pool = [(own[d], 0, d, 0) for d in drafts]
            pool += [(inner[d][e], 1, d, e) for d, es in zip(drafts, edits) for e in es]
            pool = [p for p in pool if p[0][0] is not None]
            total += 1
            if not pool:
                continue
            best = max(pool, key=lambda p: (p[0][0], -p[1], -p[2], -p[3]))
            chosen += 1
            value += best[0][1]
            selector += best[0][0]
    show("tree %d x %d value, selector, chosen" % (a, b),
         [value / chosen, selector / chosen, chosen / total])
# Large n, in exact arithmetic.
s = [((i * 7919) % 1000) / 1000 for i in range(1000)]
s.sort()
for k in (1, 10, 500):
    exact = sum(int(round(s[i] * 1000)) * math.comb(i, k - 1) for i in range(1000)) / math.comb(1000, k) / 1000
    show("max of %d of 1000" % k, exact)
# numpy's quantile.
show("quantile", [np.quantile([1, 2, 4, 8, 16], q) for q in (0.05, 0.5, 0.95)])
