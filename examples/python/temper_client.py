"""Operates runs of a Temper controller: submit, look, follow, alter, fork, replay.

    import temper_client
    client = temper_client.connect("127.0.0.1:7000")
    client.submit("examples/arithmetic.json")
    for event in client.watch("arithmetic"):
        if event.HasField("step"):
            print(event.step.step, event.step.reward_mean)

Needs grpcio and protobuf, and Temper's messages, which make_stubs.sh turns into Python (folder "stubs" beside this file,
or the one that TEMPER_STUBS names). Services are called through their descriptors, so any protoc will do.

Errors are grpc.RpcError: error.code() and error.details() say what was wrong. Any thread may call.
"""
import getpass
import json
import os
import sys
import time
import uuid

sys.path.insert(0, os.environ.get("TEMPER_STUBS", os.path.join(os.path.dirname(os.path.abspath(__file__)), "stubs")))

import grpc  # noqa: E402
from google.protobuf import json_format, message_factory  # noqa: E402

try:
    from temper.v1 import controller_pb2, run_pb2, run_spec_pb2  # noqa: E402
except ModuleNotFoundError as missing:
    raise ImportError("Temper's messages are not there (%s): run make_stubs.sh beside temper_client.py" % missing)

_MESSAGE_BYTES_MAX = 256 << 20
_LONG_SECONDS = 120  # Submit, Fork and Checkpoint read or write whole files


def _python_class(descriptor):
    if hasattr(message_factory, "GetMessageClass"):  # protobuf 4.22 and later
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory().GetPrototype(descriptor)


def _user():
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a process without a name
        return "python"


def state_word(state):
    """RUN_STATE_RUNNING -> "running"."""
    return run_pb2.RunState.Name(state)[len("RUN_STATE_"):].lower()


def connect(address=None, token=None, tls=None, timeout=10.0, patience=30.0):
    """A client of the controller at `address` (default: the environment's TEMPER_CONTROLLER).

    token: sent with every call. tls: a dict for another address than loopback, with file names: "ca" (the authority's
    certificate), and for mutual TLS "cert" and "key". timeout: seconds a call may take. patience: seconds for which a
    call or a watch is tried again while nobody answers.
    """
    address = address or os.environ.get("TEMPER_CONTROLLER")
    if not address:
        raise ValueError("no address: give one, or set TEMPER_CONTROLLER")
    return Client(address, token=token, tls=tls, timeout=timeout, patience=patience)


