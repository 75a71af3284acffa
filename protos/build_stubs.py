"""Builds the Python stubs of every proto beside this file: messages, gRPC, and the types of both.

Everything is generated into a folder of its own first and moved over file by file, so that a
process importing the stubs meanwhile always finds whole files. What did not change keeps its
modification time; what no proto produces any more is removed.

    python protos/build_stubs.py build/stubs
"""

import filecmp
import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)
from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent


def generate(protos: list[Path], target: Path) -> None:
    """Runs protoc over `protos`, types the gRPC stubs, and makes every folder a package."""
    descriptors = target / "descriptors"
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTOS}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--python_out={target}",
            f"--pyi_out={target}",
            f"--grpc_python_out={target}",
            f"--descriptor_set_out={descriptors}",
            *(str(proto) for proto in protos),
        ]
    )
    if status != 0:
        raise SystemExit(status)
    for file in FileDescriptorSet.FromString(descriptors.read_bytes()).file:
        grpc_stub = target / f"{module_of(file).replace('.', '/')}_grpc.py"
        accept_numbers(target / f"{module_of(file).replace('.', '/')}.pyi")
        if file.service:
            grpc_stub.with_suffix(".pyi").write_text(grpc_types(file))
        else:
            grpc_stub.unlink()
        for folder in Path(file.name).parents[:-1]:
            (target / folder / "__init__.py").touch()
    descriptors.unlink()


def module_of(file: FileDescriptorProto) -> str:
    """The Python module that protoc makes of a proto file."""
    return file.name.removesuffix(".proto").replace("/", ".") + "_pb2"


def accept_numbers(types: Path) -> None:
    """Lets an enum field be set from its number, as every message does; protoc forgets to say."""
    types.write_text(re.sub(r"_Union\[([\w.]+), str\]", r"_Union[\1, int, str]", types.read_text()))


def grpc_types(file: FileDescriptorProto) -> str:
    """The types of a file's gRPC stubs, as `grpc.aio` means them; protoc writes none.

    Requests and responses are the file's own messages, as the lint of the protos demands.
    """
    package, _, messages = module_of(file).rpartition(".")
    lines = [
        "from collections.abc import AsyncIterator",
        "import grpc.aio",
        f"from {package} import {messages}",
    ]
    for service in file.service:
        lines += service_types(service, messages)
    return "\n".join(lines) + "\n"


def service_types(service: ServiceDescriptorProto, messages: str) -> list[str]:
    """The types of one service: the caller's stub, the servicer, and what registers it."""
    stub = [
        f"class {service.name}Stub:",
        # Whatever makes callables as a grpc.aio.Channel does, with or without being one.
        "    def __init__(self, channel: object) -> None: ...",
    ]
    servicer = [f"class {service.name}Servicer:"]
    for method in service.method:
        call, handler = method_types(method, messages)
        stub.append(f"    {method.name}: {call}")
        servicer.append(f"    {handler}")
    register = (
        f"def add_{service.name}Servicer_to_server("
        f"servicer: {service.name}Servicer, server: grpc.aio.Server) -> None: ..."
    )
    return [*stub, *servicer, register]


def method_types(method: MethodDescriptorProto, messages: str) -> tuple[str, str]:
    """The type of an RPC as its caller sees it, and the signature of its handler."""
    request, response = (
        f"{messages}.{name.rpartition('.')[2]}" for name in (method.input_type, method.output_type)
    )
    shape = "".join(
        "Stream" if streaming else "Unary"
        for streaming in (method.client_streaming, method.server_streaming)
    )
    call = f"grpc.aio.{shape}MultiCallable[{request}, {response}]"
    argument = (
        f"request_iterator: AsyncIterator[{request}]"
        if method.client_streaming
        else f"request: {request}"
    )
    # A handler that streams is an asynchronous generator: calling it gives the iterator at once.
    kind, result = (
        ("def", f"AsyncIterator[{response}]")
        if method.server_streaming
        else ("async def", response)
    )
    context = f"context: grpc.aio.ServicerContext[{request}, {response}]"
    return call, f"{kind} {method.name}(self, {argument}, {context}) -> {result}: ..."


def replace(fresh: Path, target: Path) -> None:
    """Makes `target` hold exactly the modules of `fresh`, by renaming one whole file at a time."""
    wanted = {path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file()}
    for name in sorted(wanted):
        old = target / name
        if not old.exists() or not filecmp.cmp(fresh / name, old, shallow=False):
            old.parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).replace(old)
    for old in [path for path in target.rglob("*") if path.suffix in (".py", ".pyi")]:
        if old.relative_to(target) not in wanted:
            old.unlink()


def main(target: Path) -> None:
    """Brings `target` up to date with the protos."""
    protos = sorted(PROTOS.rglob("*.proto"))
    target.mkdir(parents=True, exist_ok=True)
    # Beside the target, because a rename is atomic only within one file system.
    with tempfile.TemporaryDirectory(prefix="stubs-", dir=target.parent) as folder:
        fresh = Path(folder)
        if protos:
            generate(protos, fresh)
        replace(fresh, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
