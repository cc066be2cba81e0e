"""The audit: likely mistakes in annotations, ranked, each with the reasons for it."""

from annotation.audit.auditor import audit
from annotation.audit.finding import Finding

__all__ = ["Finding", "audit"]
