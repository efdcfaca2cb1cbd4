"""The instruction set: one table of instructions, programs made of them, their two forms, and their verification."""
