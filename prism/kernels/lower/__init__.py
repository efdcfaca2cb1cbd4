"""From typed records to a program of the instruction set, classified by what its data do."""
