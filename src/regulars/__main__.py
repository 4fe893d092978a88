"""`python -m regulars` is the command `regulars`."""

from regulars.bootstrap.cli import main

main()
