"""Everything next to a device. Importing this package is cheap; torch arrives with the first name that needs it."""
