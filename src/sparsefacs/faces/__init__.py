"""Pixels to aligned faces: video, detection, landmarks, alignment, and the prepare pipeline."""
