"""Build hook: project URLs, and a README whose links also work on a package index."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from hatchling.metadata.plugin.interface import MetadataHookInterface

IMAGES: Final = {".png", ".webp", ".svg", ".gif", ".jpg"}
RELATIVE_LINK: Final = re.compile(r"\]\((?![a-z]+:|#)([^)\s]+)\)")


class CustomMetadataHook(MetadataHookInterface):
    """Sets the fields that contain the project's address."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the URLs and the README to the metadata of the project."""
        repository = os.environ.get("MNIST_GAN_REPOSITORY") or self.config["repository"]
        tag = f"v{metadata['version']}"
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute_links(text, repository, tag)}
        metadata["urls"] = project_urls(repository, tag)


def project_urls(repository: str, tag: str) -> dict[str, str]:
    """Return the URLs that a package index shows."""
    return {
        "Repository": repository,
        "Documentation": f"{repository}/blob/{tag}/docs/README.md",
        "Changelog": f"{repository}/blob/{tag}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def absolute_links(text: str, repository: str, tag: str) -> str:
    """Point the relative links of a page at the repository as it was at a tag."""

    def absolute(link: re.Match[str]) -> str:
        kind = "raw" if Path(link[1]).suffix in IMAGES else "blob"
        return f"]({repository}/{kind}/{tag}/{link[1]})"

    return RELATIVE_LINK.sub(absolute, text)
