"""What can be done with the history: move events to it, read it, keep it in order, make erased events go."""
