"""Configurations of other tools: their keys as facts that rules speak of."""

from search.audit.foreign.audit import ForeignAudit, audit_file

__all__ = ["ForeignAudit", "audit_file"]
