"""Executors of the ring: what drains it. Each makes `prism.ring.model` fast, none says what is right."""
