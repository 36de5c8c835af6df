"""The parts that every network here is assembled from. Written against `keras` alone: any backend runs them."""
