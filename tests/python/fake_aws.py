"""The AWS CLI, version 2, as far as the deployment scripts use it: accounts and organizations, each in a JSON file.

Prints the port it listens on, and ends with its standard input. A call is: the file, which each call reads and writes,
AWS_REGION, AWS_PAGER, the arguments, EOT; the answer is exit status, standard output and standard error; NUL follows each.

What goes in and out is held to AWS's own API models, which botocore brings: an option, a required member, a value or a
member of an answer that they do not know is an error. Templates are held to their own Parameters sections. What AWS
refuses is refused: a function whose code is not in the bucket, a pack before the function that it imports, a stack deleted
while its export is in use, a bucket deleted while something is in it.

State, beside what the answers are made of:
  faults    [{"command": "s3api put-object", "code": …, "message": …}]: commands that fail
  fail_at   the number of the call that fails, from 0
  busy      how many looks at something that was begun find it still under way
  page      how many results a page has
  log       the arguments of each call
"""

import functools
import gzip
import json
import pathlib
import re
import socketserver
import sys
import threading

import jmespath

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).parent))

from fake_aws_world import Refused, World, Wrong

MODELS = pathlib.Path(jmespath.__file__).parent.parent / "botocore/data"
SERVICES = {"configservice": "config", "s3api": "s3"}
PAGING_OPTIONS = ("max-items", "page-size")
GLOBAL_OPTIONS = ("output", "query", "profile", "region")


# ---- The models ------------------------------------------------------------------------------------------------------


@functools.cache
def service_of(name):
    return Service(name)


class Service:
    def __init__(self, name):
        *_, latest = sorted((MODELS / SERVICES.get(name, name)).iterdir())
        self.model = self._load(latest / "service-2.json")
        self.pages = self._load(latest / "paginators-1.json")["pagination"]

    @staticmethod
    def _load(path):
        if path.exists():
            return json.loads(path.read_bytes())
        return json.loads(gzip.decompress(path.with_name(path.name + ".gz").read_bytes()))

    def operation(self, command):
        """The name that the API has for a command of the CLI."""
        wanted = command.replace("-", "")
        for name in self.model["operations"]:
            if name.lower() == wanted:
                return name
        raise Wrong(f"there is no operation {command}")

    def shape(self, operation, direction):
        reference = self.model["operations"][operation].get(direction)
        return reference and reference["shape"]

    def check(self, name, value, path):
        """That a value is of a shape."""
        shape = self.model["shapes"][name]
        kind = shape["type"]
        if kind == "structure":
            self.kind(value, dict, path)
            for member in shape.get("required", []):
                if member not in value:
                    raise Wrong(f"{path} lacks {member}")
            for member, inner in value.items():
                if member not in shape["members"]:
                    raise Wrong(f"{path} has no member {member}")
                self.check(shape["members"][member]["shape"], inner, f"{path}.{member}")
        elif kind == "list":
            self.kind(value, list, path)
            self.limits(shape, len(value), path)
            for index, inner in enumerate(value):
                self.check(shape["member"]["shape"], inner, f"{path}[{index}]")
        elif kind == "string":
            self.kind(value, str, path)
            self.limits(shape, len(value), path)
            if "enum" in shape and value not in shape["enum"]:
                raise Wrong(f"{path} cannot be {value}")
            # AWS's patterns are Java's: those that Python does not know are left out.
            pattern = shape.get("pattern")
            if pattern and "\\p{" not in pattern and not re.fullmatch(pattern, value):
                raise Wrong(f"{path} does not match {pattern}: {value}")
        elif kind in ("boolean", "integer", "long"):
            self.kind(value, {"boolean": bool}.get(kind, int), path)
        elif kind in ("timestamp", "blob"):
            self.kind(value, str, path)
        else:
            raise Wrong(f"{path} is a {kind}")

    @staticmethod
    def kind(value, kind, path):
        if type(value) is not kind:
            raise Wrong(f"{path} is no {kind.__name__}: {value!r}")

    @staticmethod
    def limits(shape, length, path):
        if not shape.get("min", 0) <= length <= shape.get("max", length):
            raise Wrong(f"{path} has a length of {length}")

    def parse(self, name, words, path):
        """The value that the words of an option stand for."""
        shape = self.model["shapes"][name]
        kind = shape["type"]
        if kind == "boolean":
            return True
        if kind == "list":
            if len(words) == 1 and words[0].startswith("["):
                return json.loads(words[0])
            return [self.parse(shape["member"]["shape"], [word], path) for word in words]
        if len(words) != 1:
            raise Wrong(f"{path} takes one value: {words}")
        (word,) = words
        if kind == "structure":
            if word.startswith("{"):
                return json.loads(word)
            pairs = dict(pair.split("=", 1) for pair in word.split(","))
            return {
                member: value == "true" if self.model["shapes"][shape["members"][member]["shape"]]["type"] == "boolean" else value
                for member, value in pairs.items()
            }
        if kind == "integer":
            return int(word)
        if kind == "blob":
            return pathlib.Path(word).read_bytes().decode("latin-1")
        if word.startswith("file://"):
            return pathlib.Path(word.removeprefix("file://")).read_text()
        return word


