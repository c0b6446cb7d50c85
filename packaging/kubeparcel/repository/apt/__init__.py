"""The indexes of apt repositories."""
