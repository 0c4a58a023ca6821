"""A text by a model, marked as such, above a report whose verdict and figures it cannot change."""
