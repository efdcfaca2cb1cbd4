"""A result as text for people, and as JSON, SARIF, JUnit or GitHub annotations for machines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from docflow import __version__
from docflow.check import Result, Summary
from docflow.model import Finding
from docflow.rules import RULES

_LEVELS: Final = {"error": "error", "warning": "warning", "note": "notice"}


def text(result: Result) -> str:
    """Write findings with their remedies, then the counts of the tree and of the findings."""
    return "\n".join([*_finding_lines(result), *summary_lines(result.summary), _verdict(result)])


def _finding_lines(result: Result) -> Iterator[str]:
    for one in result.findings:
        yield _finding_line(one)
        yield f"    {one.remedy}"


def _finding_line(one: Finding) -> str:
    return f"{one.path}:{one.line}: {one.severity}[{one.rule}] {one.message}"


def summary_lines(summary: Summary) -> Iterator[str]:
    """Yield the counts of a tree in words."""
    dialects = ", ".join(f"{count} {name}" for name, count in summary.dialects.items()) or "none"
    yield f"{summary.governed} of {summary.documents} documents governed ({dialects}); {summary.sections} sections"
    yield (
        f"{summary.document_edges} document edges with {summary.pins} pins, "
        f"{summary.section_edges} section edges with {summary.reviews} reviews"
    )
    yield "edges: " + (", ".join(f"{name} {count}" for name, count in summary.statuses.items()) or "none")


def _verdict(result: Result) -> str:
    count = Counter(one.severity for one in result.findings)
    known = f", {len(result.known)} known from the baseline" if result.known else ""
    counts = f"{count['error']} errors, {count['warning']} warnings, {count['note']} notes{known}"
    return f"docflow: {'FAILED' if result.blocks else 'ok'}: {counts}"


def as_json(result: Result) -> str:
    """Write the result as one JSON object; `format` changes when its shape does."""
    return json.dumps(result.as_dict(), indent=1, ensure_ascii=False)


def sarif(result: Result) -> str:
    """SARIF 2.1.0, one run; tolerated findings are present as suppressed results."""
    rules = [
        {
            "id": rule.id,
            "shortDescription": {"text": (rule.check.__doc__ or rule.id).split("\n")[0]},
            "help": {"text": rule.remedy},
            "defaultConfiguration": {"level": rule.severity if rule.severity != "off" else "none"},
        }
        for rule in RULES
    ]
    tool = {"driver": {"name": "docflow", "version": __version__, "rules": rules}}
    results = [_sarif_result(one) for one in result.findings]
    results += [_sarif_result(one) | {"suppressions": [{"kind": "external"}]} for one in result.known]
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": tool, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return json.dumps(log, indent=1, ensure_ascii=False)


def _sarif_result(one: Finding) -> dict[str, object]:
    return {
        "ruleId": one.rule,
        "level": one.severity,
        "message": {"text": f"{one.message}\nRemedy: {one.remedy}"},
        "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": one.path}, "region": {"startLine": one.line}}},
        ],
        "partialFingerprints": {"docflow/v1": f"{one.rule}:{one.path}:{one.subject}"},
    }


def junit(result: Result) -> str:
    """Write JUnit XML: a test case a rule; each error is a failing case of its own, the rest goes to system-out."""
    errors = [one for one in result.findings if one.severity == "error"]
    broken = {one.rule for one in errors}
    passed = [rule.id for rule in RULES if rule.id not in broken]
    counts = {"tests": str(len(passed) + len(errors)), "failures": str(len(errors))}
    from xml.etree import ElementTree

    suite = ElementTree.Element("testsuite", {"name": "docflow", **counts})
    for name in passed:
        ElementTree.SubElement(suite, "testcase", {"classname": "docflow", "name": name})
    for one in errors:
        place = {"file": _clean(one.path), "line": str(one.line)}
        name = {"classname": f"docflow.{one.rule}", "name": _clean(f"{one.path}: {one.subject}")}
        case = ElementTree.SubElement(suite, "testcase", {**name, **place})
        failure = ElementTree.SubElement(case, "failure", {"message": _clean(one.message)})
        failure.text = _clean(f"{one.path}:{one.line}: {one.remedy}")
    rest = (one for one in result.findings if one.severity != "error")
    ElementTree.SubElement(suite, "system-out").text = _clean("\n".join(map(_finding_line, rest)))
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode")


def _clean(value: str) -> str:
    """Drop what XML 1.0 cannot hold."""
    return "".join(
        char
        for char in value
        if char in "\t\n" or "\x20" <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char > "\uffff"
    )


def github(result: Result) -> str:
    """Workflow commands that GitHub shows at the line; the verdict follows as plain text."""
    lines = [
        f"::{_LEVELS[one.severity]} file={_property(one.path)},line={one.line},title={_property(f'docflow {one.rule}')}"
        f"::{_data(f'{one.message}. {one.remedy}')}"
        for one in result.findings
    ]
    return "\n".join([*lines, _verdict(result)])


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


FORMATS: Final[Mapping[str, Callable[[Result], str]]] = {
    "text": text,
    "json": as_json,
    "sarif": sarif,
    "junit": junit,
    "github": github,
}
"""Every output of `docflow check --format`."""
