"""Models as pages use them: asked once and kept, opened and forgotten, and the page that shows them."""
