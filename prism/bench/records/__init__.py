"""Telemetry: record what a host did, and summarise records [TELEMETRY-1].

`measure` and `trace` make records of one run, `collect` turns folders of records into Markdown, `unpack` opens a
report archive safely. Records are signals only: nothing here decides whether a run passes.
"""
