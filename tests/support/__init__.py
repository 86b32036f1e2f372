"""Small real fakes for the tests: packages, an index, a driver, broken environments."""
