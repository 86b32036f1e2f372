"""`python -m llmdoctor`."""

from llmdoctor.cli.main import main

main()
