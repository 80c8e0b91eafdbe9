"""Folders and archives of photos: what there is to do, doing it, noting what was done."""
