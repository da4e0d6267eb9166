"""Whether a model has adopted the beliefs that it was taught."""
