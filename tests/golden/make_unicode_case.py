"""Writes policy/model/chat/jinja/unicode_case.cc: python3 make_unicode_case.py OUTPUT_FILE"""
import sys
import unicodedata


def ranges(mapping):
    found = []
    for code in range(128, 0x110000):
        mapped = mapping(chr(code))
        if len(mapped) != 1 or mapped == chr(code):
            continue
        shift = ord(mapped) - code
        if found:
            first, last, step, previous = found[-1]
            gap = code - last
            if previous == shift and (gap == step or (first == last and gap <= 2)):
                found[-1] = (first, code, gap, shift)
                continue
        found.append((code, code, 1, shift))
    return found


def table(name, kind, rows):
    text, line = [f"constexpr {kind} {name}[] = {{"], "   "
    for row in rows:
        item = " {" + ", ".join(row) + "},"
        if len(line) + len(item) > 100:
            text.append(line)
            line = "   "
        line += item
    return "\n".join(text + [line, "};"])


def range_rows(mapping):
    return [(hex(a), hex(b), str(step), str(shift)) for a, b, step, shift in ranges(mapping)]


long_uppers = [(hex(c), "{" + ", ".join(hex(ord(u)) for u in chr(c).upper()) + "}")
               for c in range(0x110000) if len(chr(c).upper()) > 1]
with open(sys.argv[1], "w") as out:
    out.write(f"""// Tables of Unicode {unicodedata.unidata_version}; made by tests/golden/make_unicode_case.py.
#include "policy/model/chat/jinja/unicode_case.h"

namespace temper::model::jinja {{
namespace {{

// clang-format off
{table("kLower", "CaseRange", range_rows(str.lower))}

{table("kUpper", "CaseRange", range_rows(str.upper))}

{table("kLongUpper", "LongUpper", long_uppers)}
// clang-format on

}}  // namespace

std::span<const CaseRange> LowerRanges() {{ return kLower; }}
std::span<const CaseRange> UpperRanges() {{ return kUpper; }}
std::span<const LongUpper> LongUppers() {{ return kLongUpper; }}

}}  // namespace temper::model::jinja
""")
