# Filled with the library's public face.
