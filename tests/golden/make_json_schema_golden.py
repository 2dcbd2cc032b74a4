"""Makes tests/data/golden/json_schema/cases.jsonl: python3 make_json_schema_golden.py OUTPUT_FILE  (needs `jsonschema`)

A line is {"schema": ..., "fit": [documents], "misfit": [documents]}: random schemas of drafts 2020-12 and 07 and random documents, judged
by jsonschema. Not in it: formats, and factors that are no whole numbers (jsonschema divides in floating point).
"""
import json
import random
import sys

from jsonschema import Draft202012Validator, Draft7Validator
from jsonschema.exceptions import SchemaError

r = random.Random(4)
KEYS = ["a", "b", "ab", "c1", "é"]
PATTERNS = ["^a", "b$", "^[a-c]+$", "1", "^.{2}$"]
DRAFT7 = "http://json-schema.org/draft-07/schema#"


def value(depth):
    kinds = ["null", "bool", "int", "int", "float", "string", "string"] + (["array", "object", "object"] if depth > 0 else [])
    kind = r.choice(kinds)
    if kind == "null":
        return None
    if kind == "bool":
        return r.random() < .5
    if kind == "int":
        return r.choice([0, 1, 2, 3, 6, -1, 10**20])
    if kind == "float":
        return r.choice([0.0, 1.0, 1.5, 2.5, -0.5, 1e3])
    if kind == "string":
        return r.choice(["", "a", "ab", "abc", "b1", "éé", "日本語"])
    if kind == "array":
        return [value(depth - 1) for _ in range(r.randint(0, 4))]
    return {key: value(depth - 1) for key in r.sample(KEYS, r.randint(0, 4))}


def keyword(depth, draft7):
    sub = lambda: schema(depth - 1, draft7)
    count = lambda: r.choice([0, 1, 2, 3])
    some = [
        lambda: {"type": r.choice(["null", "boolean", "integer", "number", "string", "array", "object", ["string", "null"], ["integer", "array"]])},
        lambda: {"enum": [value(1) for _ in range(r.randint(1, 3))]},
        lambda: {"const": value(1)},
        lambda: {"minimum": r.choice([0, 1, 1.5])}, lambda: {"maximum": r.choice([1, 2.5])},
        lambda: {"exclusiveMinimum": r.choice([0, 1])}, lambda: {"exclusiveMaximum": r.choice([1, 3])},
        lambda: {"multipleOf": r.choice([1, 2, 3])},
        lambda: {"minLength": count()}, lambda: {"maxLength": count()}, lambda: {"pattern": r.choice(PATTERNS)},
        lambda: {"minItems": count()}, lambda: {"maxItems": count()}, lambda: {"uniqueItems": r.random() < .8},
        lambda: {"minProperties": count()}, lambda: {"maxProperties": count()},
        lambda: {"required": r.sample(KEYS, r.randint(1, 2))},
    ]
    if depth > 0:
        some = some + 2 * [
            lambda: {"properties": {key: sub() for key in r.sample(KEYS, r.randint(1, 3))}},
            lambda: {"patternProperties": {r.choice(PATTERNS): sub()}},
            lambda: {"properties": {r.choice(KEYS): True}, "additionalProperties": sub()},
            lambda: {"propertyNames": sub()},
            lambda: {"contains": sub()},
            lambda: {"items": sub()},
            lambda: {"allOf": [sub(), sub()]}, lambda: {"anyOf": [sub(), sub()]}, lambda: {"oneOf": [sub(), sub()]},
            lambda: {"not": sub()}, lambda: {"if": sub(), "then": sub(), "else": sub()},
            lambda: {"$ref": "#/definitions/d"},
        ]
        some += [
            lambda: {"items": [sub(), sub()], "additionalItems": sub()}, lambda: {"additionalItems": sub()},
            lambda: {"dependencies": {r.choice(KEYS): r.choice([[r.choice(KEYS)], sub()])}},
        ] if draft7 else [
            lambda: {"prefixItems": [sub(), sub()], "items": sub()}, lambda: {"prefixItems": [sub()]},
            lambda: {"contains": sub(), "minContains": count(), "maxContains": count()},
            lambda: {"dependentRequired": {r.choice(KEYS): [r.choice(KEYS)]}}, lambda: {"dependentSchemas": {r.choice(KEYS): sub()}},
            lambda: {"allOf": [sub()], "unevaluatedProperties": sub()}, lambda: {"anyOf": [sub(), sub()], "unevaluatedProperties": False},
            lambda: {"allOf": [sub()], "unevaluatedItems": sub()}, lambda: {"prefixItems": [sub()], "unevaluatedItems": False},
        ]
    return r.choice(some)()


def schema(depth, draft7):
    if r.random() < .06:
        return r.random() < .7
    made = {}
    for _ in range(r.randint(1, 3)):
        made.update(keyword(depth, draft7))
    return made


cases = fits = 0
with open(sys.argv[1], "w") as out:
    while cases < 4000:
        draft7 = r.random() < .4
        made = schema(3, draft7)
        if not isinstance(made, dict):
            continue
        # A definition that the references of the whole schema name; it has none itself.
        definition = schema(0, draft7)
        made = {"definitions": {"d": definition}, **made}
        if draft7:
            made = {"$schema": DRAFT7, **made}
        validator = (Draft7Validator if draft7 else Draft202012Validator)
        try:
            validator.check_schema(made)
        except SchemaError:
            continue
        judged = {True: [], False: []}
        for _ in range(24):
            document = value(3)
            judged[validator(made).is_valid(document)].append(document)
        row = {"schema": made, "fit": judged[True][:5], "misfit": judged[False][:5]}
        if not row["fit"] or not row["misfit"]:
            continue
        cases += len(row["fit"]) + len(row["misfit"])
        fits += len(row["fit"])
        out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
print(cases, "cases,", fits, "fit")
