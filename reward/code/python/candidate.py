# Runs the program under test and answers calls of its functions. Everything here may be overturned
# by that program: whoever reads the answers believes nothing but that they are plain values.
import posix, sys

sys.path.append("/usr/lib/python3/dist-packages")
sys.set_int_max_str_digits(0)
HANDLES = []


def text(x, depth=0):
    """x as a literal; what is no plain value stays here and goes out as Handle(n)."""
    if depth > 120:
        return "None"
    if x is None or x is True or x is False:
        return repr(x)
    for base in (int, float):
        if isinstance(x, base):
            return base.__repr__(x)
    if isinstance(x, str):
        return ascii(str.__str__(x))
    if isinstance(x, bytes):
        return bytes.__repr__(x)
    if isinstance(x, list):
        return "[" + ", ".join([text(y, depth + 1) for y in list.__iter__(x)]) + "]"
    if isinstance(x, tuple):
        return "(" + "".join([text(y, depth + 1) + ", " for y in tuple.__iter__(x)]) + ")"
    if isinstance(x, dict):
        return "{" + ", ".join([text(k, depth + 1) + ": " + text(v, depth + 1) for k, v in dict.items(x)]) + "}"
    for base in (set, frozenset):
        if isinstance(x, base):
            return base.__name__ + "([" + ", ".join([text(y, depth + 1) for y in base.__iter__(x)]) + "])"
    if type(x) is complex:
        return "complex(" + repr(x.real) + ", " + repr(x.imag) + ")"
    if type(x) is range:
        return "range(%d, %d, %d)" % (x.start, x.stop, x.step)
    if type(x).__module__ == "numpy" and hasattr(x, "tolist"):
        return text(x.tolist(), depth + 1)
    if hasattr(type(x), "__next__") or type(x) in (type({}.keys()), type({}.values()), type({}.items())):
        values = []
        for value in x:
            values.append(text(value, depth + 1))
            if len(values) > 1000000:
                raise ValueError("an iterator of more than a million values")
        return "Iterator([" + ", ".join(values) + "])"
    HANDLES.append(x)
    return "Handle(%d)" % (len(HANDLES) - 1)


class Channel:
    nonce = b"0" * 32

    def send(self, kind, payload):
        payload = self.nonce + kind + payload.encode("ascii")
        payload = len(payload).to_bytes(4, "little") + payload
        while payload:
            payload = payload[posix.write(3, payload):]

    def take(self, size):
        parts = b""
        while len(parts) < size:
            part = posix.read(3, size - len(parts))
            if not part:
                posix._exit(0)
            parts += part
        return parts

    def receive(self):
        frame = self.take(int.from_bytes(self.take(4), "little"))
        return frame[:1], frame[1:].decode("ascii")


def failure(stage, error):
    try:
        message = str(error)[:500]
    except BaseException:
        message = ""
    kind = type(error)
    names = [base.__name__ for base in kind.__mro__ if base.__module__ in ("builtins", "unittest.case")]
    return text((stage, kind.__name__[:100], message, [name for name in names if name != "object"]))


class Missing(BaseException):
    pass


def find(module, name):
    if name in module.__dict__:
        return module.__dict__[name]
    if "Solution" in module.__dict__ and hasattr(module.__dict__["Solution"], name):
        return getattr(module.__dict__["Solution"](), name)
    raise Missing("%s is not defined" % name)


def answer(module, request):
    names = {"Handle": HANDLES.__getitem__, "Iterator": iter, "complex": complex, "range": range,
             "set": set, "frozenset": frozenset, "inf": float("inf"), "nan": float("nan"), "__builtins__": {}}
    verb, target, args, kwargs = eval(request, names)
    if verb == "call":
        return text(find(module, target)(*args, **kwargs))
    if verb == "handle":
        return text(HANDLES[target](*args, **kwargs))
    return text(getattr(HANDLES[target], args))


def main():
    channel = Channel()
    module = type(sys)("solution")
    sys.modules["solution"] = module
    module.exit = module.quit = sys.exit
    stage = "compile"
    try:
        with open("/tmp/solution.py", "rb") as file:
            code = compile(file.read(), "solution.py", "exec", dont_inherit=True)
        stage = "load"
        exec(code, module.__dict__)
    except BaseException as error:
        channel.send(b"F", failure(stage, error))
        posix._exit(0)
    channel.send(b"L", "")
    while True:
        kind, payload = channel.receive()
        if kind == b"N":
            channel.nonce = payload.encode("ascii")
        elif kind == b"C":
            try:
                reply = b"R", answer(module, payload)
            except BaseException as error:
                reply = b"E", failure("call", error)
            channel.send(*reply)
        else:
            posix._exit(0)


main()
