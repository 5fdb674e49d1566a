"""Local PL curvature: bounds."""
