"""The command line. It translates: words into calls of the engine, records into text or JSON, errors into exit codes.

Only click is imported at the top of these modules; everything else waits until a verb needs it.
"""

from edge.faces.cli.app import main, run

__all__ = ["main", "run"]
