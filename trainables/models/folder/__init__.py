"""What can be found wrong with a model's folder without torch or transformers, in well under a second."""
