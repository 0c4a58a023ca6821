"""One file per kind of report; each has `build(material) -> Report`. What they share is material.py."""
