"""`tightrope export SEARCH [TRIAL]`: from a recorded trial to a folder that others can load and serve."""
