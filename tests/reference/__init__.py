"""The reference cycle over any ledger, which whole-array engines are tested against."""
