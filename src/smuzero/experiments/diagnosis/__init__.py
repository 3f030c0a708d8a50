"""What a trained run knows of its environment, measured: `measure.diagnose` does it all."""
