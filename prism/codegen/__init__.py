"""What every generator of source shares: text under construction, functions for Numba, compiled code on disk."""
