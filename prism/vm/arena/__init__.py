"""The arena: a graph of provisional nodes in slots whose layout never carries meaning [ARENA-1].

`store` holds the slots, `order` computes permutations (combinators from arena to permutation), `permute` applies one,
`locality` measures how far pointers reach. Whatever the layout, `prism.vm.engines.project` reads the same terms.
"""
