"""Tasks of lm-evaluation-harness, asked of a model by forward passes of ours.

The harness: Gao et al., 2024, doi:10.5281/zenodo.12608602.
"""
