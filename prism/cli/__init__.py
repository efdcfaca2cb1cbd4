"""The `prism` command. Subcommands are imported when they are called, so that each pays only for itself."""
