"""`python -m prism` is `prism`."""

from prism.cli.main import main

main()
