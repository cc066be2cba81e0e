"""Archives: ten thousand reports and more, in parts, on all cores, to be resumed at any moment.

A *part* is some hundred reports, in the order of the input. Which reports make which part is
written down first (``plan``). Worker processes make whole parts in a folder of their own with the
ordinary writers (``worker``, ``pool``); a part takes its place by one rename, and only the process
that holds the lock renames (``folder``). So whatever is killed when, a part is there whole or not
at all, and a resumed run makes what is missing, byte for byte as an undisturbed one would have.
"""

from inference.archive.process import holds_archive, is_archive_sized, run_archive

__all__ = ["holds_archive", "is_archive_sized", "run_archive"]
