"""Style sheet and scripts that the studio and the exported page share; the folder has no Python code."""
