"""`python -m mnist_gan` is `mnist-gan`."""

import sys

from mnist_gan.cli import main

if __name__ == "__main__":
    sys.exit(main())
