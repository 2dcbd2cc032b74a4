"""Prints random pairs of expressions and whether SymPy holds them equal, one JSON object a line.

    python3 sympy_oracle.py SEED COUNT

The second of a pair is the first rewritten by SymPy (expanded, factored, brought together, angles
and logarithms split), or with one number, sign or function changed. The label is what both are worth
to 40 digits at four points where every symbol is positive.
"""

import json
import random
import sys

import sympy as sp

X, Y, Z = sp.symbols("x y z", positive=True)
SYMBOLS = [X, Y, Z]


def number(rng, low=-9, high=9):
    value = 0
    while value == 0:
        value = rng.randint(low, high)
    return sp.Integer(value)


def polynomial(rng, symbols, terms):
    total = sp.Integer(0)
    for _ in range(terms):
        term = number(rng)
        for symbol in symbols:
            term *= symbol ** rng.randint(0, 2)
        total += term
    return total


def rational(rng):
    symbols = rng.sample(SYMBOLS, rng.randint(1, 2))
    above = polynomial(rng, symbols, 2) * polynomial(rng, symbols, 2)
    below = polynomial(rng, symbols, 2)
    return above / below if below != 0 else above


def radical(rng):
    parts = [
        number(rng) * sp.sqrt(rng.randint(2, 60)),
        sp.sqrt(sp.Rational(rng.randint(1, 30), rng.randint(2, 9))),
        sp.cbrt(rng.randint(2, 60)),
        number(rng) / (sp.sqrt(rng.randint(2, 30)) + number(rng, 1, 9)),
        sp.sqrt(sp.Integer(rng.randint(2, 9)) + sp.sqrt(rng.randint(2, 9))),
        sp.Rational(rng.randint(-9, 9), rng.randint(2, 9)),
    ]
    chosen = rng.sample(parts, rng.randint(2, 3))
    return sp.Add(*chosen) if rng.random() < 0.6 else sp.Mul(*chosen)


def trigonometric(rng):
    angle = rng.choice([X, 2 * X, X + Y, X - Y, X / 2, 3 * X])
    other = rng.choice([X, Y, 2 * Y])
    parts = [
        number(rng) * sp.sin(angle),
        number(rng) * sp.cos(angle) ** 2,
        sp.tan(other) * number(rng),
        sp.sin(other) * sp.cos(angle),
        sp.sin(other) ** 2,
    ]
    return sp.Add(*rng.sample(parts, rng.randint(2, 3)))


def logarithmic(rng):
    inside = rng.choice([X * Y, X**2 / Y, X**3 * Y * 6, 12 * X, X / (5 * Y)])
    parts = [
        number(rng) * sp.log(inside),
        sp.log(rng.randint(2, 60)),
        sp.exp(X + Y) * number(rng),
        sp.exp(2 * X),
        X * sp.log(Y),
    ]
    return sp.Add(*rng.sample(parts, rng.randint(2, 3)))


def rewritten(rng, expr):
    ways = [
        sp.expand,
        sp.factor,
        sp.together,
        lambda e: sp.expand_log(sp.expand(e), force=True),
        lambda e: sp.expand(e, trig=True),
        lambda e: e.replace(lambda p: p.is_Pow and p.exp == 2 and p.base.func == sp.sin,
                            lambda p: 1 - sp.cos(p.base.args[0]) ** 2),
        sp.radsimp,
        lambda e: sp.expand(e * (X + 1)) / (X + 1),
    ]
    for way in rng.sample(ways, len(ways)):
        other = way(expr)
        if other != expr:
            return other
    return expr


def changed(rng, expr):
    numbers = [a for a in sp.preorder_traversal(expr) if a.is_Integer and abs(a) > 1]
    ways = []
    if numbers:
        picked = rng.choice(numbers)
        ways.append(lambda: expr.xreplace({picked: picked + rng.choice([-1, 1])}))
    if expr.is_Add:
        term = rng.choice(expr.args)
        ways.append(lambda: expr - 2 * term)
    if expr.has(sp.sin):
        ways.append(lambda: expr.subs(sp.sin, sp.cos))
    ways.append(lambda: expr + sp.Rational(1, rng.choice([10**6, 10**30, 7])))
    ways.append(lambda: expr.subs(X, Y) if expr.has(X) else -expr)
    return rng.choice(ways)()


def points(rng):
    return [{s: sp.Rational(rng.randint(1, 4000), 1009) for s in SYMBOLS} for _ in range(4)]


def same(a, b, where):
    for point in where:
        left = sp.N(a.subs(point), 40)
        right = sp.N(b.subs(point), 40)
        if not (left.is_finite and right.is_finite):
            return None
        if abs(left - right) > sp.Float("1e-34") * (1 + abs(left)):
            return False
    return True


def text(rng, expr):
    if rng.random() < 0.3 and not expr.has(sp.exp):
        return str(expr).replace("log(", "ln(").replace("Abs(", "abs(")
    return sp.latex(expr, ln_notation=True)


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)
    made = 0
    while made < count:
        expr = rng.choice([rational, radical, trigonometric, logarithmic])(rng)
        if not expr.is_finite and expr.is_finite is not None:
            continue
        other = rewritten(rng, expr) if rng.random() < 0.5 else changed(rng, rewritten(rng, expr))
        try:
            label = same(expr, other, points(rng))
        except (TypeError, ValueError, ZeroDivisionError):
            continue
        if label is None:
            continue
        print(json.dumps({"gold": text(rng, expr), "answer": text(rng, other), "equal": label}),
              flush=False)
        made += 1


if __name__ == "__main__":
    main()
