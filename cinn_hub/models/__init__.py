"""The architectures: a config and a network each, one file each.

A new one is a file here and a line in `ARCHITECTURES`.
"""

ARCHITECTURES = {
    "ColorizationCINN": "cinn_hub.models.colorization_cinn",
    "DigitCINN": "cinn_hub.models.digit_cinn",
    "OriginalDigitCINN": "cinn_hub.originals.models",
    "OriginalBedroomCINN": "cinn_hub.originals.models",
    "OriginalImageNetCINN": "cinn_hub.originals.models",
}
"""The module of each architecture; the class in it has the architecture's name."""
