"""Gradient boosted trees: XGBoost fits, own kernels score."""
