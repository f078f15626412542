"""``python -m runwright`` is the command line."""

from runwright.cli import main

if __name__ == "__main__":
    main()
