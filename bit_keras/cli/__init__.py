"""The commands: flags in, one frozen config out, calls into the other rooms."""
