#!/usr/bin/env python3
"""A verifier of your own, as a gRPC server that `temper` asks (verifier "remote").

Needs python3-grpcio and python3-protobuf, and the schema's Python form beside this file:
    protoc -I proto --python_out=examples proto/temper/v1/access.proto proto/temper/v1/remote_verifiers.proto
    examples/verifier.py 127.0.0.1:7080
A rubric then names it: {"verifier": "remote", "remote": {"address": "127.0.0.1:7080"}}
"""
import sys
from concurrent import futures

import grpc
from temper.v1 import remote_verifiers_pb2 as pb


def judge(item):
    """Pays for every word of the gold answer that the response uses."""
    wanted = item.answer.lower().split()
    said = set(item.response.lower().split())
    found = sum(word in said for word in wanted)
    share = found / len(wanted) if wanted else 1.0
    return pb.Verdict(value=share, verdict="pass" if share == 1 else "partial",
                      reason=f"{found} of {len(wanted)} words")


def verify(request, context):
    return pb.VerifyResponse(results=[pb.VerifyResult(verdict=judge(i)) for i in request.items])


def main(address):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    method = grpc.unary_unary_rpc_method_handler(
        verify, pb.VerifyRequest.FromString, pb.VerifyResponse.SerializeToString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
        "temper.v1.VerifierService", {"Verify": method}),))
    if not server.add_insecure_port(address):
        sys.exit(f"cannot listen at {address}")
    server.start()
    print("serving", address, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1])
