"""Accounts of an ingest: what was asked for, what came, by which path, and whether the two agree [RING-13]."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class IngestPath(Enum):
    """How bytes reach their buffer; the value is the word that reports print."""

    REGISTERED = "registered"
    GPUDIRECT = "gpudirect"


class IngestFinding(Enum):
    """What the accounts of a finished ingest say, the first that holds; OK where nothing is wrong."""

    OK = "ok"
    BOUNCED = "cpu_bounce"
    FAILED = "failed"
    INFLIGHT = "inflight"
    BYTES = "byte_mismatch"
    READS = "read_mismatch"
    PATH = "path_mismatch"
    MIXED = "path_mixed"


@dataclass(frozen=True, slots=True)
class IngestAccounts:
    """Counts of bytes and reads; `cpu_bounce_bytes` are those that were copied once more on their way."""

    submitted_bytes: int = 0
    completed_bytes: int = 0
    submitted_reads: int = 0
    completed_reads: int = 0
    registered_mapped_read_submissions: int = 0
    gpudirect_nvme_submissions: int = 0
    cpu_bounce_bytes: int = 0
    failed_completions: int = 0

    @property
    def inflight(self) -> int:
        """Reads that have neither completed nor failed, at least 0."""
        return max(0, self.submitted_reads - self.completed_reads - self.failed_completions)

    def finding(self, path: IngestPath) -> IngestFinding:
        """Return what is wrong with a finished ingest by one path, the first in the order of the kinds."""
        registered = path is IngestPath.REGISTERED
        mine, other = self.registered_mapped_read_submissions, self.gpudirect_nvme_submissions
        taken, beside = (mine, other) if registered else (other, mine)
        wrong = {
            IngestFinding.BOUNCED: self.cpu_bounce_bytes != 0,
            IngestFinding.FAILED: self.failed_completions != 0,
            IngestFinding.INFLIGHT: self.inflight != 0,
            IngestFinding.BYTES: self.submitted_bytes != self.completed_bytes,
            IngestFinding.READS: self.submitted_reads != self.completed_reads,
            IngestFinding.PATH: taken != self.submitted_reads,
            IngestFinding.MIXED: beside != 0,
        }
        return next((finding for finding, holds in wrong.items() if holds), IngestFinding.OK)


@dataclass(frozen=True, slots=True)
class WriteAccounts:
    """Counts of bytes, writes and fences; what went out of a write that failed later is in `completed_bytes`."""

    submitted_bytes: int = 0
    completed_bytes: int = 0
    submitted_writes: int = 0
    completed_writes: int = 0
    failed_writes: int = 0
    cpu_bounce_bytes: int = 0
    passed_fences: int = 0
    failed_fences: int = 0
    synced_files: int = 0

    @property
    def inflight(self) -> int:
        """Writes that have neither completed nor failed."""
        return self.submitted_writes - self.completed_writes - self.failed_writes