# ---- Printing --------------------------------------------------------------------------------------------------------


def text(value):
    """The CLI's text format, as far as queries make no objects."""
    if not isinstance(value, list):
        return f"{value}\n"
    if not any(isinstance(inner, (list, dict)) for inner in value):
        return "\t".join(map(str, value)) + "\n" if value else ""
    scalars = [inner for inner in value if not isinstance(inner, list)]
    return (text(scalars) if scalars else "") + "".join(text(inner) for inner in value if isinstance(inner, list))


def printed(service, operation, output, options, state):
    """What the CLI prints of an answer: text page by page."""
    if output:
        service.check(service.shape(operation, "output"), output, operation)
    paging = service.pages.get(operation)
    query = options.get("query", "@")
    if options.get("output", "json") == "text":
        return "".join(text(jmespath.search(query, page)) for page in pages(output, paging, state.get("page", 2)))
    if not output:
        return ""
    left = int(options.get("max-items", 1_000_000))
    for key in paging["result_key"] if left < 1_000_000 else []:
        output[key] = output.get(key, [])[:left]
        left -= len(output[key])
    return json.dumps(jmespath.search(query, output), indent=4) + "\n"


def pages(output, paging, size):
    keys = paging and paging["result_key"]
    if not isinstance(keys, str) or not output.get(keys):
        yield output
        return
    for start in range(0, len(output[keys]), size):
        yield output | {keys: output[keys][start : start + size]}


# ---- One call --------------------------------------------------------------------------------------------------------


def split(arguments):
    """Words before the options, and the options with their values. Global options may come first of all."""
    words, options, current = [], {}, None
    for argument in arguments:
        if argument.startswith("--"):
            current = options.setdefault(argument.removeprefix("--"), [])
        elif current is None or (current and set(options) <= set(GLOBAL_OPTIONS)):
            words.append(argument)
        else:
            current.append(argument)
    return words, options


def members(service, operation, options):
    """The members that the options give, as the operation has them."""
    shape = service.shape(operation, "input")
    names = service.model["shapes"][shape]["members"] if shape else {}
    known = {name.lower(): name for name in names}
    given = {}
    for option, words in options.items():
        if option in GLOBAL_OPTIONS or (option in PAGING_OPTIONS and operation in service.pages):
            continue
        name = known.get(option.replace("-", "").lower())
        if name is None:
            raise Wrong(f"{operation} has no option --{option}")
        given[name] = service.parse(names[name]["shape"], words, option)
    if shape:
        service.check(shape, given, operation)
    return given


def call(state, arguments, region, pager):
    """What it prints."""
    words, options = split(arguments)
    single = {name: options[name][0] for name in (*GLOBAL_OPTIONS, *PAGING_OPTIONS) if name in options}
    if words[:2] == ["configure", "get"]:
        return state["region"] + "\n"
    if region != state["region"] or pager:
        raise Wrong("the environment has another region, or a pager")
    if len(words) < 2:
        raise Wrong(f"no operation in {arguments}")
    command = " ".join(words[:2])
    for fault in state.get("faults", []):
        if fault["command"] == command:
            raise Refused(fault["code"], fault["message"])
    state["calls"] = state.get("calls", 0) + 1
    if state["calls"] - 1 == state.get("fail_at"):
        raise Refused("AccessDeniedException", "is not authorized to perform this")
    world = World(state, single.get("profile"), single.get("region"))
    if command == "cloudformation deploy":
        return world.deploy(options)
    if command == "cloudformation wait":
        return world.wait(words[2], options)
    service = service_of(words[0])
    operation = service.operation(words[1])
    given = members(service, operation, options)
    method = f"{SERVICES.get(words[0], words[0])}_{words[1].replace('-', '_')}"
    return printed(service, operation, getattr(world, method)(given), single, state)


def answer(path, region, pager, *arguments):
    """Exit status, standard output and standard error of a call."""
    path = pathlib.Path(path)
    state = json.loads(path.read_text())
    state["log"].append(arguments)
    try:
        return 0, call(state, arguments, region, pager), ""
    except Refused as error:
        operation = "".join(word.capitalize() for word in split(arguments)[0][1].split("-"))
        return 254, "", f"\nAn error occurred ({error.code}) when calling the {operation} operation: {error}\n"
    except Wrong as error:
        return error.status, "", f"\n{error}\n"
    finally:
        path.write_text(json.dumps(state))


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        request = b""
        while not request.endswith(b"\0\x04\0"):
            part = self.connection.recv(1 << 20)
            if not part:
                return
            request += part
        for part in answer(*request.decode().split("\0")[:-2]):
            self.wfile.write(f"{part}\0".encode())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.read()
