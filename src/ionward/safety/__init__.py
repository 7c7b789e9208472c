"""The protection kernel: validated measurements in, fault levels and reactions out. Imports the image only."""
