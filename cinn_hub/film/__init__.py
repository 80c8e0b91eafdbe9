"""Films: one latent a shot, colours that follow the motion, sound and times as they were."""

from cinn_hub.film.filming import Shot, Wish, color_film

__all__ = ["Shot", "Wish", "color_film"]
