"""The checker of POLICY_SEED.md: what workflow files and repository settings may say.

`policy.document` reads YAML with its lines, `policy.expression` and `policy.shell` read the two languages inside it,
`policy.workflow` gives both a shape, `policy.rules` judges, `policy.posture` judges a recorded answer of the host.
"""
