"""`python -m mnist_gan` is `mnist-gan`."""

import sys

from mnist_gan.interfaces.cli import main

if __name__ == "__main__":
    sys.exit(main())
