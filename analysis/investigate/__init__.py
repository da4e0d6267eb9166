"""Is a loss of capability real, or an artifact of the evaluation? Five checks and a verdict."""

from analysis.investigate.errors import InputError
from analysis.investigate.results import Investigation
from analysis.investigate.run import investigate, investigate_studies

__all__ = ["InputError", "Investigation", "investigate", "investigate_studies"]
