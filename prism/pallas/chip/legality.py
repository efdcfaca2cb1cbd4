"""Whether the compiler of the pretended chip would take a kernel, judged before it is run [CHIP-3]."""

from __future__ import annotations

import linecache
import warnings

from prism.pallas.cache import Prepared
from prism.pallas.chip import lowering
from prism.pallas.chip.findings import Finding, Subject
from prism.pallas.chip.rules import RULES, Rule
from prism.pallas.chip.table import CHIPS, Chip
from prism.pallas.chip.target import target_of
from prism.pallas.errors import LegalityError, LegalityWarning
from prism.pallas.params import InterpretParams

_UNNAMED = Rule("lowering", ("tpu", "triton", "mosaic_gpu"), "JAX's lowering of this call", lambda _: iter(()))


def judge(prepared: Prepared, params: InterpretParams) -> None:
    """Raise, or warn, if the chip's compiler refuses a kernel; each kernel is judged once for each chip."""
    chip = CHIPS[params.chip or ""]
    if chip.name not in prepared.refusals:
        prepared.refusals[chip.name] = [told(prepared, chip, *found) for found in findings(prepared, chip)]
    for error in prepared.refusals[chip.name]:
        if params.legality == "raise":
            raise error.with_traceback(None)
        warnings.warn(str(error), LegalityWarning, stacklevel=2)


def findings(prepared: Prepared, chip: Chip) -> list[tuple[Rule, Finding]]:
    """Return all that a chip's compiler refuses in a call, by the table of rules; else what JAX's lowering refuses."""
    call, target = prepared.call, target_of(prepared.call, prepared.parameters, chip)
    subject = Subject(call, target, chip)
    found = [(rule, one) for rule in RULES if target.lowering in rule.lowerings for one in rule.find(subject)]
    if any(rule.lowered for rule, _ in found):
        return found
    refusal = lowering.refused(call, prepared.parameters, chip)
    if refusal is not None:
        site, words = refusal
        remedy = "this is the lowering's own refusal: see its documentation for the construct at this line"
        found.append((_UNNAMED, Finding(site, words, remedy)))
    return found


def told(prepared: Prepared, chip: Chip, rule: Rule, finding: Finding) -> LegalityError:
    """Return a finding as the error that the user sees."""
    text = linecache.getline(finding.site.file, finding.site.line).strip()
    shown = f"\n    {text}" if text else ""
    where = f"kernel {prepared.call.name} on {chip.name}, rule {rule.name} ({rule.cite})"
    error = LegalityError(f"{finding.site}: {finding.problem}{shown}\n  {where}\n  {finding.remedy}")
    error.site, error.rule, error.chip = finding.site, rule.name, chip.name
    return error
