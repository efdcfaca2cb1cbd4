"""What a kernel costs: operations, bytes moved between memories, memory held, and the least time on a chip."""
