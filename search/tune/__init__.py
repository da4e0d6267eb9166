"""Ray Tune's side: thin adapters from its interfaces to the conductor."""
