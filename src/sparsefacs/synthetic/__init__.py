"""AU-labelled synthetic faces: geometry, skin, dynamics, renderer."""
