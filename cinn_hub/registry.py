"""The models that are known by name: data only. A new model is one entry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
BUNDLES = (PACKAGE / "weights", PACKAGE.parent / "weights")  # installed; a clone


@dataclass(frozen=True)
class RegistryEntry:
    """A model that has a name.

    repo, revision: where it is on the Hub; sha256: of its weights, wherever they come from.
    """

    name: str
    task: str
    summary: str
    license: str
    repo: str
    revision: str
    sha256: str
    size: int  # of the weights, in bytes

    @property
    def folder(self) -> Path | None:
        """The bundled model folder, None if it is not bundled."""
        folders = (bundle / self.name for bundle in BUNDLES)
        return next((f for f in folders if (f / "config.json").exists()), None)

    @property
    def source(self) -> str:
        """Where `load` takes it from."""
        return "bundled" if self.folder else f"{self.repo}@{self.revision}"


REGISTRY = (
    RegistryEntry(
        name="imagenet",
        task="colorization",
        summary="colours for any photo: things, animals, people, food, rooms, landscapes",
        license="research and your own pictures",
        repo="cinn-hub/imagenet",
        revision="v0.1.0",
        sha256="416f00c03e5b757cdcc2175a514d8aaf09f30d2c887c9b1a8b472bc1a8fd6694",
        size=19_694_757,
    ),
    RegistryEntry(
        name="bedroom",
        task="colorization",
        summary="colours for bedrooms and other rooms, a smaller model",
        license="research and your own pictures",
        repo="cinn-hub/bedroom",
        revision="v0.1.0",
        sha256="729983717ddc3eb8ab5ff13130cf0eade584503ba6bc2ae95ab61930601c10ce",
        size=7_914_757,
    ),
    RegistryEntry(
        name="mnist",
        task="digits",
        summary="handwritten digits of a chosen label, and any handwriting as all ten digits",
        license="CC BY-SA 3.0, as MNIST",
        repo="cinn-hub/mnist",
        revision="v0.1.0",
        sha256="80570e2c7a5a01e01a2df89885948dcbc00aed6435bbeab943e560a02bc8a489",
        size=12_986_320,
    ),
)


def list_models() -> list[RegistryEntry]:
    """The models that `load` knows by name."""
    return list(REGISTRY)


def find_entry(name: str) -> RegistryEntry | None:
    """The entry with that name, or None."""
    return next((entry for entry in REGISTRY if entry.name == name), None)
