"""What a face's points, blendshapes and pose tell, and whose face it is: evidence beside pixels, as arrays."""
