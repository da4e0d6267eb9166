"""The plan of adapters: sizes, data, and what a trial takes. Without torch where that is possible."""
