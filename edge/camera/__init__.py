"""Sources of pictures, by URL."""
