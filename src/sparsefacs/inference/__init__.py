"""A trained run turned loose on photos and videos: predictor, writers, overlay."""
