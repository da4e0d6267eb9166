"""Puts an exported folder onto the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from search.errors import TightropeError
from tightrope.export.refused import ExportRefusedError
from trainables.errors import first_line


class PushFailedError(TightropeError):
    """The folder was written, but is not on the hub."""


def refuse_name(repo: str) -> None:
    """Refuses what cannot be the name of a repository.

    Raises:
        ExportRefusedError: It cannot.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise ExportRefusedError(
            f"{repo!r} is not the name of a repository: {first_line(error)}", hint="Give push=user/name."
        ) from error


def push(folder: Path, repo: str, what: str) -> str:
    """Uploads the folder as one commit; a repository that is not there is made, private.

    Args:
        folder: The exported one.
        repo: As `user/name`.
        what: The folder holds, for the commit's message.

    Returns:
        Address of the repository.

    Raises:
        PushFailedError: The hub refused it, or cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    try:
        made = api.create_repo(repo, private=True, exist_ok=True)
        api.upload_folder(
            repo_id=made.repo_id, folder_path=folder, commit_message=f"Upload {what} with its model card"
        )
    except (HfHubHTTPError, OSError, ValueError, RuntimeError) as error:
        raise PushFailedError(
            f"{folder} is written, but not pushed: {first_line(error)}",
            hint=f"Log in with `hf auth login`, then upload it: hf upload {repo} {folder}",
        ) from error
    return str(made)