def _channel(address, tls):
    options = [("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX), ("grpc.enable_http_proxy", 0),
               ("grpc.max_reconnect_backoff_ms", 1000)]
    if tls is None:
        return grpc.insecure_channel(address, options)

    def read(name):
        if not tls.get(name):
            return None
        with open(tls[name], "rb") as file:
            return file.read()

    credentials = grpc.ssl_channel_credentials(read("ca"), read("key"), read("cert"))
    return grpc.secure_channel(address, credentials, options)


class Client:
    """See connect(). Messages that come back are those of proto/temper/v1/controller.proto."""

    def __init__(self, address, token, tls, timeout, patience):
        self.address = address
        self._metadata = [("temper-user", _user())]  # for the log: whose hands are at work
        if token:
            self._metadata.append(("authorization", "Bearer " + token))
        self._timeout = timeout
        self._patience = patience
        self._channel = _channel(address, tls)
        self._calls = {}
        service = controller_pb2.DESCRIPTOR.services_by_name["ControllerService"]
        for method in service.methods:
            answer = _python_class(method.output_type)
            streams = method.name in ("Watch", "Replay")
            make = self._channel.unary_stream if streams else self._channel.unary_unary
            self._calls[method.name] = make("/%s/%s" % (service.full_name, method.name),
                                            request_serializer=lambda message: message.SerializeToString(),
                                            response_deserializer=answer.FromString)

    def close(self):
        self._channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _call(self, method, request, timeout=None):
        """One call. What changes something carries an id, and is sent again under it while nobody answers."""
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request.request_id = uuid.uuid4().hex
        give_up = time.monotonic() + self._patience
        pause = 0.05
        while True:
            try:
                return self._calls[method](request, timeout=timeout or self._timeout, metadata=self._metadata)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() + pause > give_up:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    # Runs.

    def submit(self, spec, settings=None, check=False, base_dir=None, request_id=""):
        """Starts the run of a spec (a file, or a dict in the form of one); SubmitResponse.

        settings: {"steps": 40, "dataset.path": "x.jsonl"}. base_dir: what file names in it are relative to, by default
        the file's folder, of a dict the working folder. check: only look whether it would run (see .checks).
        """
        if isinstance(spec, (str, os.PathLike)):
            base_dir = base_dir or os.path.dirname(os.path.abspath(spec))
            with open(spec, encoding="utf-8") as file:
                spec = json.load(file)
        else:
            spec = json.loads(json.dumps(spec))
        for name, value in (settings or {}).items():
            *path, last = name.split(".")
            place = spec
            for key in path:
                place = place.setdefault(key, {})
            place[last] = value
        request = controller_pb2.SubmitRequest(request_id=request_id, check=check, base_dir=base_dir or os.getcwd())
        json_format.ParseDict(spec, request.spec)
        return self._call("Submit", request, _LONG_SECONDS)

    def runs(self):
        """Every run, newest first; a list of GetResponse."""
        return list(self._call("List", controller_pb2.ListRequest()).runs)

    def get(self, run=""):
        """One run; GetResponse. "": the only one there is."""
        return self._call("Get", controller_pb2.GetRequest(run=run))

    def watch(self, run="", from_sequence=0, on_reconnect=None):
        """Yields each RunEvent from a number on, each once, until the run has ended.

        Comes back with the next number when the connection was lost (on_reconnect(error, next_number) is told), for as
        long as `patience`. Leave the loop when you have seen enough: the run is left alone.
        """
        give_up = None
        while True:
            stream = self._calls["Watch"](controller_pb2.WatchRequest(run=run, from_sequence=from_sequence),
                                          metadata=self._metadata)
            try:
                for response in stream:
                    give_up = None
                    if response.event.sequence < from_sequence:
                        continue
                    from_sequence = response.event.sequence + 1
                    yield response.event
                return
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED):
                    raise
                give_up = give_up or time.monotonic() + self._patience
                if time.monotonic() > give_up:
                    raise
                if on_reconnect:
                    on_reconnect(error, from_sequence)
                time.sleep(0.2)
            finally:
                stream.cancel()

    def pause(self, run="", reason="", request_id=""):
        """Nothing more is generated, scored or trained until resume(); returns "paused"."""
        return state_word(self._call("Pause", controller_pb2.PauseRequest(run=run, reason=reason,
                                                                          request_id=request_id)).state)

    def resume(self, run="", reason="", request_id=""):
        return state_word(self._call("Resume", controller_pb2.ResumeRequest(run=run, reason=reason,
                                                                            request_id=request_id)).state)

    def drain(self, run="", reason="", request_id=""):
        """The step under way ends, a checkpoint is kept, the run stops."""
        return state_word(self._call("Drain", controller_pb2.DrainRequest(run=run, reason=reason,
                                                                          request_id=request_id)).state)

    def stop(self, run="", reason="", request_id=""):
        return state_word(self._call("Stop", controller_pb2.StopRequest(run=run, reason=reason,
                                                                        request_id=request_id)).state)

    def alter(self, run="", reason="", request_id="", **fields):
        """Changes fields at the next step boundary; Altered, with the step and the old and new values.

        fields: learning_rate, kl, clip (both sides), clip_low, clip_high, temperature, max_tokens, group_size,
        staleness, evaluate_every, mixture={"task": share} (the whole of it).
        """
        alteration = run_pb2.Alteration()
        if "clip" in fields:
            fields.setdefault("clip_low", fields["clip"])
            fields.setdefault("clip_high", fields.pop("clip"))
        known = run_pb2.Alteration.DESCRIPTOR.fields_by_name
        for name, value in fields.items():
            if name not in known:
                raise ValueError("%s: a live run keeps it; what can change: %s" % (name, ", ".join(["clip", *known])))
            if name == "mixture":
                alteration.mixture.shares.update(value)
            else:
                setattr(alteration, name, value)
        request = controller_pb2.AlterRequest(run=run, reason=reason, request_id=request_id, alteration=alteration)
        return self._call("Alter", request).altered

    def checkpoint(self, run="", request_id=""):
        """Keeps a checkpoint of the newest version for good; CheckpointKept, once it is durable."""
        request = controller_pb2.CheckpointRequest(run=run, request_id=request_id)
        return self._call("Checkpoint", request, _LONG_SECONDS).checkpoint

    def fork(self, run="", step=0, name="", settings=None, request_id=""):
        """Starts another run from the weights after a step; ForkResponse. settings: as of submit()."""
        words = ["%s=%s" % (key, value if isinstance(value, str) else json.dumps(value))
                 for key, value in (settings or {}).items()]
        request = controller_pb2.ForkRequest(run=run, step=step, name=name, settings=words, request_id=request_id)
        return self._call("Fork", request, _LONG_SECONDS)

    def replay(self, run="", step=1, on_progress=None):
        """Makes a step again beside the run and compares bits; ReplayReport (see .equal and .comparisons)."""
        for response in self._calls["Replay"](controller_pb2.ReplayRequest(run=run, step=step),
                                              metadata=self._metadata):
            if response.HasField("report"):
                return response.report
            if on_progress:
                on_progress(response.progress)
        raise RuntimeError("the controller at %s ended the replay of step %d without a report" % (self.address, step))

    def samples(self, run="", step=None, prompt_id="", score_min=None, score_max=None, evaluation=False, limit=64,
                tokens=False):
        """Yields Samples of the ledger, page by page, at most `limit` (None: all)."""
        request = controller_pb2.GetSamplesRequest(run=run, prompt_id=prompt_id, evaluation=evaluation,
                                                   with_tokens=tokens)
        for name, value in (("step", step), ("score_min", score_min), ("score_max", score_max)):
            if value is not None:
                setattr(request, name, value)
        left = float("inf") if limit is None else limit
        while left > 0:
            request.limit = int(min(left, 64 if tokens else 1024))
            page = self._call("GetSamples", request)
            for sample in page.samples:
                yield sample
            left -= len(page.samples)
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    def timeline(self, run="", step=0):
        """Who did what when, in one step (0: the newest); GetTimelineResponse."""
        return self._call("GetTimeline", controller_pb2.GetTimelineRequest(run=run, step=step))

    def waits(self, run=""):
        """Everything that is waited for now, the oldest first; a list of Wait."""
        return list(self._call("ListWaits", controller_pb2.ListWaitsRequest(run=run)).waits)

    def quarantine(self, run="", prompt_id="", reason="", request_id=""):
        """The prompt is not issued any more."""
        self._call("QuarantinePrompt", controller_pb2.QuarantinePromptRequest(
            run=run, prompt_id=prompt_id, reason=reason, request_id=request_id))

    # The fleet.

    def workers(self):
        """A list of Worker."""
        return list(self._call("ListWorkers", controller_pb2.ListWorkersRequest()).workers)

    def cordon(self, worker, reason="", cordoned=True, request_id=""):
        """Takes a worker out: its samples go to others, it gets nothing more. Worker."""
        request = controller_pb2.CordonWorkerRequest(worker=worker, cordoned=cordoned, reason=reason,
                                                     request_id=request_id)
        return self._call("CordonWorker", request).worker

    def uncordon(self, worker, request_id=""):
        return self.cordon(worker, cordoned=False, request_id=request_id)
