"""`python -m flockwise` is the command line."""

from flockwise.cli import main

if __name__ == "__main__":
    main()
