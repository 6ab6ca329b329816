"""The words of notes and authors: language packs, and texts rendered from them on demand."""

from simulator.text.pack import Language, Pack, load
from simulator.text.render import AuthorProfiles, NoteBodies, NoteTitles

__all__ = ["AuthorProfiles", "Language", "NoteBodies", "NoteTitles", "Pack", "load"]
