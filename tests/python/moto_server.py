"""moto's server, and hands in it for a test.

The first line on standard output is {"port": ...}. After it, each line on standard input is a command, answered by a
line {"answer": ...} or {"error": ...}:

    {"at": "2026-03-02T10:15:01Z", "call": "create_user", "arguments": {"UserName": "alice"}}
        calls IAM with boto3, over HTTP as any client does, while the clock stands at `at`: moto dates what it makes by
        the clock. With "key": {"AccessKeyId": ..., "SecretAccessKey": ...} the call is signed with that access key,
        which moto takes for a use of it.
    {"recorded": true}
        answers with the requests since it was last asked, but for those of the first command.

It ends when standard input does.
"""

import json
import logging
import sys
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from io import BytesIO
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

import boto3

# moto imports a service on its first request. With these that is not while the clock is frozen.
import moto.config  # noqa: F401
import moto.iam  # noqa: F401
from botocore.config import Config
from botocore.exceptions import ClientError
from freezegun import freeze_time
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server



# What the user agent of the first command starts with: other clients may be boto3 as well.
OWN_USER_AGENT = "moto_server.py"


class Recorder:
    """Keeps the requests on their way to a WSGI application, but for those that a test has this program make."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.application = application
        self.requests: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not environ.get("HTTP_USER_AGENT", "").startswith(OWN_USER_AGENT):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = BytesIO(body)
            self.requests.append(request(environ.get("HTTP_X_AMZ_TARGET"), body))
        try:
            return self.application(environ, start_response)
        except NotImplementedError as error:
            # What moto does not have is refused as AWS refuses what it does not have, not by a server that breaks down.
            start_response("400 Bad Request", [("Content-Type", "text/xml")])
            message = f"<Code>InvalidAction</Code><Message>{error}</Message>"
            return [f"<ErrorResponse><Error><Type>Sender</Type>{message}</Error></ErrorResponse>".encode()]

    def take(self) -> list[dict[str, Any]]:
        taken, self.requests = self.requests, []
        return taken


def request(target: str | None, body: bytes) -> dict[str, Any]:
    """A request as its operation and parameters: AWS Config's protocol is JSON, IAM's is a form."""
    if target:
        return {"operation": target.rpartition(".")[2], "parameters": json.loads(body)}
    parameters = dict(parse_qsl(body.decode(), keep_blank_values=True))
    parameters.pop("Version")
    return {"operation": parameters.pop("Action"), "parameters": parameters}


def call_iam(endpoint: str, command: dict[str, Any]) -> Any:
    key = command.get("key", {})
    iam = boto3.client(
        "iam",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key.get("AccessKeyId", "test"),
        aws_secret_access_key=key.get("SecretAccessKey", "test"),
        config=Config(user_agent=OWN_USER_AGENT),
    )
    with freeze_time(command["at"]):
        answer = getattr(iam, command["call"])(**command["arguments"])
    del answer["ResponseMetadata"]
    return answer


def timestamp(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    raise TypeError(f"{value!r} cannot be written as JSON")


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line, default=timestamp), flush=True)


def main() -> None:
    # Otherwise a line on standard error for every request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    recorder = Recorder(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, recorder, threaded=True, request_handler=MotoRequestHandler)
    Thread(target=server.serve_forever, daemon=True).start()
    say({"port": server.server_port})

    for line in sys.stdin:
        command = json.loads(line)
        try:
            if command.get("recorded"):
                say({"answer": recorder.take()})
            else:
                say({"answer": call_iam(f"http://127.0.0.1:{server.server_port}", command)})
        except ClientError as error:
            say({"error": str(error)})


if __name__ == "__main__":
    main()
