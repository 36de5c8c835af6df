"""Data sets, schedule, loop and snapshots. Nothing here imports TensorFlow: any Keras backend can train."""
