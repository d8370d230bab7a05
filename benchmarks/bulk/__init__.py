"""What bulk runs cost beside the rendering itself."""
