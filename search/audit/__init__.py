"""The audit of a configuration before it is run: rules, and what they find."""
