"""Pushes a model to the Hugging Face hub, in one commit; `GAN.load` and `artifacts.hub` load it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mnist_gan.artifacts import hub
from mnist_gan.artifacts.gan import GAN
from mnist_gan.artifacts.model_card import render_model_card
from mnist_gan.errors import ArtifactError, ConfigError


def push(gan: GAN, address: str, *, name: str, private: bool = False) -> str:
    """Create the repository if it is missing, and commit the files of the model folder and its card.

    Args:
        gan: the model.
        address: `hf://USER/NAME`, or `hf://USER/NAME@BRANCH` for an existing branch.
        name: title of the card.
        private: visibility of a repository that is created.

    Returns:
        Address of the commit in the browser.

    Raises:
        ConfigError: the address is malformed, or the extra is missing.
        ArtifactError: the hub refuses the push, or cannot be reached.
        DivergenceError: a weight is not finite.
    """
    target, library = hub.parse_address(address), hub.import_library()
    errors, client = library.errors, hub.api(library)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        gan.save(model, card=render_model_card(gan, name=name))
        try:
            client.create_repo(target.repo, private=private, exist_ok=True)
            commit = client.upload_folder(
                repo_id=target.repo, folder_path=model, revision=target.revision, commit_message=f"Add {name}"
            )
        except errors.HFValidationError as error:
            raise ConfigError(f"{address} is no address of the hub; write hf://USER/NAME") from error
        except (errors.HTTPError, OSError, RuntimeError) as error:  # RuntimeError: an upload failed
            raise ArtifactError(f"{address} cannot be pushed: {hub.explain(error)}") from error
    return str(commit.commit_url)
