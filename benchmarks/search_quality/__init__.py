"""Quality of searches: hypervolume reached for the same compute, against peers, in simulated time."""
