"""Pure rules over frames, one file per business concern."""
