"""The parts that every network here is assembled from. Written against `keras` alone, so any Keras backend runs them."""
