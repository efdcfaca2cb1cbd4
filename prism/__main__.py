"""`python -m prism` is `prism`."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Until a command says otherwise an interrupt ends the process at once, in the middle of an import as well.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from prism.cli.main import main

main()
