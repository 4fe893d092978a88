"""`regulars bench NAME`: speed as a ratio of two things measured in the same run; absolute values only for orientation."""
