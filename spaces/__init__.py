"""Says: YAML files only, one per search space, and presets by kind in folders."""
