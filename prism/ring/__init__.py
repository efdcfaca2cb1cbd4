"""The ring: many tenants submit many tiny jobs to resident state; one worker drains them and says what happened.

`layout` is the table of every word, `codec` reads and writes the host's buffers, `state` is a whole ring as arrays,
`model` is the living definition of what a worker does, `program` says which handlers it knows. Executors only make
the model fast.
"""
