"""The environment in which MLflow's client runs: what it needs, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from search.config.schema import TrackingConfig

TRACKING = "TIGHTROPE_TRACKING"
"""Holds the `TrackingConfig` as JSON; its URL may carry credentials, which a command line would show."""

_NAMES = frozenset(
    {
        *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH"),
        *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "MLFLOW_WORKSPACE"),
    }
)
# Credentials and addresses of the server and of its artifact stores.
_PREFIXES = ("MLFLOW_TRACKING_", "MLFLOW_S3_", "AWS_", "AZURE_STORAGE_")

_SETTINGS = {
    "MLFLOW_ALLOW_MODEL_CODE_EXECUTION": "false",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Each printed link costs a request.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # The follower has its own backoff, which finds a server within seconds of its return.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "OMP_NUM_THREADS": "1",
}


def tracking_environment(
    environment: Mapping[str, str], config: TrackingConfig | None = None
) -> dict[str, str]:
    """What of `environment` the tracking process may see, with MLflow's settings.

    Args:
        environment: Usually `os.environ`.
        config: Handed on to the tracking process; None keeps the one already in `environment`.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if name in _NAMES or name == TRACKING or name.startswith(_PREFIXES)
    }
    if config is not None:
        kept[TRACKING] = config.model_dump_json()
    return kept | _SETTINGS
