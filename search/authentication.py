"""Whether a Ray cluster lets this process in: its token, and its version of Ray.

Ray itself repeats a refused request for 20 seconds with a warning each, and then says that it failed to
connect.
"""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

from search.errors import ClusterError

MODE, TOKEN, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
_DEFAULT_PATH = "~/.ray/auth_token"
_SECONDS = 10.0


def check_admission(host: str, port: str, shown: str) -> None:
    """Refuses a cluster that would refuse this process, or that another version of Ray runs.

    Args:
        host: Of the head.
        port: Likewise.
        shown: The cluster in messages.

    Raises:
        ClusterError: There is no token or a wrong one, or the versions differ.
    """
    import grpc
    from ray.core.generated.gcs_service_pb2 import CheckAliveReply, CheckAliveRequest

    token, missing = token_here()
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        ask = channel.unary_unary(
            "/ray.rpc.NodeInfoGcsService/CheckAlive",
            request_serializer=CheckAliveRequest.SerializeToString,
            response_deserializer=CheckAliveReply.FromString,
        )
        try:
            reply = ask(
                CheckAliveRequest(),
                timeout=_SECONDS,
                metadata=() if token is None else (("authorization", f"Bearer {token}"),),
            )
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                raise _refused(shown, missing) from error
            return  # of another kind, such as a server for Ray Client: Ray says what is wrong
    installed = importlib.metadata.version("ray")
    if reply.ray_version and reply.ray_version != installed:
        raise ClusterError(
            f"{shown} runs Ray {reply.ray_version}, and {installed} is installed here.",
            hint="Install the same version on both sides: pip install -c constraints.txt",
        )


def token_here() -> tuple[str | None, str]:
    """The token that Ray would send from here, and why there is none.

    Ray sends one if RAY_AUTH_MODE is token, or not set and there is one.
    """
    mode = os.environ.get(MODE)
    if mode not in (None, "token"):
        return None, f"{MODE}={mode} in this shell sends none"
    if token := os.environ.get(TOKEN, "").strip():
        return token, ""
    path = os.environ.get(TOKEN_PATH)
    try:
        token = Path(path or _DEFAULT_PATH).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if token:
        return token, ""
    if path:
        return None, f"there is none in {path}, which {TOKEN_PATH} names"
    return None, f"this shell has none: {TOKEN_PATH} is not set, and there is no {_DEFAULT_PATH}"


def _refused(shown: str, missing: str) -> ClusterError:
    why = f"asks for a token, and {missing}" if missing else "does not accept the token of this shell"
    return ClusterError(
        f"{shown} {why}.",
        hint=f"Set {MODE}=token, and {TOKEN_PATH} to the file with the token that the cluster has.",
    )
