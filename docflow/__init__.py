"""docflow: normative documents as a checked dependency graph, with reviews that go stale."""
