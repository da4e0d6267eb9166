"""What judges trials and decides by a record; imports neither Ray, torch nor MLflow at module level."""
